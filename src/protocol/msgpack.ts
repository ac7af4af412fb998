/**
 * Reads the part of MessagePack that messages use: nil, booleans, numbers, strings, arrays, maps with string keys, and
 * bytes at the top of a payload. Extension types are refused.
 *
 * The input may be hostile: each length is compared with the bytes that are left before anything is allocated, depth
 * and number of values are bounded, and the result obeys the rules of `isJson`.
 *
 * @module
 */

import { clientRow } from "./client_types.ts";
import { ProtocolError } from "./errors.ts";
import { MAX_PAYLOAD_DEPTH } from "./json.ts";
import { decodeUtf8 } from "./utf8.ts";

/** Most values of one message, keys not counted. */
const MAX_VALUES = 65_536;

// Depth 0 is the envelope, 1 the payload; the payload itself is not counted in MAX_PAYLOAD_DEPTH.
const DEEPEST = MAX_PAYLOAD_DEPTH + 1;
const SHORT = 24;
const TWO_32 = 0x1_0000_0000;

const number = new DataView(new ArrayBuffer(8));

// Keys repeat from message to message. A table of keys by the hash of their bytes saves allocating them again, and V8
// has interned those strings already. A newer key replaces an older one of the same slot.
const KEY_SLOTS = 512;
const MAX_CACHED_KEY = 24;
const keys: string[] = new Array(KEY_SLOTS).fill("");

const NONE: Uint8Array = new Uint8Array(0);
let bytes = NONE;
let at = 0;
let end = 0;
let values = 0;
let lent = false;

function bad(detail: string): ProtocolError {
  return new ProtocolError("bad_request", `MessagePack: ${detail}`);
}

/**
 * Decodes one message, which must be all of `frame`. Bytes in it are copied, except in a message of a `lent` type that
 * names its type before its payload: those are views of `frame`. Throws ProtocolError `bad_request`.
 */
export function unpackMessage(frame: Uint8Array): unknown {
  bytes = frame;
  at = 0;
  end = frame.length;
  values = 0;
  lent = false;
  try {
    const value = readValue(0);
    if (at !== end) throw bad("bytes after the message");
    return value;
  } finally {
    bytes = NONE;
  }
}

function readValue(depth: number): unknown {
  if (at >= end) throw bad("cut short");
  if (++values > MAX_VALUES) throw bad("too many values");
  const first = bytes[at++]!;
  if (first < 0x80) return first;
  if (first < 0x90) return readMap(first & 0x0f, depth);
  if (first < 0xa0) return readArray(first & 0x0f, depth);
  if (first < 0xc0) return readString(first & 0x1f);
  if (first >= 0xe0) return first - 0x100;
  switch (first) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xc4:
      return readBytes(readUint(1), depth);
    case 0xc5:
      return readBytes(readUint(2), depth);
    case 0xc6:
      return readBytes(readUint(4), depth);
    case 0xca:
      return finite(fill(4).getFloat32(0));
    case 0xcb:
      return finite(fill(8).getFloat64(0));
    case 0xcc:
      return readUint(1);
    case 0xcd:
      return readUint(2);
    case 0xce:
      return readUint(4);
    case 0xcf:
      return exact(readUint(4), readUint(4));
    case 0xd0:
      return fill(1).getInt8(0);
    case 0xd1:
      return fill(2).getInt16(0);
    case 0xd2:
      return fill(4).getInt32(0);
    case 0xd3:
      return exact(readUint(4) | 0, readUint(4));
    case 0xd9:
      return readString(readUint(1));
    case 0xda:
      return readString(readUint(2));
    case 0xdb:
      return readString(readUint(4));
    case 0xdc:
      return readArray(readUint(2), depth);
    case 0xdd:
      return readArray(readUint(4), depth);
    case 0xde:
      return readMap(readUint(2), depth);
    case 0xdf:
      return readMap(readUint(4), depth);
    default:
      throw bad("an extension type");
  }
}

