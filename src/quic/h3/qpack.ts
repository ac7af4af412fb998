/**
 * QPACK (RFC 9204) without a dynamic table: we advertise no capacity, so a peer may use the static table and
 * literals only, and so do we.
 *
 * @module
 */

import { H3, Http3Error, MessageError } from "./errors.ts";
import { huffmanDecode, huffmanEncode, huffmanSize } from "./huffman.ts";
import { type FieldLine, STATIC_TABLE } from "./static_table.ts";

export type { FieldLine } from "./static_table.ts";

const utf8 = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/** What a decoded section may hold (RFC 9114 §4.2.2: name + value + 32 bytes a line). Exported for tests. */
export const MAX_SECTION_SIZE = 32 * 1024;
/** Lines of a section. Exported for tests. */
export const MAX_SECTION_LINES = 256;

class Cursor {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}

  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw failed("field section ends early");
    return value;
  }

  /** A prefixed integer (RFC 7541 §5.1) whose first byte is `first`, of which `bits` count. */
  integer(first: number, bits: number): number {
    const most = (1 << bits) - 1;
    let value = first & most;
    if (value < most) return value;
    for (let factor = 1;; factor *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (value > 0x3fffffff) throw failed("integer too large");
      if (byte < 0x80) return value;
    }
  }

  /** A string of `length` bytes. */
  string(length: number, huffman: boolean): string {
    if (length > this.bytes.length - this.at) throw failed("string ends early");
    const raw = this.bytes.subarray(this.at, this.at += length);
    if (!huffman) return latin1.decode(raw);
    try {
      return latin1.decode(huffmanDecode(raw));
    } catch (cause) {
      throw failed((cause as Error).message);
    }
  }

  value(): string {
    const first = this.byte();
    return this.string(this.integer(first, 7), (first & 0x80) !== 0);
  }
}

function failed(message: string): Http3Error {
  return new Http3Error(H3.QPACK_DECOMPRESSION_FAILED, message);
}

function entry(index: number): FieldLine {
  const line = STATIC_TABLE[index];
  if (line === undefined) throw failed(`no static entry ${index}`);
  return line;
}

/**
 * Decodes a field section. Throws Http3Error with QPACK_DECOMPRESSION_FAILED when it is malformed or refers to a
 * dynamic table, MessageError 431 when it is larger than the limits above.
 */
export function decodeSection(bytes: Uint8Array): FieldLine[] {
  const cursor = new Cursor(bytes);
  if (cursor.integer(cursor.byte(), 8) !== 0) throw failed("dynamic table used");
  cursor.integer(cursor.byte(), 7);
  const lines: FieldLine[] = [];
  let size = 0;
  while (cursor.at < bytes.length) {
    const line = decodeLine(cursor);
    size += line[0].length + line[1].length + 32;
    if (size > MAX_SECTION_SIZE || lines.length >= MAX_SECTION_LINES) {
      throw new MessageError(431, "field section too large");
    }
    lines.push(line);
  }
  return lines;
}

function decodeLine(cursor: Cursor): FieldLine {
  const first = cursor.byte();
  if (first & 0x80) { // 1Txxxxxx: indexed
    if (!(first & 0x40)) throw failed("dynamic table used");
    return entry(cursor.integer(first, 6));
  }
  if (first & 0x40) { // 01NTxxxx: literal with name reference
    if (!(first & 0x10)) throw failed("dynamic table used");
    return [entry(cursor.integer(first, 4))[0], cursor.value()];
  }
  if (first & 0x20) { // 001NHxxx: literal with literal name
    const name = cursor.string(cursor.integer(first, 3), (first & 0x08) !== 0);
    return [name, cursor.value()];
  }
  throw failed("dynamic table used"); // 0001xxxx, 0000Nxxx: post-base references
}

const EXACT = new Map(STATIC_TABLE.map(([name, value], index) => [`${name}\0${value}`, index]));
const NAMES = new Map([...STATIC_TABLE].map(([name], index) => [name, index] as const).reverse());

/** Encodes a field section. Names must be in lower case; pseudo-headers first. */
export function encodeSection(lines: Iterable<FieldLine>): Uint8Array<ArrayBuffer> {
  const out: number[] = [0, 0];
  for (const [name, value] of lines) {
    const exact = EXACT.get(`${name}\0${value}`);
    if (exact !== undefined) {
      integer(out, 0xc0, 6, exact);
      continue;
    }
    const index = NAMES.get(name);
    if (index !== undefined) integer(out, 0x50, 4, index);
    else string(out, 0x20, 3, name);
    string(out, 0x00, 7, value);
  }
  return Uint8Array.from(out);
}

function integer(out: number[], first: number, bits: number, value: number): void {
  const most = (1 << bits) - 1;
  if (value < most) {
    out.push(first | value);
    return;
  }
  out.push(first | most);
  let rest = value - most;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) out.push((rest % 128) | 0x80);
  out.push(rest);
}

function string(out: number[], first: number, bits: number, text: string): void {
  const plain = isLatin1(text) ? Uint8Array.from(text, (char) => char.charCodeAt(0)) : utf8.encode(text);
  const packed = huffmanSize(plain) < plain.length;
  const bytes = packed ? huffmanEncode(plain) : plain;
  integer(out, packed ? first | (1 << bits) : first, bits, bytes.length);
  for (const byte of bytes) out.push(byte);
}

function isLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false;
  return true;
}

/**
 * Checks bytes of the peer's encoder stream: with no capacity it may only set the capacity to 0. Throws Http3Error.
 */
export function checkEncoderStream(bytes: Uint8Array): void {
  for (const byte of bytes) {
    if (byte !== 0x20) throw new Http3Error(H3.QPACK_ENCODER_STREAM_ERROR, "dynamic table used");
  }
}

/**
 * A check of the peer's decoder stream as its bytes come: it may cancel streams, but has no insertions to
 * acknowledge. Throws Http3Error.
 */
export function decoderChecker(): (bytes: Uint8Array) => void {
  // A stream cancellation is 01xxxxxx; six bits of ones mean that more bytes of its integer follow.
  let within = false;
  return (bytes) => {
    for (const byte of bytes) {
      if (within) within = byte >= 0x80;
      else if ((byte & 0xc0) === 0x40) within = (byte & 0x3f) === 0x3f;
      else throw new Http3Error(H3.QPACK_DECODER_STREAM_ERROR, "nothing to acknowledge");
    }
  };
}
