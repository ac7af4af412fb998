/**
 * Whether a payload fits a message in either form: JSON writes a control character as six bytes and a byte of a bytes
 * field as four thirds, MessagePack writes `1.5` as nine.
 *
 * @module
 */

import type { Payload } from "./message.ts";
import { pack } from "./pack.ts";
import { utf8Length } from "./utf8.ts";

/** Most bytes of a number, a boolean or null in either form, a comma included. */
const SCALAR = 26;
/** Bytes around a text, an array or an object: quotes, commas, colons, or the longest MessagePack header. */
const AROUND = 6;

/**
 * Whether `payload` has at most `limit` bytes in both forms. Small payloads cost one walk over their values; only one
 * that may be too large is encoded.
 */
export function fitsEveryForm(payload: Payload, limit: number): boolean {
  if (left(payload, limit) >= 0) return true;
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
