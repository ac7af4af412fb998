/**
 * The `ping` that keeps a connection alive, read and answered without a parser: a service with many idle connections
 * does little else.
 *
 * @module
 */

import { MAX_NAME_LENGTH } from "./json_codec.ts";
import type { Message } from "./message.ts";
import { MAX_RTT } from "./schemas/ping.ts";
import { decodeUtf8 } from "./utf8.ts";

/** A `ping` as it was read. */
export interface PlainPing {
  readonly id: string;
  /** Milliseconds of the last round trip, when the client told. */
  readonly rtt: number | undefined;
}

/** Bytes of the longest ping that is looked at. */
const LONGEST = 200;
const START = '{"type":"ping","id":"';
/** What `JSON.stringify` makes of a ping with its fields in their usual order; an id has no characters to escape. */
const REST = new RegExp(
  `^([!#-\\[\\]-~]{1,${MAX_NAME_LENGTH}})","timestamp":(?:0|[1-9][0-9]{0,15}),` +
    `"payload":\\{(?:"rtt":((?:0|[1-9][0-9]{0,7})(?:\\.[0-9]{1,20})?))?\\}\\}$`,
);

/**
 * Reads a ping in JSON whose fields stand in the order of PROTOCOL.md and without spaces. Undefined for everything else,
 * which may be a ping all the same.
 */
export function readPlainPing(frame: Uint8Array | string): PlainPing | undefined {
  if (frame.length > LONGEST) return undefined;
  let text: string | undefined;
  if (typeof frame === "string") text = frame;
  else if (frame[0] === 0x7b && frame[9] === 0x70 && frame[10] === 0x69) text = decodeUtf8(frame);
  if (text === undefined || !text.startsWith(START)) return undefined;
  const found = REST.exec(text.slice(START.length));
  if (found === null) return undefined;
  const rtt = found[2] === undefined ? undefined : Number(found[2]);
  return rtt !== undefined && rtt > MAX_RTT ? undefined : { id: found[1]!, rtt };
}

/** The JSON text of a `pong`. Its ids are such as need no escapes in JSON. */
export function pongText({ id, timestamp, re }: Message): string {
  return `{"type":"pong","id":"${id}","timestamp":${timestamp},"re":"${re}","payload":{}}`;
}
