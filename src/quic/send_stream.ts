/**
 * The sending half of a stream over any W3C writable.
 *
 * @module
 */

import { StreamError, streamError } from "./errors.ts";
import { PRIORITY, type SendStream, type StreamStats } from "./types.ts";
import type { TrafficCounters } from "./traffic_counters.ts";

/** What carries the bytes: Deno's and the browsers' send streams have `sendOrder`, Deno's also `id`. */
export type ByteSink = WritableStream<Uint8Array> & { sendOrder?: number | bigint; readonly id?: bigint };

/** The sending half of a stream. */
export class SendHalf implements SendStream {
  readonly id: bigint | undefined;
  readonly #sink: ByteSink;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #counters: TrafficCounters;
  readonly #onEnded: () => void;
  readonly #openedAt = Date.now();
  #priority: number;
  #sent = 0;
  #failure: unknown;
  #ended = false;
  #closing: Promise<void> | undefined;
  #rejectClosing: ((error: unknown) => void) | undefined;
  #writable: WritableStream<Uint8Array> | undefined;

  // There is one write at a time, so its state lives here and a write needs no closure of its own.
  #length = 0;
  #resolve: (() => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  readonly #arm = (resolve: () => void, reject: (error: unknown) => void): void => {
    this.#resolve = resolve;
    this.#reject = reject;
  };
  readonly #written = (): void => {
    const resolve = this.#resolve;
    if (resolve === undefined) return;
    this.#resolve = this.#reject = undefined;
    this.#sent += this.#length;
    this.#counters.sent(this.#length);
    resolve();
  };
  readonly #failed = (error: unknown): void => {
    if (this.#ended) return;
    this.fail(streamError(error));
    this.free();
  };

  /**
   * @param preface Bytes that go before all others and are not counted: the header of a WebTransport stream.
   * @param onEnded Called once, when nothing more can be sent.
   */
  constructor(
    sink: ByteSink,
    counters: TrafficCounters,
    options: { priority?: number | undefined; preface?: Uint8Array | undefined; onEnded: () => void },
  ) {
    this.#sink = sink;
    this.#counters = counters;
    this.#onEnded = options.onEnded;
    this.id = idOf(sink);
    this.#priority = PRIORITY.NORMAL;
    this.priority = options.priority ?? PRIORITY.NORMAL;
    this.#writer = sink.getWriter();
    if (options.preface !== undefined) this.#writer.write(options.preface).catch(this.#failed);
  }

  get priority(): number {
    return this.#priority;
  }

  set priority(value: number) {
    this.#priority = Math.min(255, Math.max(0, Math.round(value)));
    if (this.#ended || !("sendOrder" in this.#sink)) return;
    try {
      this.#sink.sendOrder = this.#priority;
    } catch {
      // The stream has just ended: there is nothing to order.
    }
  }

  /** Whether nothing more can be sent. */
  get ended(): boolean {
    return this.#ended;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closing !== undefined) {
      return Promise.reject(new StreamError("stream_ended", "the stream has been ended"));
    }
    if (this.#resolve !== undefined) {
      return Promise.reject(new StreamError("write_pending", "a write is pending"));
    }
    this.#length = bytes.length;
    const taken = new Promise<void>(this.#arm);
    this.#writer.write(bytes).then(this.#written, this.#failed);
    return taken;
  }

  end(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#closing = new Promise((resolve, reject) => {
      this.#rejectClosing = reject;
      this.#writer.close().then(() => {
        this.#rejectClosing = undefined;
        this.#finish();
        resolve();
      }, this.#failed);
    });
    return this.#closing;
  }

  abort(reason?: unknown): void {
    if (this.#ended) return;
    this.fail(reason ?? new StreamError("stream_aborted", "the stream was aborted"));
    this.free();
  }

  /** The stream or its connection has ended with `error`: a pending write and all later ones reject. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#failure = error;
    const reject = this.#reject;
    const rejectClosing = this.#rejectClosing;
    this.#resolve = this.#reject = this.#rejectClosing = undefined;
    this.#finish();
    reject?.(error);
    rejectClosing?.(error);
  }

  /** Frees the runtime's stream after a failure; otherwise an unused one is kept until it is collected. */
  free(): void {
    // Not awaited: it hangs while a write is blocked.
    this.#writer.abort(this.#failure).catch(() => {});
  }

  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= new WritableStream({
      write: (bytes) => this.write(bytes),
      close: () => this.end(),
      abort: (reason) => this.abort(reason),
    });
    return this.#writable;
  }

  stats(): StreamStats {
    return {
      bytesSent: this.#sent,
      bytesReceived: 0,
      sendBuffered: this.#resolve === undefined ? 0 : this.#length,
      receiveBuffered: 0,
      openedAt: this.#openedAt,
    };
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnded();
  }
}

/** QUIC's stream id, read early: after the stream's end it throws. */
export function idOf(stream: { readonly id?: bigint }): bigint | undefined {
  try {
    return stream.id;
  } catch {
    return undefined;
  }
}
