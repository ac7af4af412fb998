/**
 * A connection over a W3C `WebTransport` object: browsers and Deno as clients, `Deno.upgradeWebTransport` as server.
 * Names nothing of Deno, so that a browser bundle can hold it.
 *
 * @module
 */

import { BaseConnection, endedBy } from "./connection.ts";
import { AsyncQueue, IncomingStreams } from "./queue.ts";
import { type ByteSource, ReceiveHalf } from "./receive_stream.ts";
import type { ByteSink } from "./send_stream.ts";
import {
  type Address,
  type BidirectionalStream,
  type OpenStreamOptions,
  PRIORITY,
  type ReceiveStream,
} from "./types.ts";

/** Datagrams kept for a slow reader; the oldest go first. */
const MAX_DATAGRAMS = 512;

/** Over a `WebTransport` whose `ready` has resolved. */
export class WebTransportConnection extends BaseConnection {
  readonly kind = "webtransport";
  readonly incomingBidirectionalStreams: AsyncIterable<BidirectionalStream>;
  readonly incomingUnidirectionalStreams: AsyncIterable<ReceiveStream>;
  readonly datagrams: AsyncIterable<Uint8Array>;
  readonly #transport: WebTransport;
  readonly #path: () => Address | undefined;
  readonly #received = new AsyncQueue<Uint8Array>(MAX_DATAGRAMS);
  #pumping = false;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;

  /** @param path The peer's address, where it can be told. */
  constructor(transport: WebTransport, options: { url: URL; path?: () => Address | undefined }) {
    super({ url: options.url });
    this.#transport = transport;
    this.#path = options.path ?? (() => undefined);
    this.incomingBidirectionalStreams = new IncomingStreams(
      () => transport.incomingBidirectionalStreams as ReadableStream<WebTransportBidirectionalStream>,
      ({ readable, writable }) => this.acceptedBidirectional(writable as ByteSink, new ReceiveHalf(readable)),
    );
    this.incomingUnidirectionalStreams = new IncomingStreams(
      () => transport.incomingUnidirectionalStreams as ReadableStream<ByteSource>,
      (readable) => this.acceptedUnidirectional(new ReceiveHalf(readable)),
    );
    this.datagrams = {
      [Symbol.asyncIterator]: () => {
        void this.#pump();
        return { next: () => this.#received.next() };
      },
    };
    transport.closed.then(
      (info) => this.finish({ code: info?.closeCode ?? 0, reason: info?.reason ?? "", by: "remote" }),
      (error) => this.finish(endedBy(error)),
    );
    void this.closed.then(() => this.#received.end());
    this.checkPath();
  }

  get maxDatagramSize(): number {
    return this.info === undefined ? this.#transport.datagrams.maxDatagramSize : 0;
  }

  // Runtimes keep a single unread datagram by default, so they are taken as they come into a queue of our own.
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    const reader = (this.#transport.datagrams.readable as ReadableStream<Uint8Array>).getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        this.counters.receivedDatagram(value.length);
        this.#received.push(value);
      }
    } catch {
      // The connection has ended.
    }
    this.#received.end();
  }

  protected path(): Address | undefined {
    return this.#path();
  }

  protected shut(code: number, reason: string): void {
    try {
      this.#transport.close({ closeCode: code, reason });
    } catch {
      // It has ended already.
    }
  }

  protected async createBidirectional(
    options: OpenStreamOptions,
  ): Promise<{ send: ByteSink; receive: ReceiveHalf }> {
    const { readable, writable } = await this.#transport.createBidirectionalStream(openOptions(options));
    return { send: writable as ByteSink, receive: new ReceiveHalf(readable) };
  }

  protected async createUnidirectional(options: OpenStreamOptions): Promise<{ send: ByteSink }> {
    return { send: await this.#transport.createUnidirectionalStream(openOptions(options)) as ByteSink };
  }

  protected transmit(bytes: Uint8Array): Promise<void> {
    this.#writer ??= (this.#transport.datagrams.writable as WritableStream<Uint8Array>).getWriter();
    return this.#writer.write(bytes);
  }
}

function openOptions(options: OpenStreamOptions): WebTransportSendStreamOptions {
  const all = { sendOrder: options.priority ?? PRIORITY.NORMAL, waitUntilAvailable: options.wait ?? false };
  return all as WebTransportSendStreamOptions;
}
