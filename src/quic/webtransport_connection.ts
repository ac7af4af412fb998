/**
 * A connection over a W3C `WebTransport` object: browsers and Deno as clients, `Deno.upgradeWebTransport` as server.
 * Names nothing of Deno, so that a browser bundle can hold it.
 *
 * @module
 */

import { BaseConnection } from "./connection.ts";
import { endedBy, QuicError } from "./errors.ts";
import { IncomingStreams } from "./incoming_streams.ts";
import { type ByteSource, ReceiveHalf } from "./receive_stream.ts";
import type { ByteSink } from "./send_stream.ts";
import {
  type Address,
  type BidirectionalStream,
  type OpenStreamOptions,
  PRIORITY,
  type ReceiveStream,
} from "./types.ts";

/** Both ends of the path, where they can be told. */
export interface Addresses {
  readonly local: () => Address | undefined;
  readonly remote: () => Address | undefined;
}

/** Over a `WebTransport` whose `ready` has resolved. */
export class WebTransportConnection extends BaseConnection {
  readonly kind = "webtransport";
  incomingBidirectionalStreams: AsyncIterable<BidirectionalStream>;
  incomingUnidirectionalStreams: AsyncIterable<ReceiveStream>;
  readonly #transport: WebTransport;
  readonly #addresses: Addresses | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;

  /** @param options `handshakeTime`: milliseconds that the dial took. */
  constructor(
    transport: WebTransport,
    options: { url: URL; addresses?: Addresses; handshakeTime?: number },
  ) {
    super({ url: options.url, handshakeTime: options.handshakeTime });
    this.#transport = transport;
    this.#addresses = options.addresses;
    this.incomingBidirectionalStreams = new IncomingStreams(
      () => transport.incomingBidirectionalStreams as ReadableStream<WebTransportBidirectionalStream>,
      ({ readable, writable }) => this.acceptedBidirectional(writable as ByteSink, new ReceiveHalf(readable)),
    );
    this.incomingUnidirectionalStreams = new IncomingStreams(
      () => transport.incomingUnidirectionalStreams as ReadableStream<ByteSource>,
      (readable) => this.acceptedUnidirectional(new ReceiveHalf(readable)),
    );
    transport.closed.then(
      (info) => this.finish({ code: info?.closeCode ?? 0, reason: info?.reason ?? "", by: "remote" }),
      (error) => this.finish(endedBy(error)),
    );
    this.start(transport.closed);
  }

  get maxDatagramSize(): number {
    return this.isClosed ? 0 : this.#transport.datagrams.maxDatagramSize;
  }

  get localAddress(): Address | undefined {
    return this.#addresses?.local();
  }

  async readDatagram(): Promise<Uint8Array> {
    this.#reader ??= (this.#transport.datagrams.readable as ReadableStream<Uint8Array>).getReader();
    const { done, value } = await this.#reader.read();
    if (done) throw new TypeError("no more datagrams");
    return value;
  }

  /** Browsers that have `getStats` tell it; zero means that they do not know. */
  protected override async transportRtt(): Promise<number | undefined> {
    const { getStats } = this.#transport as { getStats?: () => Promise<{ smoothedRtt?: number }> };
    try {
      return (await getStats?.call(this.#transport))?.smoothedRtt || undefined;
    } catch {
      return undefined;
    }
  }

  protected path(): Address | undefined {
    return this.#addresses?.remote();
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

  async transmit(bytes: Uint8Array): Promise<void> {
    this.#writer ??= datagramWritable(this.#transport.datagrams)?.getWriter();
    if (this.#writer === undefined) throw new QuicError("no_datagrams", "this browser sends no datagrams");
    await this.#writer.write(bytes);
  }
}

/** Safari has `createWritable()` alone, other browsers `writable`. */
function datagramWritable(datagrams: object): WritableStream<Uint8Array> | undefined {
  const { writable, createWritable } = datagrams as {
    writable?: WritableStream<Uint8Array>;
    createWritable?: () => WritableStream<Uint8Array>;
  };
  return writable ?? createWritable?.call(datagrams);
}

function openOptions(options: OpenStreamOptions): WebTransportSendStreamOptions {
  const all = { sendOrder: options.priority ?? PRIORITY.NORMAL, waitUntilAvailable: options.wait ?? false };
  return all as WebTransportSendStreamOptions;
}
