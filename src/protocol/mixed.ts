/**
 * Messages of the SDK: MessagePack for those with bytes in them, because base64 takes a third more bytes and most of
 * the time, and JSON for all others. The encoder is short because pages load it: it always writes the longest form of
 * lengths and numbers.
 *
 * @module
 */

import { encodeJson, JsonEncoded } from "./json_codec.ts";
import type { Form, Message, Payload } from "./message.ts";

const encoder = new TextEncoder();

/** A message to be sent: MessagePack when it has bytes in it, else JSON, whatever form is asked for. */
export class MixedEncoded extends JsonEncoded {
  readonly #binary: boolean;

  constructor(message: Message<Payload>) {
    const binary = hasBytes(message);
    // A binary message is kept as a frame and never asked for its text.
    super(message, binary);
    this.#binary = binary;
  }

  override get binary(): boolean {
    return this.#binary;
  }

  override framed(form: Form): Uint8Array {
    return this.#binary ? this.json ??= packed(this.message, 4) : super.framed(form);
  }
}

/** Encodes a message without a length prefix, as a datagram carries it: MessagePack when it has bytes in it. */
export function encodeMixed(message: Message): Uint8Array<ArrayBuffer> {
  return hasBytes(message) ? packed(message, 0) : encodeJson(message);
}

// Bytes are only allowed at the top of a payload.
function hasBytes({ payload }: Message): boolean {
  return Object.values(payload).some((field) => field instanceof Uint8Array);
}

/** `prefix`: bytes of the length in front, 4 or none. */
function packed(message: Message, prefix: 0 | 4): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  write(message, parts);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(prefix + length);
  // A varint of four bytes (RFC 9000 §16) need not be the shortest.
  if (prefix > 0) new DataView(bytes.buffer).setUint32(0, 0x8000_0000 + length);
  let at: number = prefix;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Adds `value` as MessagePack to `parts`. Lengths take 32 bits, numbers 64. */
function write(value: unknown, parts: Uint8Array[]): void {
  const isText = typeof value === "string";
  if (isText || value instanceof Uint8Array) {
    const bytes = isText ? encoder.encode(value) : value;
    parts.push(head(isText ? 0xdb : 0xc6, bytes.length), bytes);
  } else if (Number.isFinite(value)) {
    parts.push(head(0xcb, value as number, 9));
  } else if (typeof value === "object" && value !== null) {
    const isList = Array.isArray(value);
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    parts.push(head(isList ? 0xdd : 0xdf, fields.length));
    for (const [key, field] of fields) {
      if (!isList) write(key, parts);
      write(field, parts);
    }
  } else {
    parts.push(Uint8Array.of(value === true ? 0xc3 : value === false ? 0xc2 : 0xc0));
  }
}

function head(type: number, value: number, size: 5 | 9 = 5): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(size));
  bytes.setUint8(0, type);
  if (size === 5) bytes.setUint32(1, value);
  else bytes.setFloat64(1, value);
  return new Uint8Array(bytes.buffer);
}
