/**
 * The receiving half of a stream over any W3C readable. It reads into the caller's memory where the runtime can.
 *
 * @module
 */

import { StreamError, streamError } from "./errors.ts";
import type { ReceiveStream, StreamStats } from "./types.ts";
import type { TrafficCounters } from "./traffic_counters.ts";
import { idOf } from "./send_stream.ts";

/** What the bytes come from. */
export type ByteSource = ReadableStream<Uint8Array> & { readonly id?: bigint };

type Bytes = Uint8Array<ArrayBuffer>;

/** The receiving half of a stream. */
export class ReceiveHalf implements ReceiveStream {
  readonly id: bigint | undefined;
  readonly #byob: ReadableStreamBYOBReader | undefined;
  readonly #plain: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #openedAt = Date.now();
  #counters: TrafficCounters | undefined;
  #onEnded: () => void = () => {};
  #received = 0;
  /** Bytes that came from the transport and were not given to a read yet. */
  #rest: Uint8Array | undefined;
  #ended = false;
  #cancelled = false;
  #failure: unknown;
  #readable: ReadableStream<Uint8Array> | undefined;

  readonly #took = (result: ReadableStreamReadResult<Uint8Array>): Bytes | null => {
    if (result.done) {
      // `fail` cancels the reader, which ends a pending read as if all had come.
      if (this.#failure !== undefined) throw this.#failure;
      this.#finish();
      return null;
    }
    this.#count(result.value.length);
    return result.value as Bytes;
  };
  readonly #failed = (cause: unknown): never => {
    const error = this.#failure ?? streamError(cause);
    this.fail(error);
    throw error;
  };

  constructor(source: ByteSource) {
    this.id = idOf(source);
    try {
      this.#byob = source.getReader({ mode: "byob" });
    } catch {
      this.#plain = source.getReader(); // Not a byte stream: its chunks are copied.
    }
  }

  /** Begins counting, once the header of the stream has been read. @param onEnded Called once, at the end. */
  attach(counters: TrafficCounters, onEnded: () => void): void {
    this.#counters = counters;
    this.#onEnded = onEnded;
  }

  /** Whether nothing more will come. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether it was cancelled on this side. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  read(buffer: Bytes): Promise<Bytes | null> {
    if (this.#rest !== undefined) return Promise.resolve(this.#fromRest(buffer));
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#byob !== undefined) return this.#byob.read(buffer).then(this.#took as never, this.#failed);
    return this.#readPlain(buffer);
  }

  async readExact(length: number): Promise<Bytes> {
    let buffer = new ArrayBuffer(length);
    for (let at = 0; at < length;) {
      const part = await this.read(new Uint8Array(buffer, at, length - at));
      if (part === null) {
        throw new StreamError("unexpected_end", `the stream ended after ${at} of ${length} bytes`);
      }
      at += part.length;
      buffer = part.buffer; // The same memory; the view passed in is detached.
    }
    return new Uint8Array(buffer);
  }

  async #readPlain(buffer: Bytes): Promise<Bytes | null> {
    for (;;) {
      const result = await this.#plain!.read().catch(this.#failed);
      if (result.done) {
        if (this.#failure !== undefined) throw this.#failure;
        this.#finish();
        return null;
      }
      if (result.value.length === 0) continue;
      this.#rest = result.value;
      return this.#fromRest(buffer);
    }
  }

  #fromRest(buffer: Bytes): Bytes {
    const rest = this.#rest!;
    const length = Math.min(rest.length, buffer.length);
    buffer.set(length === rest.length ? rest : rest.subarray(0, length));
    this.#rest = length === rest.length ? undefined : rest.subarray(length);
    this.#count(length);
    return buffer.subarray(0, length);
  }

  /** Puts back what was read too far; the next reads get it, copied once. */
  unread(rest: Uint8Array): void {
    if (rest.length > 0) this.#rest = rest;
  }

  cancel(reason?: unknown): void {
    this.#rest = undefined;
    this.#cancelled = true;
    (this.#byob ?? this.#plain)!.cancel(reason).catch(() => {});
    this.#finish();
  }

  /** The stream or its connection has ended with `error`. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#failure = error;
    this.#finish();
    // Ends a pending read, and frees the runtime's stream, which otherwise is kept until it is collected.
    (this.#byob ?? this.#plain)!.cancel(error).catch(() => {});
  }

  get readable(): ReadableStream<Uint8Array> {
    this.#readable ??= new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        const request = controller.byobRequest;
        const view = request?.view;
        // The view's memory belongs to the controller and may not be detached: read beside it.
        const bytes = await this.read(new Uint8Array(Math.min(view?.byteLength ?? 65536, 65536)));
        if (bytes === null) {
          controller.close();
          request?.respond(0);
        } else if (request && view) {
          new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(bytes);
          request.respond(bytes.length);
        } else controller.enqueue(bytes);
      },
      cancel: (reason) => this.cancel(reason),
    }, { highWaterMark: 0 });
    return this.#readable;
  }

  stats(): StreamStats {
    return {
      bytesSent: 0,
      bytesReceived: this.#received,
      sendBuffered: 0,
      receiveBuffered: this.#rest?.length ?? 0,
      openedAt: this.#openedAt,
    };
  }

  #count(bytes: number): void {
    if (this.#counters === undefined) return;
    this.#received += bytes;
    this.#counters.received(bytes);
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnded();
  }
}
