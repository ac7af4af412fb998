/**
 * A stream in both directions: its two halves behind one face.
 *
 * @module
 */

import type { BidirectionalStream, ReceiveStream, SendStream, StreamStats } from "./types.ts";
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

  readExact(length: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#receive.readExact(length);
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

  split(): { readonly send: SendStream; readonly receive: ReceiveStream } {
    return { send: this.#send, receive: this.#receive };
  }

  /** Puts back what was read too far. */
  unread(bytes: Uint8Array): void {
    this.#receive.unread(bytes);
  }

  stats(): StreamStats {
    const { bytesReceived, receiveBuffered } = this.#receive.stats();
    return { ...this.#send.stats(), bytesReceived, receiveBuffered };
  }
}