function readUint(size: 1 | 2 | 4): number {
  need(size);
  let value = bytes[at]!;
  if (size > 1) value = (value << 8) | bytes[at + 1]!;
  if (size > 2) value = ((value << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  at += size;
  return value;
}

function fill(size: number): DataView {
  need(size);
  for (let i = 0; i < size; i++) number.setUint8(i, bytes[at + i]!);
  at += size;
  return number;
}

function need(size: number): void {
  if (size > end - at) throw bad("cut short");
}

function finite(value: number): number {
  if (value - value !== 0) throw bad("NaN or infinity");
  return value;
}

function exact(high: number, low: number): number {
  const value = high * TWO_32 + low;
  if (!Number.isSafeInteger(value)) throw bad("an integer beyond 2^53 - 1");
  return value;
}

function readBytes(length: number, depth: number): Uint8Array {
  if (depth !== 2) throw bad("bytes elsewhere than at the top of the payload");
  need(length);
  const from = at;
  at += length;
  // The frame may be a Buffer of Node, whose `slice` copies nothing and which JSON writes as an object.
  if (lent) return new Uint8Array(bytes.buffer, bytes.byteOffset + from, length);
  return new Uint8Array(bytes.subarray(from, at));
}

function readArray(length: number, depth: number): unknown[] {
  if (depth > DEEPEST) throw bad(`more than ${MAX_PAYLOAD_DEPTH} levels`);
  need(length);
  const array: unknown[] = [];
  for (let i = 0; i < length; i++) array.push(readValue(depth + 1));
  return array;
}

function readMap(length: number, depth: number): Record<string, unknown> {
  if (depth > DEEPEST) throw bad(`more than ${MAX_PAYLOAD_DEPTH} levels`);
  need(length * 2);
  const map: Record<string, unknown> = {};
  for (let i = 0; i < length; i++) {
    const key = readKey();
    map[key] = readValue(depth + 1);
    if (depth === 0 && key === "type") lent = clientRow(map[key] as string)?.lent === true;
  }
  return map;
}

function readKey(): string {
  if (at >= end) throw bad("cut short");
  const first = bytes[at++]!;
  let length: number;
  if ((first & 0xe0) === 0xa0) length = first & 0x1f;
  else if (first === 0xd9) length = readUint(1);
  else if (first === 0xda) length = readUint(2);
  else if (first === 0xdb) length = readUint(4);
  else throw bad("a key that is not a string");
  need(length);
  if (length > MAX_CACHED_KEY) return checkKey(readString(length));
  let hash = length;
  for (let i = at, to = at + length; i < to; i++) hash = (hash * 31 + bytes[i]!) | 0;
  const slot = (hash ^ (hash >>> 9)) & (KEY_SLOTS - 1);
  const known = keys[slot]!;
  if (known.length === length) {
    let i = 0;
    while (i < length && known.charCodeAt(i) === bytes[at + i]) i++;
    if (i === length) {
      at += length;
      return known;
    }
  }
  const key = checkKey(readString(length));
  // Only ASCII keys have as many characters as bytes, which the comparison above relies on.
  if (key.length === length) keys[slot] = key;
  return key;
}

function checkKey(key: string): string {
  if (key === "__proto__") throw bad("a key __proto__");
  return key;
}

function readString(length: number): string {
  need(length);
  const from = at;
  at += length;
  // Up to 24 ASCII characters are faster by hand, in batches, than one call of the decoder.
  if (length <= SHORT) {
    const b = bytes;
    let text = "";
    let i = from;
    let seen = 0;
    for (; i + 4 <= at; i += 4) {
      const w = b[i]!, x = b[i + 1]!, y = b[i + 2]!, z = b[i + 3]!;
      seen |= w | x | y | z;
      text += String.fromCharCode(w, x, y, z);
    }
    for (; i < at; i++) {
      seen |= b[i]!;
      text += String.fromCharCode(b[i]!);
    }
    if (seen < 0x80) return text;
  }
  const text = decodeUtf8(bytes.subarray(from, at));
  if (text === undefined) throw bad("not UTF-8");
  return text;
}
