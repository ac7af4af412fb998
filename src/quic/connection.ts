/**
 * What all connections share: counting, open streams, datagrams, round-trip time, the end, and the watch on the peer's
 * address. A subclass brings the transport.
 *
 * @module
 */

import { DuplexStream } from "./bidirectional_stream.ts";
import { Datagrams, type DatagramTransport } from "./datagrams.ts";
import { ConnectionEnded, QuicError, StreamError, streamError } from "./errors.ts";
import { type Halves, OpenStreams } from "./open_streams.ts";
import { TrafficCounters } from "./traffic_counters.ts";
import type { ReceiveHalf } from "./receive_stream.ts";
import { type ByteSink, SendHalf } from "./send_stream.ts";
import type {
  Address,
  BidirectionalStream,
  CloseInfo,
  Connection,
  ConnectionStats,
  MigrationEvent,
  OpenStreamOptions,
  ReceiveStream,
  SendStream,
} from "./types.ts";

/** What a subclass tells when it is made. */
export interface ConnectionOptions {
  readonly url?: URL;
  readonly headers?: ReadonlyMap<string, string>;
  /** Resolves with the handshake; without it the handshake is over. */
  readonly ready?: Promise<unknown>;
  /** Milliseconds the handshake took, where it is known. */
  readonly handshakeTime?: number | undefined;
}

/** Milliseconds that `measureRtt` waits for an answer. */
const PROBE_TIMEOUT = 1_000;
/** The weight of a new round-trip sample (RFC 9002 §5.3). */
const RTT_WEIGHT = 1 / 8;

/** The part of a connection that is the same over every transport. */
export abstract class BaseConnection implements Connection, DatagramTransport {
  abstract readonly kind: Connection["kind"];
  abstract readonly maxDatagramSize: number;
  abstract incomingBidirectionalStreams: AsyncIterable<BidirectionalStream>;
  abstract incomingUnidirectionalStreams: AsyncIterable<ReceiveStream>;
  readonly url: URL | undefined;
  readonly headers: ReadonlyMap<string, string>;
  readonly datagrams: Datagrams;
  readonly ready: Promise<void>;
  readonly closed: Promise<CloseInfo>;
  principal: unknown;
  protected readonly counters: TrafficCounters = new TrafficCounters();
  readonly #streams = new OpenStreams(this.counters);
  /** Made at first use, as all that most connections never need. */
  #listeners: Set<(event: MigrationEvent) => void> | undefined;
  #id: string | undefined;
  #handshakeComplete = false;
  #address: Address | undefined;
  #rtt: number | undefined;
  #probed = false;
  #info: CloseInfo | undefined;
  #resolveClosed!: (info: CloseInfo) => void;
  #gone: Promise<void> = Promise.resolve();

  constructor(options: ConnectionOptions) {
    this.url = options.url;
    this.headers = options.headers ?? new Map();
    this.#rtt = options.handshakeTime;
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
    this.datagrams = new Datagrams(this, this.counters);
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

  /** To be called when the subclass is whole. @param gone Settles when the transport has ended. */
  protected start(gone: Promise<unknown>): void {
    this.#gone = gone.catch(() => {}).then(() => this.#streams.free());
    this.checkPath();
    void this.datagrams.run();
  }

  get id(): string {
    return this.#id ??= crypto.randomUUID();
  }

  get handshakeComplete(): boolean {
    return this.#handshakeComplete;
  }

  get isClosed(): boolean {
    return this.#info !== undefined;
  }

  abstract readonly localAddress: Address | undefined;
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
  abstract readDatagram(): Promise<Uint8Array | undefined>;
  abstract transmit(bytes: Uint8Array): Promise<void>;

  /** The round trip as the transport itself tells it, in milliseconds. */
  protected transportRtt(): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }

  get remoteAddress(): Address | undefined {
    try {
      return this.path() ?? this.#address;
    } catch {
      return this.#address;
    }
  }

  async openBidirectionalStream(options: OpenStreamOptions = {}): Promise<BidirectionalStream> {
    const { send, receive, preface } = await this.#opened(this.createBidirectional, options);
    return this.#bidirectional(send, receive, { priority: options.priority, preface });
  }

  async openUnidirectionalStream(options: OpenStreamOptions = {}): Promise<SendStream> {
    const { send, preface } = await this.#opened(this.createUnidirectional, options);
    const halves: Halves = {};
    const onEnded = (): void => void this.#streams.ended(halves);
    const half = new SendHalf(send, this.counters, { priority: options.priority, preface, onEnded });
    halves.send = half;
    this.#streams.hold(halves);
    return half;
  }

