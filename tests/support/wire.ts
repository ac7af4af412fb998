/**
 * The wire format, written a second time for tests without `src/protocol/`, so that a mistake there does not hide
 * itself: varints (RFC 9000 §16), frames, JSON, and MessagePack by `msgpackr`.
 *
 * @module
 */

import { Packr, Unpackr } from "msgpackr";

/** A message as it stands on the wire. */
export interface WireMessage {
  readonly type: string;
  readonly id: string;
  readonly timestamp: number;
  readonly re?: string;
  // deno-lint-ignore no-explicit-any -- tests look into payloads of every shape
  readonly payload: Record<string, any>;
}

/** How messages are written. */
export type WireForm = "json" | "msgpack";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

/** A varint in as few bytes as it takes. */
export function varint(value: number): Uint8Array<ArrayBuffer> {
  if (value < 0x40) return Uint8Array.of(value);
  if (value < 0x4000) return Uint8Array.of(0x40 | value >> 8, value & 0xff);
  const bytes = new Uint8Array(value < 0x4000_0000 ? 4 : 8);
  const view = new DataView(bytes.buffer);
  if (bytes.length === 4) view.setUint32(0, value + 0x8000_0000);
  else view.setBigUint64(0, BigInt(value) | 0xc000_0000_0000_0000n);
  return bytes;
}

/** The varint at `at`: its value and the place after it; undefined when the bytes end before it does. */
export function readVarint(bytes: Uint8Array, at: number): { value: number; next: number } | undefined {
  if (at >= bytes.length) return undefined;
  const next = at + (1 << (bytes[at]! >> 6));
  if (next > bytes.length) return undefined;
  let value = BigInt(bytes[at]! & 0x3f);
  for (let i = at + 1; i < next; i++) value = value << 8n | BigInt(bytes[i]!);
  return { value: Number(value), next };
}

/** `body` with its length before it. */
export function frame(body: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(varint(body.length), body);
}

/** Splits off whole frames: their bodies, and what is left. */
export function takeFrames(bytes: Uint8Array): { bodies: Uint8Array[]; rest: Uint8Array } {
  const bodies: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    const length = readVarint(bytes, at);
    if (length === undefined || length.next + length.value > bytes.length) {
      return { bodies, rest: bytes.slice(at) };
    }
    at = length.next + length.value;
    bodies.push(bytes.slice(length.next, at));
  }
}

/** One after the other in new memory. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A message's bytes without a length. Bytes in a payload are base64 in JSON. */
export function encode(message: WireMessage, form: WireForm): Uint8Array<ArrayBuffer> {
  if (form === "msgpack") return new Uint8Array(packr.pack(message));
  const text = JSON.stringify(message, (_, value) => value instanceof Uint8Array ? value.toBase64() : value);
  return new TextEncoder().encode(text);
}

/** The message in a frame's body or a text frame. Throws when it is none. */
export function decode(body: Uint8Array | string): WireMessage {
  if (typeof body === "string") return JSON.parse(body);
  if (body[0] === 0x7b) return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  return unpackr.unpack(body);
}
