/**
 * The first varints of a stream, read without losing what follows them.
 *
 * @module
 */

import type { ReceiveHalf } from "../receive_stream.ts";
import { readVarint, varintLength } from "./varint.ts";

/** Long enough for the header of a WebTransport stream in its longest form, short enough to cost nothing. */
const SIZE = 64;

/** Reads varints from the start of a stream. */
export class StreamHead {
  readonly #receive: ReceiveHalf;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(receive: ReceiveHalf) {
    this.#receive = receive;
  }

  /** The next varint; -1 when the stream ends before it. Rejects when the stream fails. */
  async varint(): Promise<number> {
    for (;;) {
      const value = readVarint(this.#bytes, this.#at);
      if (value >= 0) {
        this.#at += varintLength(this.#bytes[this.#at]!);
        return value;
      }
      const more = await this.#receive.read(new Uint8Array(SIZE));
      if (more === null) return -1;
      if (this.#bytes.length === 0) this.#bytes = more;
      else {
        const both = new Uint8Array(this.#bytes.length + more.length);
        both.set(this.#bytes);
        both.set(more, this.#bytes.length);
        this.#bytes = both;
      }
    }
  }

  /** Gives back what follows the varints read so far. */
  release(): void {
    this.#receive.unread(this.#bytes.subarray(this.#at));
  }

  /** Gives back everything, the varints too. */
  rewind(): void {
    this.#receive.unread(this.#bytes);
  }
}
