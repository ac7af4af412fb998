/**
 * One request stream, from either side: a header section, then data, frame by frame.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";
import { QuicError } from "../errors.ts";
import type { ReceiveHalf } from "../receive_stream.ts";
import { H3, Http3Error, MessageError } from "./errors.ts";
import { checkRequestFrame, encodeFrame, FRAME, type Piece, TlvReader, type Treatment } from "./frames.ts";
import { decodeSection, encodeSection, type FieldLine } from "./qpack.ts";
import { varintSize, writeVarint } from "./varint.ts";

/** Bytes of an encoded header section. */
const MAX_HEADERS_LENGTH = 16 * 1024;
/** Milliseconds that one write may be blocked by a peer that does not read. */
const WRITE_TIMEOUT = 30_000;
const BUFFER = 16 * 1024;

/** Reads frames of a request stream. */
export class MessageReader {
  readonly #receive: ReceiveHalf;
  readonly #frames = new TlvReader((type, length) => this.#treat(type, length));
  #pieces: Generator<Piece> | undefined;
  #buffer: Uint8Array<ArrayBuffer> | undefined;
  #state: "headers" | "data" | "trailers" = "headers";

  constructor(receive: ReceiveHalf) {
    this.#receive = receive;
  }

  #treat(type: number, length: number): Treatment {
    checkRequestFrame(type);
    if (type === FRAME.DATA) {
      if (this.#state !== "data") throw new Http3Error(H3.FRAME_UNEXPECTED, "DATA out of place");
      return "pass";
    }
    if (type !== FRAME.HEADERS) return "skip"; // unknown: grease and extensions
    if (this.#state === "trailers") throw new Http3Error(H3.FRAME_UNEXPECTED, "HEADERS after trailers");
    if (length > MAX_HEADERS_LENGTH) throw new MessageError(431, "header section too large");
    if (this.#state === "headers") return "collect";
    this.#state = "trailers";
    return "skip";
  }

  async #next(): Promise<Piece | undefined> {
    for (;;) {
      if (this.#pieces !== undefined) {
        const { done, value } = this.#pieces.next();
        if (!done) return value;
        this.#pieces = undefined;
      }
      const bytes = await this.#receive.read(this.#buffer ?? new Uint8Array(1024));
      if (bytes === null) {
        if (!this.#frames.partial || this.#receive.cancelled) return undefined;
        throw new Http3Error(H3.FRAME_ERROR, "stream ends in a frame");
      }
      // Grows only when data comes in bulk, because an idle CONNECT stream keeps its buffer for its whole life.
      const full = bytes.length === bytes.buffer.byteLength && bytes.length < BUFFER;
      this.#buffer = full ? new Uint8Array(BUFFER) : new Uint8Array(bytes.buffer);
      this.#pieces = this.#frames.push(bytes);
    }
  }

  /**
   * The header section; `undefined` when the stream ends before it. May be called again after an interim response
   * (1xx). Throws Http3Error and MessageError.
   */
  async headers(): Promise<FieldLine[] | undefined> {
    this.#state = "headers";
    const piece = await this.#next();
    if (piece === undefined) return undefined;
    this.#state = "data";
    return decodeSection(piece.payload);
  }

  /** The next bytes of data, valid until the next call; `undefined` at the end of the stream. */
  async data(): Promise<Uint8Array | undefined> {
    return (await this.#next())?.payload;
  }

  /** Asks the peer to send no more; a pending call resolves with `undefined`. */
  cancel(): void {
    this.#receive.cancel();
  }
}

/** Writes a message. Every write has a deadline; after a failed one the stream is given up. */
export class MessageWriter {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #started = false;

  constructor(writable: WritableStream<Uint8Array>) {
    this.#writer = writable.getWriter();
  }

  /** Whether anything was sent. */
  get started(): boolean {
    return this.#started;
  }

  /** Sends a header section. */
  headers(lines: Iterable<FieldLine>): Promise<void> {
    this.#started = true;
    return this.#write(encodeFrame(FRAME.HEADERS, encodeSection(lines)));
  }

  /** Sends data in one frame. */
  async data(bytes: Uint8Array): Promise<void> {
    const head = new Uint8Array(1 + varintSize(bytes.length));
    writeVarint(head, writeVarint(head, 0, FRAME.DATA), bytes.length);
    await this.#write(head);
    await this.#write(bytes);
  }

  /** Ends the stream. */
  end(): Promise<void> {
    return this.#deadline(this.#writer.close());
  }

  /** Gives the stream up. */
  abort(): void {
    this.#writer.abort().catch(() => {});
  }

  #write(bytes: Uint8Array): Promise<void> {
    return this.#deadline(this.#writer.write(bytes));
  }

  #deadline(work: Promise<void>): Promise<void> {
    return deadline(work, WRITE_TIMEOUT, () => {
      this.abort();
      return new QuicError("timeout", `the peer has read nothing for ${WRITE_TIMEOUT} ms`);
    });
  }
}