  async #opened<T>(
    create: (options: OpenStreamOptions) => Promise<T>,
    options: OpenStreamOptions,
  ): Promise<T> {
    this.#assertOpen();
    try {
      const stream = await create.call(this, options);
      this.counters.streamsOpened++;
      return stream;
    } catch (cause) {
      this.#assertOpen();
      const { name, message } = cause as Error;
      // Deno throws the first, browsers the second.
      if (name !== "RangeError" && name !== "QuotaExceededError") throw streamError(cause);
      throw new StreamError("stream_limit", message, { cause });
    }
  }

  /** A stream the peer opened. @param released Called once, when it has ended. */
  protected acceptedBidirectional(
    send: ByteSink,
    receive: ReceiveHalf,
    released?: () => void,
  ): BidirectionalStream {
    this.counters.streamsAccepted++;
    return this.#bidirectional(send, receive, {}, released);
  }

  /** A stream the peer opened. @param released Called once, when it has ended. */
  protected acceptedUnidirectional(receive: ReceiveHalf, released?: () => void): ReceiveStream {
    this.counters.streamsAccepted++;
    const halves: Halves = { receive };
    receive.attach(this.counters, () => {
      if (this.#streams.ended(halves)) released?.();
    });
    this.#streams.hold(halves);
    return receive;
  }

  #bidirectional(
    sink: ByteSink,
    receive: ReceiveHalf,
    options: { priority?: number | undefined; preface?: Uint8Array | undefined },
    released?: () => void,
  ): BidirectionalStream {
    const halves: Halves = { receive };
    const onEnded = (): void => {
      if (this.#streams.ended(halves)) released?.();
    };
    const send = new SendHalf(sink, this.counters, { ...options, onEnded });
    halves.send = send;
    receive.attach(this.counters, onEnded);
    this.#streams.hold(halves);
    return new DuplexStream(send, receive);
  }

  #assertOpen(): void {
    if (this.#info !== undefined) throw new ConnectionEnded(this.#info);
  }

  async sendDatagram(bytes: Uint8Array): Promise<void> {
    this.#assertOpen();
    const most = this.maxDatagramSize;
    if (bytes.length > most) {
      if (most === 0) throw new QuicError("no_datagrams", "the transport carries no datagrams");
      throw new QuicError("datagram_too_large", `datagram of ${bytes.length} bytes, at most ${most}`);
    }
    await this.transmit(bytes);
    this.counters.sentDatagram(bytes.length);
  }

  async measureRtt(timeout = PROBE_TIMEOUT): Promise<number | undefined> {
    if (this.#info !== undefined) return undefined;
    const rtt = await this.transportRtt() ?? await this.datagrams.probe(timeout);
    if (rtt === undefined) return undefined;
    // The first value comes from the handshake, which includes checking the certificate: replace it, do not smooth it.
    this.#rtt = this.#probed ? this.#rtt! + (rtt - this.#rtt!) * RTT_WEIGHT : rtt;
    this.#probed = true;
    return rtt;
  }

  stats(): ConnectionStats {
    return this.counters.stats({ streamsActive: this.#streams.size, rtt: this.#rtt });
  }

  checkPath(): void {
    const to = this.remoteAddress;
    const from = this.#address;
    this.#address = to;
    if (to === undefined || from === undefined) return;
    if (from.port === to.port && from.hostname === to.hostname) return;
    this.counters.migrations++;
    const event: MigrationEvent = { from, to, at: Date.now() };
    for (const listener of [...this.#listeners ?? []]) listener(event);
  }

  onMigrated(listener: (event: MigrationEvent) => void): () => void {
    const listeners = this.#listeners ??= new Set();
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  async close(code = 0, reason = ""): Promise<void> {
    if (this.#info === undefined) {
      this.shut(code, reason);
      this.finish({ code, reason, by: "local" });
    }
    await this.#gone;
  }

  /** The connection has ended; only the first call counts. Open streams fail. */
  protected finish(info: CloseInfo): void {
    if (this.#info !== undefined) return;
    this.#address = this.remoteAddress;
    this.#info = info;
    this.#streams.failAll(new ConnectionEnded(info));
    this.datagrams.end();
    this.#listeners?.clear();
    this.#resolveClosed(info);
  }
}
