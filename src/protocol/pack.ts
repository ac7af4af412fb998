/**
 * Messages to MessagePack. As with `JSON.stringify`, fields that are `undefined` are left out, NaN and infinities become
 * nil, and `toJSON` is called.
 *
 * @module
 */

import { varintSize, writeVarint } from "./varint.ts";

const TWO_32 = 0x1_0000_0000;
// Allocating small arrays is slow, so several messages share one slab. It is small because one message that waits keeps
// all of it in memory.
const SLAB = 8192;
// Bytes of the longest length prefix.
const HEAD = 4;
const MAX_BODY = 0x4000_0000;

const encoder = new TextEncoder();

let bytes: Uint8Array<ArrayBuffer> = new Uint8Array(SLAB);
let view = new DataView(bytes.buffer);
let start = 0;
let at = 0;

/** Encodes `value` as MessagePack. Throws TypeError for a bigint, RangeError for what refers to itself. */
export function pack(value: unknown): Uint8Array<ArrayBuffer> {
  begin();
  write(value);
  return body();
}

/** Encodes `value` as MessagePack behind its length. Throws as `pack` does. */
export function packFramed(value: unknown): Uint8Array<ArrayBuffer> {
  begin();
  write(value);
  return framed();
}

/** Encodes `text` as UTF-8. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  begin();
  writeText(text);
  return body();
}

/** Encodes `text` as UTF-8 behind its length. */
export function utf8Framed(text: string): Uint8Array<ArrayBuffer> {
  begin();
  writeText(text);
  return framed();
}

function begin(): void {
  if (bytes.length > SLAB) {
    bytes = new Uint8Array(SLAB);
    view = new DataView(bytes.buffer);
    at = 0;
  }
  start = at;
  at += HEAD;
}

function body(): Uint8Array<ArrayBuffer> {
  return cut(start + HEAD);
}

// The length is written right before the body, where `begin` left room for the longest prefix.
function framed(): Uint8Array<ArrayBuffer> {
  const length = at - start - HEAD;
  if (length >= MAX_BODY) throw new RangeError(`a message of ${length} bytes`);
  const from = start + HEAD - varintSize(length);
  writeVarint(bytes, from, length);
  return cut(from);
}

// A message that does not fit the slab is copied to its true size: its array was made for the worst case.
function cut(from: number): Uint8Array<ArrayBuffer> {
  return bytes.length > SLAB ? bytes.slice(from, at) : bytes.subarray(from, at);
}

// Makes room for `size` more bytes; when there is none, this message moves to a larger array.
function room(size: number): void {
  if (at + size <= bytes.length) return;
  const length = at - start;
  const larger = new Uint8Array(Math.max(SLAB, length * 2 + size));
  larger.set(bytes.subarray(start, at));
  bytes = larger;
  view = new DataView(larger.buffer);
  start = 0;
  at = length;
}

// Most text is ASCII: room for three bytes a character is only made when one byte each was not enough.
function writeText(text: string): void {
  if (at + text.length <= bytes.length) {
    const { read, written } = encoder.encodeInto(text, bytes.subarray(at));
    if (read === text.length) {
      at += written;
      return;
    }
  }
  room(text.length * 3);
  at += encoder.encodeInto(text, bytes.subarray(at)).written;
}

function write(value: unknown): void {
  switch (typeof value) {
    case "string":
      return writeString(value);
    case "number":
      return writeNumber(value);
    case "boolean":
      return writeByte(value ? 0xc3 : 0xc2);
    case "object":
      if (value === null) return writeByte(0xc0);
      if (Array.isArray(value)) return writeArray(value);
      if (value instanceof Uint8Array) return writeBytes(value);
      if (typeof (value as { toJSON?: unknown }).toJSON === "function") {
        return write((value as { toJSON(): unknown }).toJSON());
      }
      return writeMap(value as Record<string, unknown>);
    case "bigint":
      throw new TypeError("a bigint cannot be sent");
    default:
      return writeByte(0xc0);
  }
}

function writeByte(byte: number): void {
  room(1);
  bytes[at++] = byte;
}

function writeNumber(value: number): void {
  room(9);
  if (Number.isSafeInteger(value)) {
    if (value >= 0) {
      if (value < 0x80) bytes[at++] = value;
      else if (value < 0x100) header(0xcc, 1, value);
      else if (value < 0x1_0000) header(0xcd, 2, value);
      else if (value < TWO_32) header(0xce, 4, value);
      else writeInt64(0xcf, value);
    } else if (value >= -0x20) bytes[at++] = value + 0x100;
    else if (value >= -0x8000_0000) header(0xd2, 4, value);
    else writeInt64(0xd3, value);
  } else if (value - value === 0) {
    bytes[at] = 0xcb;
    view.setFloat64(at + 1, value);
    at += 9;
  } else {
    bytes[at++] = 0xc0;
  }
}

function writeInt64(tag: number, value: number): void {
  bytes[at] = tag;
  view.setInt32(at + 1, Math.floor(value / TWO_32));
  view.setInt32(at + 5, value % TWO_32);
  at += 9;
}

function header(tag: number, size: 1 | 2 | 4, value: number): void {
  bytes[at++] = tag;
  if (size === 4) {
    bytes[at++] = value >>> 24;
    bytes[at++] = (value >>> 16) & 0xff;
  }
  if (size >= 2) bytes[at++] = (value >>> 8) & 0xff;
  bytes[at++] = value & 0xff;
}

function writeString(text: string): void {
  const length = text.length;
  room(length + 5);
  // Up to 48 ASCII characters are faster by hand than one call of the encoder.
  if (length < 48) {
    const from = at + (length < 32 ? 1 : 2);
    let i = 0;
    for (; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) break;
      bytes[from + i] = code;
    }
    if (i === length) {
      if (length < 32) bytes[at] = 0xa0 | length;
      else header(0xd9, 1, length);
      at = from + length;
      return;
    }
  }
  // The header comes before the text and its length is not known yet: it is as wide as the longest text needs.
  const most = length * 3;
  const size = most < 0x100 ? 1 : most < 0x1_0000 ? 2 : 4;
  at += 1 + size;
  const before = at - start;
  writeText(text);
  const end = at;
  at = start + before - 1 - size;
  header(size === 1 ? 0xd9 : size === 2 ? 0xda : 0xdb, size, end - start - before);
  at = end;
}

function writeBytes(value: Uint8Array): void {
  const length = value.length;
  room(length + 5);
  if (length < 0x100) header(0xc4, 1, length);
  else if (length < 0x1_0000) header(0xc5, 2, length);
  else header(0xc6, 4, length);
  bytes.set(value, at);
  at += length;
}

function writeArray(array: readonly unknown[]): void {
  const length = array.length;
  room(5);
  if (length < 16) bytes[at++] = 0x90 | length;
  else if (length < 0x1_0000) header(0xdc, 2, length);
  else header(0xdd, 4, length);
  for (let i = 0; i < length; i++) write(array[i]);
}

function writeMap(map: Record<string, unknown>): void {
  const names = Object.keys(map);
  let length = 0;
  for (let i = 0; i < names.length; i++) if (isSent(map[names[i]!])) length++;
  room(5);
  if (length < 16) bytes[at++] = 0x80 | length;
  else if (length < 0x1_0000) header(0xde, 2, length);
  else header(0xdf, 4, length);
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const value = map[name];
    if (!isSent(value)) continue;
    writeString(name);
    write(value);
  }
}

function isSent(value: unknown): boolean {
  return value !== undefined && typeof value !== "function" && typeof value !== "symbol";
}
