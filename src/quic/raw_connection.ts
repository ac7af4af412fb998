/**
 * A raw QUIC connection on Deno's native QUIC, at either side.
 *
 * @module
 */

import { plainAddress } from "./address.ts";
import { BaseConnection, endedBy } from "./connection.ts";
import { IncomingStreams } from "./queue.ts";
import { ReceiveHalf } from "./receive_stream.ts";
import type { ByteSink } from "./send_stream.ts";
import type { Address, BidirectionalStream, OpenStreamOptions, ReceiveStream } from "./types.ts";

/** Raw QUIC. */
export class RawConnection extends BaseConnection {
  readonly kind = "quic";
  readonly incomingBidirectionalStreams: IncomingStreams<Deno.QuicBidirectionalStream, BidirectionalStream>;
  readonly incomingUnidirectionalStreams: AsyncIterable<ReceiveStream>;
  readonly datagrams: AsyncIterable<Uint8Array>;
  readonly #conn: Deno.QuicConn;
  #datagram: Promise<Uint8Array> | undefined;

  /** @param ready Resolves with the handshake; without it the handshake is over. */
  constructor(conn: Deno.QuicConn, ready?: Promise<unknown>) {
    super(ready === undefined ? {} : { ready });
    this.#conn = conn;
    this.incomingBidirectionalStreams = new IncomingStreams(
      () => conn.incomingBidirectionalStreams,
      ({ readable, writable }) => this.acceptedBidirectional(writable, new ReceiveHalf(readable)),
    );
    this.incomingUnidirectionalStreams = new IncomingStreams(
      () => conn.incomingUnidirectionalStreams,
      (readable) => this.acceptedUnidirectional(new ReceiveHalf(readable)),
    );
    this.datagrams = { [Symbol.asyncIterator]: () => ({ next: () => this.#nextDatagram() }) };
    conn.closed.then(
      ({ closeCode, reason }) => this.finish({ code: closeCode, reason, by: "remote" }),
      (error) => this.finish(endedBy(error)),
    );
    this.checkPath();
    void this.closed.then(() => this.#letGo());
  }

  // Streams that came and that nobody has taken would be kept until they are collected: taken now, they end at once.
  async #letGo(): Promise<void> {
    for await (const _ of this.incomingBidirectionalStreams);
    for await (const _ of this.incomingUnidirectionalStreams);
  }

  get maxDatagramSize(): number {
    return this.info === undefined ? this.#conn.maxDatagramSize : 0;
  }

  async #nextDatagram(): Promise<IteratorResult<Uint8Array, undefined>> {
    // A read that its caller has left would swallow the next datagram: it is kept for the next caller.
    this.#datagram ??= this.#conn.readDatagram();
    try {
      const value = await this.#datagram;
      this.counters.receivedDatagram(value.length);
      return { done: false, value };
    } catch {
      return { done: true, value: undefined };
    } finally {
      this.#datagram = undefined;
    }
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

  protected transmit(bytes: Uint8Array): Promise<void> {
    return this.#conn.sendDatagram(bytes);
  }
}
