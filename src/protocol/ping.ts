/**
 * The `ping` that keeps a connection alive, read without a parser and without an object of its own: a service with many
 * idle connections does little else.
 *
 * @module
 */

import { MAX_NAME_LENGTH } from "./json_codec.ts";
import { MAX_RTT } from "./schemas/ping.ts";

/** A `ping` as it was read. */
export interface PlainPing {
  /** They have its id, from `from` to `to`. */
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  /** Milliseconds of the last round trip, when the client told. */
  readonly rtt: number | undefined;
}

const encoder = new TextEncoder();
/** Bytes of the longest ping that is looked at. */
const LONGEST = 200;
/** A text as bytes, each character of which may take three. */
const scratch = new Uint8Array(3 * LONGEST);
/** `JSON.stringify` makes these of a ping with its fields in their usual order. */
const [START, TIMESTAMP, PAYLOAD, RTT, END] = [
  '{"type":"ping","id":"',
  '","timestamp":',
  ',"payload":{',
  '"rtt":',
  "}}",
]
  .map((text) => encoder.encode(text)) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
/** Most digits of a timestamp, and of a round trip before and after its point. */
const TIMESTAMP_DIGITS = 16, WHOLE_DIGITS = 8, FRACTION_DIGITS = 20;

/** The last ping that was read. */
const found: { bytes: Uint8Array; from: number; to: number; rtt: number | undefined } = {
  bytes: scratch,
  from: 0,
  to: 0,
  rtt: undefined,
};

/**
 * Reads a ping in JSON whose fields stand in the order of PROTOCOL.md and without spaces. Undefined for everything else,
 * which may be a ping all the same. What it returns is valid until the next call, and as long as `frame` is.
 */
export function readPlainPing(frame: Uint8Array | string): PlainPing | undefined {
  if (frame.length > LONGEST) return undefined;
  if (typeof frame !== "string") return read(frame, frame.length);
  // Most texts are no pings, and need not be written to find that out.
  if (frame.charCodeAt(9) !== START[9] || frame.charCodeAt(10) !== START[10]) return undefined;
  return read(scratch, encoder.encodeInto(frame, scratch).written);
}

function read(bytes: Uint8Array, end: number): PlainPing | undefined {
  const from = after(bytes, 0, START);
  const to = plainText(bytes, from);
  let at = digits(bytes, after(bytes, to, TIMESTAMP), TIMESTAMP_DIGITS);
  at = after(bytes, at, PAYLOAD);
  if (at < 0) return undefined;
  let rtt: number | undefined;
  const number = after(bytes, at, RTT);
  if (number >= 0) {
    at = digits(bytes, number, WHOLE_DIGITS);
    if (at >= 0 && bytes[at] === 0x2e) at = fraction(bytes, at + 1);
    if (at < 0) return undefined;
    rtt = Number(String.fromCharCode(...bytes.subarray(number, at)));
    if (rtt > MAX_RTT) return undefined;
  }
  if (after(bytes, at, END) !== end) return undefined;
  found.bytes = bytes;
  found.from = from;
  found.to = to;
  found.rtt = rtt;
  return found;
}

// Each of these returns the place after what it looks for at `at`, and -1 when that is not there, or `at` is -1 already.

function after(bytes: Uint8Array, at: number, wanted: Uint8Array): number {
  if (at < 0 || at + wanted.length > bytes.length) return -1;
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return -1;
  return at + wanted.length;
}

/** The characters of an id that JSON does not escape. */
function plainText(bytes: Uint8Array, from: number): number {
  if (from < 0) return -1;
  let at = from;
  for (const end = Math.min(bytes.length, from + MAX_NAME_LENGTH); at < end; at++) {
    const byte = bytes[at]!;
    if (byte < 0x21 || byte > 0x7e || byte === 0x22 || byte === 0x5c) break;
  }
  return at === from ? -1 : at;
}

/** A whole number of at most `most` digits, as JSON writes it. */
function digits(bytes: Uint8Array, from: number, most: number): number {
  if (from < 0 || !isDigit(bytes[from])) return -1;
  if (bytes[from] === 0x30) return from + 1;
  let at = from + 1;
  while (at < from + most && isDigit(bytes[at])) at++;
  return at;
}

function fraction(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < from + FRACTION_DIGITS && isDigit(bytes[at])) at++;
  return at === from ? -1 : at;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
