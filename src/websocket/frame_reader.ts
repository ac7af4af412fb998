/**
 * Frames that a client sends (RFC 6455 §5): bytes in, messages and control frames out. Limits are checked as soon as a
 * header is read, before anything is kept. Pure: no sockets, no timers.
 *
 * @module
 */

import { Buffer, isUtf8 } from "node:buffer";
import { CLOSE, isCloseCode, WebSocketError } from "./errors.ts";
import { borrowBlock, returnBlock } from "./blocks.ts";
import { OPCODE, RSV1 } from "./frame_writer.ts";
import { unmask } from "./unmask.ts";

/** Who is told what a client sent. Bytes are valid only during the call. */
export interface FrameHandler {
  /** A whole message, at most the limit in bytes. `size` is the length of its payload on the wire, in bytes. */
  text(text: string, size: number): void;
  /** A whole binary message. */
  binary(data: Uint8Array, size: number): void;
  ping(payload: Uint8Array): void;
  pong(payload: Uint8Array): void;
  /** A close frame; 1005 without a code. Nothing is read after it. */
  close(code: number, reason: string): void;
}

/** Decompresses a message. Throws WebSocketError when it is damaged or becomes longer than `limit` bytes. */
export type Inflate = (data: Uint8Array, limit: number) => Uint8Array;

const NOTHING = new Uint8Array(0);
/** Several times faster than `Buffer.toString`, which looks at each byte. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads the frames of one client. */
export class FrameReader {
  /** Bytes of a message at most. May be raised at any time. */
  maxMessage: number;
  /** While true nothing is handed on; what was pushed waits. Set it from a handler to stop after this message. */
  paused = false;
  /** Frames that carry no message of their own: control frames and fragments that do not end a message. */
  overhead = 0;
  readonly #handler: FrameHandler;
  readonly #inflate: Inflate | undefined;
  /** Pushed while paused, or left over when a handler paused in the middle of a chunk. */
  #held: Uint8Array = NOTHING;
  readonly #head = new Uint8Array(14);
  #headLength = 0;
  /** Payload bytes of the frame at hand that have not come; -1: its header is not whole. */
  #missing = -1;
  #opcode = 0;
  #fin = false;
  /** Payload bytes of the frame at hand that have come. */
  #phase = 0;
  /** The message that is being put together: its opcode (0: none), whether it is compressed, its bytes. */
  #message = 0;
  #compressed = false;
  #buffer: Uint8Array = NOTHING;
  #length = 0;
  readonly #control = new Uint8Array(125);
  #controlLength = 0;
  #closed = false;

  /** `inflate`: permessage-deflate was agreed on; without it a compressed message is a protocol error. */
  constructor(handler: FrameHandler, maxMessage: number, inflate?: Inflate) {
    this.#handler = handler;
    this.maxMessage = maxMessage;
    this.#inflate = inflate;
  }

  /** Bytes that are kept: of messages that are not whole, and of what came while paused. */
  get buffered(): number {
    return this.#length + this.#held.length;
  }

  /**
   * Takes what came. The bytes belong to the reader from now on: they may be unmasked in place. Throws WebSocketError when
   * the client broke the protocol or a limit; nothing may be pushed after that.
   */
  push(chunk: Uint8Array): void {
    if (this.paused) {
      this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
      return;
    }
    this.#read(chunk);
  }

  /** Goes on after a pause. Throws as `push` does. */
  resume(): void {
    this.paused = false;
    const held = this.#held;
    this.#held = NOTHING;
    if (held.length > 0) this.#read(held);
  }

