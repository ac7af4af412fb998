/**
 * What all connections share: counting, the streams that are open, the one end, and the watch on the peer's
 * address. A subclass brings the transport.
 *
 * @module
 */

import { DuplexStream } from "./bidirectional_stream.ts";
import { TrafficCounters } from "./traffic_counters.ts";
import type { ReceiveHalf } from "./receive_stream.ts";
import { type ByteSink, SendHalf } from "./send_stream.ts";
import type {
  Address,
  BidirectionalStream,
  CloseInfo,
  Connection,
  ConnectionKind,
  ConnectionStats,
  MigrationEvent,
  OpenStreamOptions,
  ReceiveStream,
  SendStream,
} from "./types.ts";

/** The connection has ended; `info` says how. What streams reject with after that. */
export class ConnectionEnded extends Error {
  /** Always this. */
  override readonly name = "ConnectionEnded";
  /** Who ended it, with what code and reason. */
  readonly info: CloseInfo;

  /** Says how the connection ended. */
  constructor(info: CloseInfo) {
    super(`the connection has ended: ${info.by} ${info.code}${info.reason === "" ? "" : ` ${info.reason}`}`);
    this.info = info;
  }
}

interface Halves {
  readonly send?: SendHalf;
  readonly receive?: ReceiveHalf;
}

/** The part of a connection that is the same over every transport. */
export abstract class BaseConnection implements Connection {
  abstract readonly kind: ConnectionKind;
  abstract readonly maxDatagramSize: number;
  abstract readonly incomingBidirectionalStreams: AsyncIterable<BidirectionalStream>;
  abstract readonly incomingUnidirectionalStreams: AsyncIterable<ReceiveStream>;
  abstract readonly datagrams: AsyncIterable<Uint8Array>;
  readonly url: URL | undefined;
  readonly headers: ReadonlyMap<string, string>;
  readonly ready: Promise<void>;
  readonly closed: Promise<CloseInfo>;
  protected readonly counters: TrafficCounters = new TrafficCounters();
  // Open streams are held here: a stream that is collected unread looks like a cancelled one to the peer.
  readonly #open = new Set<Halves>();
  readonly #listeners = new Set<(event: MigrationEvent) => void>();
  #handshakeComplete = false;
  #address: Address | undefined;
  #info: CloseInfo | undefined;
  #resolveClosed!: (info: CloseInfo) => void;

  constructor(options: { url?: URL; headers?: ReadonlyMap<string, string>; ready?: Promise<unknown> }) {
    this.url = options.url;
    this.headers = options.headers ?? new Map();
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
    if (options.ready === undefined) {
      this.#handshakeComplete = true;
      this.ready = Promise.resolve();
    } else {
      this.ready = options.ready.then(() => {
        this.#handshakeComplete = true;
      });
      this.ready.catch(() => {});
    }
  }

  get handshakeComplete(): boolean {
    return this.#handshakeComplete;
  }

  /** How it ended; `undefined` while it lives. */
  protected get info(): CloseInfo | undefined {
    return this.#info;
  }

  /** The peer's address now, as the transport tells it. */
  protected abstract path(): Address | undefined;
  /** Ends the transport. */
  protected abstract shut(code: number, reason: string): void;
  protected abstract createBidirectional(
    options: OpenStreamOptions,
  ): Promise<{ send: ByteSink; receive: ReceiveHalf; preface?: Uint8Array }>;
  protected abstract createUnidirectional(
    options: OpenStreamOptions,
  ): Promise<{ send: ByteSink; preface?: Uint8Array }>;
  protected abstract transmit(bytes: Uint8Array): Promise<void>;

  get remoteAddress(): Address | undefined {
    try {
      return this.path() ?? this.#address;
    } catch {
      return this.#address;
    }
  }

  async openBidirectionalStream(options: OpenStreamOptions = {}): Promise<BidirectionalStream> {
    this.#assertOpen();
    const { send, receive, preface } = await this.createBidirectional(options);
    this.counters.streamsOpened++;
    return this.#bidirectional(send, receive, { priority: options.priority, preface });
  }

