/**
 * Messages to JSON and back, and the check of the envelope.
 *
 * @module
 */

import { ProtocolError } from "./errors.ts";
import { isJson, MAX_PAYLOAD_DEPTH } from "./json.ts";
import type { Form, Message, Payload } from "./message.ts";
import { decodeUtf8 } from "./utf8.ts";
import { varintSize, writeVarint } from "./varint.ts";

const encoder = new TextEncoder();

/** Longest `type` and longest `id`, in characters. */
export const MAX_NAME_LENGTH = 64;

/** A decoded frame and the form it was in. */
export interface Decoded {
  /** Checked as `checkEnvelope` says. */
  readonly message: Message;
  /** What the first byte said. */
  readonly form: Form;
}

/** Decodes one frame of JSON. Throws ProtocolError `bad_request` and nothing else. */
export function decodeJsonFrame(frame: Uint8Array): Decoded {
  if (frame[0] !== 0x7b) throw new ProtocolError("bad_request", "a frame is a JSON object");
  const text = decodeUtf8(frame);
  if (text === undefined) throw new ProtocolError("bad_request", "not UTF-8");
  return { message: decodeText(text), form: "json" };
}

/** Decodes a JSON text. Throws ProtocolError `bad_request`, and nothing else. */
export function decodeText(text: string): Message {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // No cause: its message would repeat a part of the text.
    throw new ProtocolError("bad_request", "not JSON");
  }
  const message = checkEnvelope(value);
  if (!isJson(message.payload, MAX_PAYLOAD_DEPTH + 1)) {
    throw new ProtocolError(
      "bad_request",
      `payload: at most ${MAX_PAYLOAD_DEPTH} levels, finite numbers, no key __proto__`,
    );
  }
  return message;
}

/**
 * Checks an envelope: a `type` in snake_case, an `id` of 1 to 64 printable characters, a finite `timestamp`, an object
 * `payload`. Unknown fields are left out of the result. Throws ProtocolError `bad_request`. Written by hand because it
 * runs for every message.
 */
export function checkEnvelope(value: unknown): Message {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError("bad_request", "a message is an object");
  }
  const { type, id, timestamp, payload, re } = value as Record<string, unknown>;
  if (typeof id !== "string" || !isId(id)) {
    throw new ProtocolError("bad_request", "id: 1 to 64 printable ASCII characters without spaces");
  }
  if (typeof type !== "string" || !isType(type)) {
    throw new ProtocolError("bad_request", "type: snake_case, at most 64 characters");
  }
  if (typeof timestamp !== "number" || timestamp - timestamp !== 0) {
    throw new ProtocolError("bad_request", "timestamp: a number of milliseconds");
  }
  if (
    typeof payload !== "object" || payload === null || Array.isArray(payload) || payload instanceof Uint8Array
  ) {
    throw new ProtocolError("bad_request", "payload: an object");
  }
  if (re === undefined) return { type, id, timestamp, payload: payload as Payload };
  if (typeof re !== "string" || !isId(re)) {
    throw new ProtocolError("bad_request", "re: the id of a message");
  }
  return { type, id, timestamp, re, payload: payload as Payload };
}

/** Whether `id` is 1 to 64 printable ASCII characters without spaces. */
export function isId(id: string): boolean {
  const length = id.length;
  if (length === 0 || length > MAX_NAME_LENGTH) return false;
  for (let i = 0; i < length; i++) {
    const code = id.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return true;
}

/** Whether `type` is 1 to 64 characters `a-z`, `0-9` and `_`, beginning with a letter. */
export function isType(type: string): boolean {
  const length = type.length;
  if (length === 0 || length > MAX_NAME_LENGTH) return false;
  for (let i = 0; i < length; i++) {
    const code = type.charCodeAt(i);
    if (code >= 0x61 && code <= 0x7a) continue;
    if (i === 0 || (code !== 0x5f && (code < 0x30 || code > 0x39))) return false;
  }
  return true;
}

/**
 * A message to be sent. It is encoded at most once for each form, so make one for all connections it goes to. This
 * class writes JSON, whatever form is asked for.
 */
export class JsonEncoded {
  /** What is sent; not to be changed once it was encoded. */
  readonly message: Message;
  readonly #shared: boolean;
  #text: string | undefined;
  /** The frame, once it was made. */
  protected json: Uint8Array | undefined;
  /** As a text frame of WebSocket, once a transport made that: it is the same for every connection. */
  textFrame?: Uint8Array;

  /** `shared`: it goes to several connections, so its frame is kept. `text`: its JSON, where that is known already. */
  constructor(message: Message<Payload>, shared = false, text?: string) {
    this.message = message;
    this.#shared = shared;
    this.#text = text;
  }

  /** True: it is always written as MessagePack, whatever form is asked for. */
  get binary(): boolean {
    return false;
  }

  /** How many messages it is: a subclass may hold several. */
  get count(): number {
    return 1;
  }

  /** The JSON text. */
  text(): string {
    return this.#text ??= stringify(this.message);
  }

  /** The message with its length prefix, ready for a stream. */
  framed(_form: Form): Uint8Array {
    return this.json ??= framedOf(this.text());
  }

  /** About how many bytes it takes on the wire; exact for ASCII JSON and for MessagePack. */
  size(form: Form): number {
    return form === "json" && this.json === undefined ? this.text().length + 2 : this.framed(form).length;
  }

  /** At most how many bytes `writeTo` needs. */
  room(form: Form): number {
    return this.#shared || form === "msgpack" ? this.framed(form).length : this.text().length * 3 + 4;
  }

  /** Writes the frame at `at`; returns the place after it. `target` must have `room` bytes from there. */
  writeTo(target: Uint8Array, at: number, form: Form): number {
    if (this.#shared || form === "msgpack" || this.json !== undefined) {
      const framed = this.framed(form);
      target.set(framed, at);
      return at + framed.length;
    }
    const text = this.text();
    // A varint need not be minimal (RFC 9000 §16), so its width can be fixed before the length is known.
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

/** Encodes a message as JSON without a length prefix, as a datagram carries it. */
export function encodeJson(message: Message): Uint8Array<ArrayBuffer> {
  return encoder.encode(stringify(message));
}

function framedOf(text: string): Uint8Array {
  const body = encoder.encode(text);
  const at = varintSize(body.length);
  const framed = new Uint8Array(at + body.length);
  writeVarint(framed, 0, body.length);
  framed.set(body, at);
  return framed;
}

/** A message as JSON text, its bytes as base64. */
export function stringify(message: Message): string {
  const payload = message.payload;
  // Bytes are only allowed at the top of a payload. JSON.stringify is several times slower with a replacer.
  for (const key in payload) {
    if (payload[key] instanceof Uint8Array) return JSON.stringify(message, bytesToBase64);
  }
  return JSON.stringify(message);
}

function bytesToBase64(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? value.toBase64() : value;
}