  /** Nothing will be pushed any more: lets go of a message that is not whole. */
  end(): void {
    this.#closed = true;
    returnBlock(this.#buffer);
    this.#buffer = NOTHING;
    this.#length = 0;
    this.#held = NOTHING;
  }

  #read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.#closed) {
      if (this.paused) {
        this.#held = chunk.subarray(at);
        return;
      }
      if (this.#missing < 0) {
        at = this.#readHead(chunk, at);
        if (this.#missing < 0) return;
        if (this.#missing === 0) this.#frameEnds(NOTHING);
      } else at = this.#readPayload(chunk, at);
    }
  }

  /** Reads what the chunk has of the header. */
  #readHead(chunk: Uint8Array, at: number): number {
    const head = this.#head;
    while (at < chunk.length) {
      head[this.#headLength++] = chunk[at++]!;
      if (this.#headLength < 2) continue;
      const short = head[1]! & 0x7f;
      const size = 6 + (short === 126 ? 2 : short === 127 ? 8 : 0);
      if (this.#headLength === 2) this.#checkHead(head[0]!, head[1]!);
      if (this.#headLength === size) {
        this.#headLength = 0;
        this.#begin(size, short);
        break;
      }
    }
    return at;
  }

  #checkHead(first: number, second: number): void {
    const opcode = first & 0x0f, fin = (first & 0x80) !== 0, rsv = first & 0x70;
    if ((second & 0x80) === 0) throw new WebSocketError(CLOSE.protocolError, "a client masks its frames");
    const isData = opcode === OPCODE.text || opcode === OPCODE.binary;
    if (rsv !== 0 && !(rsv === RSV1 && isData && this.#inflate !== undefined)) {
      throw new WebSocketError(CLOSE.protocolError, "reserved bits are set");
    }
    if (opcode >= OPCODE.close) {
      if (opcode > OPCODE.pong) throw new WebSocketError(CLOSE.protocolError, `no opcode ${opcode}`);
      if (!fin) throw new WebSocketError(CLOSE.protocolError, "a control frame is not fragmented");
      if ((second & 0x7f) > 125) {
        throw new WebSocketError(CLOSE.protocolError, "a control frame has 125 bytes at most");
      }
    } else if (opcode === OPCODE.continuation) {
      if (this.#message === 0) throw new WebSocketError(CLOSE.protocolError, "nothing is to be continued");
    } else if (!isData) {
      throw new WebSocketError(CLOSE.protocolError, `no opcode ${opcode}`);
    } else if (this.#message !== 0) {
      throw new WebSocketError(CLOSE.protocolError, "the message before has not ended");
    }
  }

  #begin(size: number, short: number): void {
    const head = this.#head;
    let length = short;
    if (short === 126) {
      length = head[2]! << 8 | head[3]!;
      if (length < 126) throw new WebSocketError(CLOSE.protocolError, "a length in more bytes than it needs");
    } else if (short === 127) {
      const view = new DataView(head.buffer);
      length = view.getUint32(2) * 2 ** 32 + view.getUint32(6);
      if (length < 65536) {
        throw new WebSocketError(CLOSE.protocolError, "a length in more bytes than it needs");
      }
    }
    const opcode = head[0]! & 0x0f, compressed = (head[0]! & RSV1) !== 0;
    this.#fin = (head[0]! & 0x80) !== 0;
    this.#opcode = opcode;
    this.#phase = 0;
    // From here on the first four bytes are the mask.
    head.copyWithin(0, size - 4, size);
    if (opcode < OPCODE.close) {
      if (this.#length + length > this.maxMessage) {
        throw new WebSocketError(CLOSE.messageTooBig, `a message above ${this.maxMessage} bytes`);
      }
      if (opcode !== OPCODE.continuation) {
        this.#message = opcode;
        this.#compressed = compressed;
      }
      if (!this.#fin) this.overhead++;
    } else {
      this.overhead++;
      this.#controlLength = 0;
    }
    this.#missing = length;
  }

  /** Reads what the chunk has of the payload. */
  #readPayload(chunk: Uint8Array, at: number): number {
    const size = Math.min(this.#missing, chunk.length - at);
    const part = chunk.subarray(at, at + size);
    const phase = this.#phase;
    this.#phase += size;
    this.#missing -= size;
    // The usual case: the whole message is in this chunk, and nothing is copied.
    const whole = this.#missing === 0 && this.#phase === size;
    if (whole && (this.#opcode >= OPCODE.close || (this.#fin && this.#length === 0))) {
      unmask(part, this.#head, phase);
      this.#frameEnds(part);
    } else {
      unmask(this.#keep(part), this.#head, phase);
      if (this.#missing === 0) this.#frameEnds(undefined);
    }
    return at + size;
  }

  /** Copies a piece of a payload to what is kept of it, and returns the copy. */
  #keep(part: Uint8Array): Uint8Array {
    if (this.#opcode >= OPCODE.close) {
      const at = this.#controlLength;
      this.#control.set(part, at);
      return this.#control.subarray(at, this.#controlLength += part.length);
    }
    const length = this.#length + part.length;
    if (length > this.#buffer.length) {
      // Grows with what has come, not with what a header promises.
      const grown = borrowBlock(Math.max(length, Math.min(this.maxMessage, 2 * length)));
      grown.set(this.#buffer.subarray(0, this.#length));
      returnBlock(this.#buffer);
      this.#buffer = grown;
    }
    const at = this.#length;
    this.#buffer.set(part, at);
    return this.#buffer.subarray(at, this.#length = length);
  }

  /** The frame is whole. `payload`: it is all there; undefined: it was kept. */
  #frameEnds(payload: Uint8Array | undefined): void {
    this.#missing = -1;
    if (this.#opcode >= OPCODE.close) {
      return this.#controlEnds(payload ?? this.#control.subarray(0, this.#controlLength));
    }
    if (!this.#fin) return;
    const opcode = this.#message;
    let data = payload !== undefined && this.#length === 0 ? payload : this.#buffer.subarray(0, this.#length);
    const size = data.length, buffer = this.#buffer;
    this.#message = 0;
    this.#length = 0;
    // The next message may be small: a large buffer is not kept for it.
    this.#buffer = NOTHING;
    try {
      if (this.#compressed) data = this.#inflate!(data, this.maxMessage);
      if (opcode === OPCODE.binary) return this.#handler.binary(data, size);
      if (!isUtf8(data)) throw new WebSocketError(CLOSE.invalidData, "a text message is UTF-8");
      this.#handler.text(decoder.decode(data), size);
    } finally {
      returnBlock(buffer);
    }
  }

  #controlEnds(payload: Uint8Array): void {
    if (this.#opcode === OPCODE.ping) return this.#handler.ping(payload);
    if (this.#opcode === OPCODE.pong) return this.#handler.pong(payload);
    this.#closed = true;
    if (payload.length === 0) return this.#handler.close(CLOSE.noStatus, "");
    if (payload.length === 1) throw new WebSocketError(CLOSE.protocolError, "a close code has two bytes");
    const code = payload[0]! << 8 | payload[1]!;
    if (!isCloseCode(code)) throw new WebSocketError(CLOSE.protocolError, `no close code ${code}`);
    const reason = payload.subarray(2);
    if (!isUtf8(reason)) throw new WebSocketError(CLOSE.invalidData, "a close reason is UTF-8");
    this.#handler.close(code, Buffer.from(reason).toString("utf8"));
  }
}