  async openUnidirectionalStream(options: OpenStreamOptions = {}): Promise<SendStream> {
    this.#assertOpen();
    const { send, preface } = await this.createUnidirectional(options);
    this.counters.streamsOpened++;
    const halves: { send?: SendHalf } = {};
    halves.send = new SendHalf(send, this.counters, {
      priority: options.priority,
      preface,
      onEnded: () => this.#open.delete(halves),
    });
    this.#hold(halves);
    return halves.send;
  }

  /** A stream the peer opened. */
  protected acceptedBidirectional(send: ByteSink, receive: ReceiveHalf): BidirectionalStream {
    this.counters.streamsAccepted++;
    return this.#bidirectional(send, receive, {});
  }

  /** A stream the peer opened. */
  protected acceptedUnidirectional(receive: ReceiveHalf): ReceiveStream {
    this.counters.streamsAccepted++;
    const halves: Halves = { receive };
    receive.attach(this.counters, () => this.#open.delete(halves));
    this.#hold(halves);
    return receive;
  }

  #bidirectional(
    sink: ByteSink,
    receive: ReceiveHalf,
    options: { priority?: number | undefined; preface?: Uint8Array | undefined },
  ): BidirectionalStream {
    const onEnded = (): void => {
      if (halves.send?.ended && receive.ended) this.#open.delete(halves);
    };
    const halves: { send?: SendHalf; receive: ReceiveHalf } = { receive };
    halves.send = new SendHalf(sink, this.counters, { ...options, onEnded });
    receive.attach(this.counters, onEnded);
    this.#hold(halves);
    return new DuplexStream(halves.send, receive);
  }

  #hold(halves: Halves): void {
    this.#open.add(halves);
    // The connection may have ended while the stream was being made.
    if (this.#info !== undefined) this.#release(halves, new ConnectionEnded(this.#info));
  }

  #release(halves: Halves, error: ConnectionEnded): void {
    halves.send?.fail(error);
    halves.receive?.fail(error);
    this.#open.delete(halves);
  }

  #assertOpen(): void {
    if (this.#info !== undefined) throw new ConnectionEnded(this.#info);
  }

  async sendDatagram(bytes: Uint8Array): Promise<void> {
    this.#assertOpen();
    const most = this.maxDatagramSize;
    if (bytes.length > most) throw new RangeError(`datagram of ${bytes.length} bytes, at most ${most}`);
    await this.transmit(bytes);
    this.counters.sentDatagram(bytes.length);
  }

  stats(): ConnectionStats {
    return this.counters.stats(this.#open.size);
  }

  checkPath(): void {
    const to = this.remoteAddress;
    const from = this.#address;
    this.#address = to;
    if (to === undefined || from === undefined) return;
    if (from.port === to.port && from.hostname === to.hostname) return;
    this.counters.migrations++;
    const event: MigrationEvent = { from, to, at: Date.now() };
    for (const listener of [...this.#listeners]) listener(event);
  }

  onMigrated(listener: (event: MigrationEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(code = 0, reason = ""): void {
    if (this.#info !== undefined) return;
    this.shut(code, reason);
    this.finish({ code, reason, by: "local" });
  }

  /** The connection has ended; only the first call counts. Open streams fail. */
  protected finish(info: CloseInfo): void {
    if (this.#info !== undefined) return;
    this.#address = this.remoteAddress;
    this.#info = info;
    const error = new ConnectionEnded(info);
    for (const halves of [...this.#open]) this.#release(halves, error);
    this.#listeners.clear();
    this.#resolveClosed(info);
  }
}

/** How a connection ended whose `closed` rejected with `error`: nobody said good-bye. */
export function endedBy(error: unknown): CloseInfo {
  const reason = error instanceof Error ? error.message : String(error);
  return { code: 0, reason, by: /timed out/.test(reason) ? "timeout" : "error" };
}
