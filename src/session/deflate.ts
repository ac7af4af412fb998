/**
 * Large messages compressed for clients that want it (`deflated`): each by itself, so nothing is kept for a connection,
 * and once for all subscribers of a channel.
 *
 * @module
 */

import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Clock } from "../async/clock.ts";
import {
  decodeFrame,
  Encoded,
  type Message,
  parsePayload,
  ProtocolError,
  type Queueing,
} from "../protocol/mod.ts";

/** At most the bytes of a `deflated` message beside the compressed ones, which JSON writes as base64. */
const ENVELOPE = 192;
/** Milliseconds of each second that a node compresses at most: above it messages go as they are. */
const BUDGET = 200;

const encoder = new TextEncoder();

/** A message within a message: it waits, and is dropped, as the one in it. */
class DeflatedMessage extends Encoded {
  readonly #inner: Encoded;

  constructor(inner: Encoded, data: Uint8Array, size: number) {
    const { id, timestamp } = inner.message;
    super({ type: "deflated", id, timestamp, payload: { data, size } }, true);
    this.#inner = inner;
  }

  override get queueing(): Queueing {
    return this.#inner.queueing;
  }
}

/** Compresses what one node sends, within its budget. */
export class Deflater {
  readonly #clock: Clock;
  /** What became of a message: itself, when it does not shrink. */
  readonly #made = new WeakMap<Encoded, Encoded>();
  #left = BUDGET;
  #at = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `message`, compressed when it has `from` bytes or more, no bytes as a field, and becomes smaller. */
  of(message: Encoded, from: number): Encoded {
    if (message.text().length < from) return message;
    const known = this.#made.get(message);
    if (known !== undefined) return known;
    const now = this.#clock.now();
    this.#left = Math.min(BUDGET, this.#left + (now - this.#at) * BUDGET / 1000);
    this.#at = now;
    if (this.#left <= 0 || hasBytes(message.message)) return message;
    const started = performance.now();
    const text = encoder.encode(message.text());
    const packed = deflateRawSync(text, { level: 1 });
    this.#left -= performance.now() - started;
    const made = packed.length * 4 / 3 + ENVELOPE < text.length
      ? new DeflatedMessage(
        message,
        new Uint8Array(packed.buffer, packed.byteOffset, packed.length),
        text.length,
      )
      : message;
    this.#made.set(message, made);
    return made;
  }
}

/** Bytes travel as they are in MessagePack, and seldom become smaller. */
function hasBytes({ payload }: Message): boolean {
  for (const key in payload) if (payload[key] instanceof Uint8Array) return true;
  return false;
}

/**
 * The message in a `deflated` one, and its bytes. Nothing larger than the sender says, or than `limit`, is made of it.
 * Throws ProtocolError `bad_request` or `bad_payload`.
 */
export function inflated(message: Message, limit: number): { message: Message; size: number } {
  const { data, size } = parsePayload("deflated", message.payload);
  if (size > limit) throw new ProtocolError("bad_request", `deflated: more than ${limit} bytes`);
  let bytes: Uint8Array;
  try {
    bytes = inflateRawSync(data, { maxOutputLength: size });
  } catch {
    throw new ProtocolError("bad_request", "deflated: damaged, or more than it says");
  }
  if (bytes.length !== size) throw new ProtocolError("bad_request", "deflated: less than it says");
  const inner = decodeFrame(bytes).message;
  if (inner.type === "deflated") throw new ProtocolError("bad_request", "deflated: twice");
  return { message: inner, size };
}
