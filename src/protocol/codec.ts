/**
 * Messages to bytes and back. JSON and MessagePack carry the same envelope; the first byte of a frame says which of
 * them it is.
 *
 * @module
 */

import { ProtocolError } from "./errors.ts";
import { checkEnvelope, type Decoded, decodeJsonFrame, JsonEncoded, stringify } from "./json_codec.ts";
import type { Form, Message } from "./message.ts";
import { unpackMessage } from "./msgpack.ts";
import { pack, packFramed, utf8, utf8Framed } from "./pack.ts";
import { type Queueing, queueingOf } from "./server_types.ts";

export {
  checkEnvelope,
  type Decoded,
  decodeText,
  isId,
  isType,
  JsonEncoded,
  MAX_NAME_LENGTH,
} from "./json_codec.ts";

/**
 * Decodes one frame. Throws ProtocolError `bad_request` for anything that is not a message, and nothing else. The
 * caller may reuse the bytes once this returns, except that bytes in a MessagePack message of a `lent` type are views of
 * them.
 */
export function decodeFrame(frame: Uint8Array): Decoded {
  const first = frame[0];
  if (first === 0x7b) return decodeJsonFrame(frame);
  if (first !== undefined && ((first & 0xf0) === 0x80 || first === 0xde || first === 0xdf)) {
    return { message: checkEnvelope(unpackMessage(frame)), form: "msgpack" };
  }
  throw new ProtocolError("bad_request", "a frame is a JSON object or a MessagePack map");
}

/** A message to be sent in either form; see `JsonEncoded`. */
export class Encoded extends JsonEncoded {
  #msgpack: Uint8Array | undefined;
  #queueing: Queueing | undefined;

  /** How it waits for a slow client; asked of the table once, however many connections it goes to. */
  get queueing(): Queueing {
    return this.#queueing ??= queueingOf(this.message);
  }

  override framed(form: Form): Uint8Array {
    if (form === "msgpack") return this.#msgpack ??= packFramed(this.message);
    return this.json ??= utf8Framed(this.text());
  }
}

/** Encodes a message without a length prefix, as a datagram carries it. */
export function encodeBare(message: Message, form: Form): Uint8Array {
  return form === "msgpack" ? pack(message) : utf8(stringify(message));
}
