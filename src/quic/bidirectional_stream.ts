/**
 * A stream in both directions: its two halves behind one face.
 *
 * @module
 */

import type { BidirectionalStream, StreamStats } from "./types.ts";
import type { ReceiveHalf } from "./receive_stream.ts";
import type { SendHalf } from "./send_stream.ts";

/** Two halves of one stream. */
export class DuplexStream implements BidirectionalStream {
  readonly id: bigint | undefined;
  readonly #send: SendHalf;
  readonly #receive: ReceiveHalf;

  constructor(send: SendHalf, receive: ReceiveHalf) {
    this.id = send.id;
    this.#send = send;
    this.#receive = receive;
  }

  get priority(): number {
    return this.#send.priority;
  }

  set priority(value: number) {
    this.#send.priority = value;
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#receive.readable;
  }

  get writable(): WritableStream<Uint8Array> {
    return this.#send.writable;
  }

  read(buffer: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#receive.read(buffer);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#send.write(bytes);
  }

  end(): Promise<void> {
    return this.#send.end();
  }

  abort(reason?: unknown): void {
    this.#send.abort(reason);
  }

  cancel(reason?: unknown): void {
    this.#receive.cancel(reason);
  }

  stats(): StreamStats {
    const { bytesSent, openedAt } = this.#send.stats();
    return { bytesSent, bytesReceived: this.#receive.stats().bytesReceived, openedAt };
  }
}
