/**
 * A raw QUIC connection on Deno's native QUIC, at either side.
 *
 * @module
 */

import { boundAddress, plainAddress } from "./address.ts";
import { BaseConnection } from "./connection.ts";
import { endedBy } from "./errors.ts";
import { IncomingStreams, StreamSlots } from "./incoming_streams.ts";
import { ReceiveHalf } from "./receive_stream.ts";
import type { ByteSink } from "./send_stream.ts";
import type { Address, BidirectionalStream, OpenStreamOptions, ReceiveStream } from "./types.ts";

/** What is known of the connection when it is made. */
export interface RawConnectionOptions {
  /** Resolves with the handshake; without it the handshake is over. */
  readonly ready?: Promise<unknown>;
  /** Milliseconds the handshake took. */
  readonly handshakeTime?: number;
  /**
   * Streams of the peer that the application gets at once. The listener's QUIC limits are higher, for the streams that
   * HTTP/3 needs itself; without this they hold.
   */
  readonly limits?: { readonly bidirectional: number; readonly unidirectional: number };
}

/** Raw QUIC. */
export class RawConnection extends BaseConnection {
  readonly kind = "quic";
  incomingBidirectionalStreams: AsyncIterable<BidirectionalStream>;
  incomingUnidirectionalStreams: AsyncIterable<ReceiveStream>;
  readonly #conn: Deno.QuicConn;
  readonly #arriving: IncomingStreams<Deno.QuicBidirectionalStream, BidirectionalStream>;

  constructor(conn: Deno.QuicConn, options: RawConnectionOptions = {}) {
    super(options);
    this.#conn = conn;
    const { limits } = options;
    const slots = limits && new StreamSlots(limits.bidirectional);
    const oneWaySlots = limits && new StreamSlots(limits.unidirectional);
    this.#arriving = new IncomingStreams(
      () => conn.incomingBidirectionalStreams,
      ({ readable, writable }) =>
        this.acceptedBidirectional(writable, new ReceiveHalf(readable), slots && (() => slots.release())),
      slots,
    );
    const arrivingOneWay = new IncomingStreams(
      () => conn.incomingUnidirectionalStreams,
      (readable: Deno.QuicReceiveStream) =>
        this.acceptedUnidirectional(
          new ReceiveHalf(readable),
          oneWaySlots && (() => oneWaySlots.release()),
        ),
      oneWaySlots,
    );
    this.incomingBidirectionalStreams = this.#arriving;
    this.incomingUnidirectionalStreams = arrivingOneWay;
    conn.closed.then(
      ({ closeCode, reason }) => this.finish({ code: closeCode, reason, by: "remote" }),
      (error) => this.finish(endedBy(error)),
    );
    this.start(conn.closed);
    void this.closed.then(() => {
      slots?.open();
      oneWaySlots?.open();
      // Streams that came and were not taken would be kept until they are collected: taken now, they end at once.
      void drain(this.#arriving);
      void drain(arrivingOneWay);
    });
  }

  /** Resolves with whether the peer has opened a stream; `false` when the connection ended before. Takes nothing. */
  arrival(): Promise<boolean> {
    return this.#arriving.arrival();
  }

  get maxDatagramSize(): number {
    return this.isClosed ? 0 : this.#conn.maxDatagramSize;
  }

  get localAddress(): Address | undefined {
    return boundAddress(this.#conn);
  }

  readDatagram(): Promise<Uint8Array> {
    return this.#conn.readDatagram();
  }

  protected path(): Address {
    return plainAddress(this.#conn.remoteAddr);
  }

  protected shut(code: number, reason: string): void {
    const close = (): void => this.#conn.close({ closeCode: code, reason });
    if (this.handshakeComplete) close();
    // Within the handshake no code of ours reaches the peer (RFC 9000 §10.2.3).
    else this.ready.then(close, close);
  }

  protected async createBidirectional(
    { wait }: OpenStreamOptions,
  ): Promise<{ send: ByteSink; receive: ReceiveHalf }> {
    const { readable, writable } = await this.#conn.createBidirectionalStream({
      waitUntilAvailable: wait ?? false,
    });
    return { send: writable, receive: new ReceiveHalf(readable) };
  }

  protected async createUnidirectional({ wait }: OpenStreamOptions): Promise<{ send: ByteSink }> {
    return { send: await this.#conn.createUnidirectionalStream({ waitUntilAvailable: wait ?? false }) };
  }

  transmit(bytes: Uint8Array): Promise<void> {
    return this.#conn.sendDatagram(bytes);
  }
}

async function drain(streams: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of streams);
}
