/**
 * Writes messages to a byte stream: one write in flight, and all that waits by then is the next.
 *
 * @module
 */

import { type Form, type JsonEncoded, writeVarint } from "../protocol/core.ts";

/** Where bytes go: the sending half of a stream. */
export interface ByteSink {
  /** Resolves when the stack has taken the bytes: they may be reused only then. */
  write(bytes: Uint8Array): Promise<void>;
}

/** Most bytes put together for one write: more gains nothing. */
const BATCH = 65536;
/** A message from this size on is written by itself, without a copy. */
const DIRECT = 16384;
/** Buffers kept for the next batch, shared by all writers: an idle stream holds none. */
const KEPT = 32;
const pool: Uint8Array<ArrayBuffer>[] = [];

/** Lends a batch buffer; give it back with `returnBuffer`. */
export function borrowBuffer(): Uint8Array<ArrayBuffer> {
  return pool.pop() ?? new Uint8Array(BATCH);
}

/** Gives a batch buffer back, once nothing reads it any more. */
export function returnBuffer(buffer: Uint8Array<ArrayBuffer>): void {
  if (pool.length < KEPT && buffer.length === BATCH) pool.push(buffer);
}

/** What a failed write leaves behind, in order. */
export interface Unwritten<M> {
  /** Their write was under way: the peer may have got some of them. */
  readonly inFlight: readonly M[];
  /** Taken, and certainly not written. */
  readonly waiting: readonly M[];
}

/** Options of a FrameWriter. */
export interface FrameWriterOptions<M extends JsonEncoded = JsonEncoded> {
  /** The next message, removed from wherever it waits; `undefined` when there is none. */
  take: () => M | undefined;
  /** In which form messages are written. */
  form: () => Form;
  /** Written before the first message: the lane of a stream that is opened here. */
  lane?: number;
  /** Told after each write. */
  written: (messages: number, bytes: number) => void;
  /** Told once, when a write failed; nothing is taken or written after it. */
  failed: (error: unknown, unwritten: Unwritten<M>) => void;
}

/** Writes what `take` gives, in order, in as few writes as can be. */
export class FrameWriter<M extends JsonEncoded = JsonEncoded> {
  readonly #sink: ByteSink;
  readonly #options: FrameWriterOptions<M>;
  #lane: number | undefined;
  #state: "idle" | "busy" | "failed" = "idle";
  #idle: (() => void)[] = [];

  /** Writes to `sink` until a write fails. */
  constructor(sink: ByteSink, options: FrameWriterOptions<M>) {
    this.#sink = sink;
    this.#options = options;
    this.#lane = options.lane;
  }

  /** Something waits: it is written in a microtask, with all that waits by then. */
  wake(): void {
    if (this.#state !== "idle") return;
    this.#state = "busy";
    queueMicrotask(this.#run);
  }

  /** Resolves when nothing waits and no write is in flight, or when writing has failed. */
  idle(): Promise<void> {
    if (this.#state !== "busy") return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #run = async (): Promise<void> => {
    const { take, form, written, failed } = this.#options;
    let buffer: Uint8Array<ArrayBuffer> | undefined;
    const batch: M[] = [];
    let carried: M | undefined;
    try {
      for (;;) {
        let at = 0, count = 0;
        batch.length = 0;
        let direct: Uint8Array | undefined;
        if (this.#lane !== undefined) {
          buffer ??= borrowBuffer();
          at = writeVarint(buffer, 0, this.#lane);
          this.#lane = undefined;
        }
        const wire = form();
        for (;;) {
          const message = carried ?? take();
          carried = undefined;
          if (message === undefined) break;
          const room = message.room(wire);
          if (room > DIRECT) {
            if (at > 0) {
              carried = message;
            } else {
              batch.push(message);
              count += message.count;
              direct = message.framed(wire);
            }
            break;
          }
          if (at + room > BATCH) {
            carried = message;
            break;
          }
          buffer ??= borrowBuffer();
          batch.push(message);
          count += message.count;
          at = message.writeTo(buffer, at, wire);
        }
        const bytes = direct ?? buffer?.subarray(0, at);
        if (bytes === undefined || bytes.length === 0) break;
        await this.#sink.write(bytes);
        written(count, bytes.length);
      }
      this.#state = "idle";
      if (buffer !== undefined) returnBuffer(buffer);
    } catch (error) {
      this.#state = "failed";
      failed(error, { inFlight: batch, waiting: carried === undefined ? [] : [carried] });
    }
    for (const resolve of this.#idle.splice(0)) resolve();
  };
}
