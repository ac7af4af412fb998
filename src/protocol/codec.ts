/**
 * Messages to bytes and back. JSON and MessagePack carry the same envelope; a frame tells which it is by
 * its first byte.
 *
 * @module
 */

import { Packr, Unpackr } from "msgpackr";
import { ProtocolError } from "./errors.ts";
import type { Form, Message, Payload } from "./message.ts";
import { varintSize, writeVarint } from "./varint.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const ID = /^[\x21-\x7e]{1,64}$/;
const TYPE = /^[a-z][a-z0-9_]{0,63}$/;

/** A decoded frame and the form it was in. */
export interface Decoded {
  readonly message: Message;
  readonly form: Form;
}

/**
 * Decodes one frame. Throws ProtocolError `bad_request` for anything that is not a message. The bytes may
 * be reused once this returns.
 */
export function decodeFrame(frame: Uint8Array): Decoded {
  const first = frame[0];
  if (first === 0x7b) {
    return { message: decodeText(decoder.decode(frame)), form: "json" };
  }
  if (first !== undefined && ((first & 0xf0) === 0x80 || first === 0xde || first === 0xdf)) {
    let value: unknown;
    try {
      value = unpackr.unpack(frame);
    } catch (cause) {
      throw new ProtocolError("bad_request", "not MessagePack", { cause });
    }
    return { message: checkEnvelope(value), form: "msgpack" };
  }
  throw new ProtocolError("bad_request", "a frame is a JSON object or a MessagePack map");
}

/** Decodes a JSON text. Throws ProtocolError `bad_request`. */
export function decodeText(text: string): Message {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProtocolError("bad_request", "not JSON", { cause });
  }
  return checkEnvelope(value);
}

/**
 * The envelope check, by hand because it runs for every message: a `type` of the right form, an `id` of 1 to
 * 64 printable characters, a finite `timestamp`, an object `payload`. Unknown fields are ignored. Throws
 * ProtocolError `bad_request`.
 */
export function checkEnvelope(value: unknown): Message {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError("bad_request", "a message is an object");
  }
  const { type, id, timestamp, payload, re } = value as Record<string, unknown>;
  if (typeof id !== "string" || !ID.test(id)) {
    throw new ProtocolError("bad_request", "id: 1 to 64 printable ASCII characters");
  }
  if (typeof type !== "string" || !TYPE.test(type)) {
    throw new ProtocolError("bad_request", "type: snake_case, at most 64 characters");
  }
  if (typeof timestamp !== "number" || !Number.isFinite(timestamp)) {
    throw new ProtocolError("bad_request", "timestamp: a number of milliseconds");
  }
  if (
    typeof payload !== "object" || payload === null || Array.isArray(payload) || payload instanceof Uint8Array
  ) {
    throw new ProtocolError("bad_request", "payload: an object");
  }
  if (re !== undefined && (typeof re !== "string" || !ID.test(re))) {
    throw new ProtocolError("bad_request", "re: the id of a message");
  }
  return value as Message;
}

/**
 * A message on its way out. Encodes each form at most once, however many connections it goes to: make one,
 * hand it to all.
 */
export class Encoded {
  readonly message: Message;
  readonly #shared: boolean;
  #text: string | undefined;
  #json: Uint8Array | undefined;
  #msgpack: Uint8Array | undefined;

  /** `shared`: it goes to several connections, so its framed bytes are worth keeping. */
  constructor(message: Message<Payload>, shared = false) {
    this.message = message;
    this.#shared = shared;
  }

  /** The JSON text. */
  text(): string {
    return this.#text ??= stringify(this.message);
  }

  /** The message with its length prefix, ready for a stream. */
  framed(form: Form): Uint8Array {
    if (form === "msgpack") return this.#msgpack ??= frame(packr.pack(this.message));
    return this.#json ??= frame(encoder.encode(this.text()));
  }

  /** About how many bytes it takes on the wire; exact for ASCII JSON and for MessagePack. */
  size(form: Form): number {
    return form === "json" && this.#json === undefined ? this.text().length + 2 : this.framed(form).length;
  }

  /** At most how many bytes `writeTo` needs. */
  room(form: Form): number {
    return this.#shared || form === "msgpack" ? this.framed(form).length : this.text().length * 3 + 4;
  }

  /** Writes the framed message at `at`; returns the place after it. The caller sees to the room. */
  writeTo(target: Uint8Array, at: number, form: Form): number {
    if (this.#shared || form === "msgpack" || this.#json !== undefined) {
      const framed = this.framed(form);
      target.set(framed, at);
      return at + framed.length;
    }
    const text = this.text();
    // A varint need not be minimal (RFC 9000 §16), so its place can be kept before the length is known.
    const prefix = text.length * 3 < 0x4000 ? 2 : 4;
    const { written } = encoder.encodeInto(text, target.subarray(at + prefix));
    if (prefix === 2) {
      target[at] = 0x40 | (written >> 8);
      target[at + 1] = written & 0xff;
    } else {
      target[at] = 0x80 | (written >>> 24);
      target[at + 1] = (written >>> 16) & 0xff;
      target[at + 2] = (written >>> 8) & 0xff;
      target[at + 3] = written & 0xff;
    }
    return at + prefix + written;
  }
}

/** Encodes a message without a length prefix: what goes into a datagram. */
export function encodeBare(message: Message, form: Form): Uint8Array {
  return form === "msgpack" ? packr.pack(message) : encoder.encode(stringify(message));
}

function frame(body: Uint8Array): Uint8Array {
  const size = varintSize(body.length);
  const framed = new Uint8Array(size + body.length);
  writeVarint(framed, 0, body.length);
  framed.set(body, size);
  return framed;
}

// Binary fields stand at the top of a payload, by rule. A replacer makes JSON.stringify several times slower,
// so it is used only where there are bytes.
function stringify(message: Message): string {
  const payload = message.payload;
  for (const key in payload) {
    if (payload[key] instanceof Uint8Array) return JSON.stringify(message, bytesToBase64);
  }
  return JSON.stringify(message);
}

function bytesToBase64(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? value.toBase64() : value;
}
