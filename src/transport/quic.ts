/**
 * Messages over a QUIC or WebTransport connection: lanes on streams, and datagrams.
 *
 * @module
 */

import { settles } from "../async/deadline.ts";
import { encodeBare } from "../protocol/mod.ts";
import type { Encoded } from "../protocol/mod.ts";
import type { Connection } from "../quic/types.ts";
import type {
  ConnectionSink,
  MessageConnection,
  OutboxSource,
  Traffic,
  TransportClose,
  TransportKind,
  WireOptions,
} from "./contract.ts";
import { Lanes } from "./quic_lanes.ts";

/** Datagrams that may wait for the runtime at once; more are dropped. */
const MAX_DATAGRAMS_IN_FLIGHT = 64;
/** Milliseconds a client has to end the connection itself after the close message. */
const LINGER = 200;

/** A message connection over `quic/`. */
export class QuicMessageConnection implements MessageConnection {
  readonly kind: TransportKind;
  readonly wire: WireOptions = { form: "json", batch: "frames" };
  readonly traffic: Traffic = { bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };
  readonly #connection: Connection;
  #lanes: Lanes | undefined;
  readonly #headerTimeout: number;
  #limits: { maxFrame: number; maxStreams: number };
  #datagramsInFlight = 0;
  #ours: { code: number; reason: string } | undefined;

  /**
   * `limits` hold until `setLimits`: what an unauthenticated peer may spend. `headerTimeout`: milliseconds a stream has to
   * say which lane it is.
   */
  constructor(
    connection: Connection,
    limits: { maxFrame: number; maxStreams: number },
    headerTimeout: number,
  ) {
    if (connection.kind === "webrtc") throw new TypeError("data channels between browsers carry no session");
    this.kind = connection.kind;
    this.#connection = connection;
    this.#limits = limits;
    this.#headerTimeout = headerTimeout;
  }

  get remoteAddress(): string {
    const address = this.#connection.remoteAddress;
    return address === undefined ? "" : `${address.hostname}:${address.port}`;
  }

  get maxDatagramSize(): number {
    return this.#connection.maxDatagramSize;
  }

  /** Not known: Deno's QUIC does not tell what it holds. What waits for a write is still in the outbox. */
  get buffered(): number {
    return 0;
  }

  start(sink: ConnectionSink, outbox: OutboxSource): void {
    const connection = this.#connection;
    const lanes = this.#lanes = new Lanes({
      connection,
      sink,
      outbox,
      wire: this.wire,
      traffic: this.traffic,
      limits: () => this.#limits,
      headerTimeout: this.#headerTimeout,
      isClosing: () => this.#ours !== undefined,
    });
    connection.onMigrated((event) => {
      sink.migrated(`${event.from.hostname}:${event.from.port}`, `${event.to.hostname}:${event.to.port}`);
    });
    lanes.start();
    this.#readDatagrams(sink).catch((error) => sink.failed(error, "read datagrams"));
    void connection.closed.then((info) => {
      lanes.clear();
      const close: TransportClose = this.#ours === undefined ? info : { ...this.#ours, by: "local" };
      sink.ended(close);
    });
  }

  wake(lane: number): void {
    this.#lanes?.wake(lane);
  }

  laneOrControl(lane: number): number {
    return this.#lanes?.has(lane) ? lane : 0;
  }

  sendDatagram(message: Encoded): boolean {
    if (this.#datagramsInFlight >= MAX_DATAGRAMS_IN_FLIGHT) return false;
    const bytes = encodeBare(message.message, this.wire.form);
    if (bytes.length > this.#connection.maxDatagramSize) return false;
    this.#datagramsInFlight++;
    this.#connection.sendDatagram(bytes).then(() => {
      this.traffic.bytesOut += bytes.length;
      this.traffic.messagesOut++;
    }, () => {
      // Lost, as a datagram may be; a dead connection is told of by `closed`.
    }).finally(() => this.#datagramsInFlight--);
    return true;
  }

  setLimits(limits: { maxFrame: number; maxStreams: number }): void {
    this.#limits = limits;
  }

  checkPath(): void {
    this.#connection.checkPath();
  }

  async close(code: number, reason: string, timeout = 1000): Promise<void> {
    if (this.#ours !== undefined) return;
    this.#ours = { code, reason };
    // Closing straight after a write loses it: the peer is to read the close message and end the connection itself, or
    // LINGER passes.
    if (await this.#lanes?.finishControl(timeout)) await settles(this.#connection.closed, LINGER);
    this.#connection.close(code, reason);
  }

  abort(): void {
    this.#connection.close(this.#ours?.code ?? 0, this.#ours?.reason ?? "");
  }

  async #readDatagrams(sink: ConnectionSink): Promise<void> {
    for await (const datagram of this.#connection.datagrams) {
      this.traffic.bytesIn += datagram.length;
      this.traffic.messagesIn++;
      const early = !this.#connection.handshakeComplete;
      const pause = sink.frame(datagram, { lane: 0, datagram: true, early, overflow: false });
      if (pause !== undefined) await pause;
    }
  }
}
