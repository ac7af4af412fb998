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
  #binaryFrames: Partial<Record<Form, Uint8Array>> | undefined;

  /** How it waits for a slow client; asked of the table once, however many connections it goes to. */
  get queueing(): Queueing {
    return this.#queueing ??= queueingOf(this.message);
  }

  /** As binary frames of WebSocket, once a transport made them: they are the same for every connection. */
  get binaryFrames(): Partial<Record<Form, Uint8Array>> {
    return this.#binaryFrames ??= {};
  }

  /** The messages of one that is several. */
  get parts(): readonly Encoded[] | undefined {
    return undefined;
  }

  /** Its JSON as UTF-8, where that is known already. */
  get utf8(): Uint8Array | undefined {
    return undefined;
  }

  override framed(form: Form): Uint8Array {
    if (form === "msgpack") return this.#msgpack ??= packFramed(this.message);
    return this.json ??= utf8Framed(this.text());
  }
}

/**
 * Several messages of one channel's deliveries that leave together. It waits, and is dropped, as one; encoded it is its
 * messages one after the other, so whoever can read several in one frame needs no copy of its own.
 */
export class EncodedBatch extends Encoded {
  readonly #parts: readonly Encoded[];
  #mostUrgent: Queueing | undefined;
  readonly #framed: Partial<Record<Form, Uint8Array>> = {};

  /** `parts`: two or more, in order. */
  constructor(parts: readonly Encoded[]) {
    super(parts[0]!.message, true);
    this.#parts = parts;
  }

  override get parts(): readonly Encoded[] {
    return this.#parts;
  }

  override get count(): number {
    return this.#parts.length;
  }

  /** It waits as its most urgent message does. */
  override get queueing(): Queueing {
    return this.#mostUrgent ??= this.#parts.map(({ queueing }) => queueing)
      .reduce((most, each) => each.priority > most.priority ? each : most);
  }

  /** Each message's JSON on a line of its own. */
  override text(): string {
    return this.#parts.map((part) => part.text()).join("\n");
  }

  override framed(form: Form): Uint8Array {
    return this.#framed[form] ??= concatenated(this.#parts.map((part) => part.framed(form)));
  }

  override size(form: Form): number {
    return this.framed(form).length;
  }
}

/** Encodes a message without a length prefix, as a datagram carries it. */
export function encodeBare(message: Message, form: Form): Uint8Array {
  return form === "msgpack" ? pack(message) : utf8(stringify(message));
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
