/**
 * How many bytes a text takes, and whether a payload fits in either form: JSON writes a control character as six bytes
 * and three bytes as four, MessagePack writes `1.5` as nine bytes.
 *
 * @module
 */

import type { Form, Payload } from "./message.ts";
import { pack } from "./pack.ts";

const encoder = new TextEncoder();
/** Overwritten with each use. */
const scratch = new Uint8Array(65_536);
/** Most bytes of a number, a boolean or null in either form, a comma included. */
const SCALAR = 26;
/** Bytes around a text, an array or an object: quotes, commas, colons, or the longest MessagePack header. */
const AROUND = 6;

/** Bytes by which a payload may grow from one form to the other and still count as fitting the limit of its frame. */
const GROWTH = 256;

/**
 * Whether `payload` has at most `limit` bytes in both forms. Small payloads cost one walk over their values; only one
 * that may be too large is encoded. `form`: it came in a frame of that form, of at most `limit` bytes; from JSON it may
 * be larger by 256 bytes. Texts are not looked at then, because no form writes them longer than JSON does.
 */
export function fitsEveryForm(payload: Payload, limit: number, form?: Form): boolean {
  if (left(payload, limit) >= 0) return true;
  if (form === "json" && unspent(payload, GROWTH) >= 0) return true;
  if (jsonLength(payload) > limit) return false;
  return pack(payload).length <= limit;
}

/** What `limit` leaves when `value` takes the most it can take; negative: it may not fit. Stops there. */
function left(value: unknown, limit: number): number {
  if (typeof value === "string") return limit - AROUND - value.length * 6;
  if (typeof value !== "object" || value === null) return limit - SCALAR;
  let rest = limit - AROUND;
  if (value instanceof Uint8Array) return rest - 4 * Math.ceil(value.length / 3);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && rest >= 0; i++) rest = left(value[i], rest);
    return rest;
  }
  for (const key in value) {
    if (rest < 0) return rest;
    rest = left((value as Record<string, unknown>)[key], rest - AROUND - key.length * 6);
  }
  return rest;
}

/** What `growth` leaves when `value`, which came in JSON, is written as long as either form may write it. */
function unspent(value: unknown, growth: number): number {
  if (typeof value === "number") return growth - SCALAR;
  let rest = growth - AROUND;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return rest;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && rest >= 0; i++) rest = unspent(value[i], rest);
    return rest;
  }
  for (const key in value) {
    if (rest < 0) return rest;
    rest = unspent((value as Record<string, unknown>)[key], rest - AROUND);
  }
  return rest;
}

/** Bytes of `payload` as JSON. */
function jsonLength(payload: Payload): number {
  let bytes = 0;
  const others: Payload = {};
  for (const key in payload) {
    const value = payload[key];
    // Base64 is counted and not made.
    if (value instanceof Uint8Array) {
      bytes += 4 * Math.ceil(value.length / 3);
      others[key] = "";
    } else others[key] = value;
  }
  return bytes + utf8Length(JSON.stringify(others));
}

/** How many bytes a text takes in UTF-8; a lone surrogate counts as U+FFFD, which is what an encoder writes for it. */
export function utf8Length(text: string): number {
  let bytes = 0;
  // Counting by hand takes a nanosecond for each character; the runtime encodes thirty times faster.
  for (let at = 0; at < text.length;) {
    const { read, written } = encoder.encodeInto(at === 0 ? text : text.slice(at), scratch);
    at += read;
    bytes += written;
  }
  return bytes;
}
