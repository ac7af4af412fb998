/**
 * A WebTransport session over HTTP/3 (draft-ietf-webtrans-http3), at either side.
 *
 * @module
 */

import { boundAddress, plainAddress } from "../address.ts";
import { BaseConnection } from "../connection.ts";
import { refuseStream } from "../guards.ts";
import { AsyncQueue } from "../queue.ts";
import { ReceiveHalf } from "../receive_stream.ts";
import type { ByteSink } from "../send_stream.ts";
import type { Address, BidirectionalStream, CloseInfo, OpenStreamOptions, ReceiveStream } from "../types.ts";
import { H3, Http3Error } from "./errors.ts";
import { FRAME, STREAM } from "./frames.ts";
import { encodeVarints, readVarint, varintLength, varintSize, writeVarint } from "./varint.ts";

/** What a session needs of the HTTP/3 connection under it. */
export interface SessionCarrier {
  readonly conn: Deno.QuicConn;
  /** Sends the close capsule and ends the connection when the peer has had its time. */
  closeSession(code: number, reason: string): void;
  /** The peer broke the protocol. */
  violated(error: Http3Error): void;
}

/** One session; its connection carries no other. */
export class WebTransportSession extends BaseConnection {
  readonly kind = "webtransport";
  /** Id of the CONNECT stream. */
  readonly sessionId: number;
  incomingBidirectionalStreams: AsyncIterable<BidirectionalStream>;
  incomingUnidirectionalStreams: AsyncIterable<ReceiveStream>;
  readonly #carrier: SessionCarrier;
  readonly #bidirectional: AsyncQueue<BidirectionalStream>;
  readonly #unidirectional: AsyncQueue<ReceiveStream>;
  readonly #bidirectionalPreface: Uint8Array;
  readonly #unidirectionalPreface: Uint8Array;
  readonly #quarterId: Uint8Array;

  /** @param maxStreams Bound of streams that wait to be taken; the stream limits of the connection are below it. */
  constructor(
    carrier: SessionCarrier,
    options: {
      sessionId: number;
      url: URL;
      headers: ReadonlyMap<string, string>;
      maxStreams: number;
      handshakeTime?: number | undefined;
    },
  ) {
    super(options);
    this.sessionId = options.sessionId;
    this.#carrier = carrier;
    this.#bidirectional = new AsyncQueue<BidirectionalStream>(options.maxStreams, refuseStream);
    this.#unidirectional = new AsyncQueue<ReceiveStream>(options.maxStreams, refuseStream);
    this.incomingBidirectionalStreams = this.#bidirectional;
    this.incomingUnidirectionalStreams = this.#unidirectional;
    this.#bidirectionalPreface = encodeVarints(FRAME.WEBTRANSPORT_STREAM, options.sessionId);
    this.#unidirectionalPreface = encodeVarints(STREAM.WEBTRANSPORT, options.sessionId);
    this.#quarterId = encodeVarints(options.sessionId / 4);
    this.start(carrier.conn.closed);
  }

  get localAddress(): Address | undefined {
    return boundAddress(this.#carrier.conn);
  }

  get maxDatagramSize(): number {
    if (this.isClosed) return 0;
    return Math.max(0, this.#carrier.conn.maxDatagramSize - this.#quarterId.length);
  }

  /** A stream of the peer whose header named this session. */
  offerBidirectional(send: ByteSink, receive: ReceiveHalf): void {
    this.#bidirectional.push(this.acceptedBidirectional(send, receive));
  }

  /** A stream of the peer whose header named this session. */
  offerUnidirectional(receive: ReceiveHalf): void {
    this.#unidirectional.push(this.acceptedUnidirectional(receive));
  }

  /** The session has ended. */
  ended(info: CloseInfo): void {
    this.finish(info);
  }

  protected override finish(info: CloseInfo): void {
    super.finish(info);
    this.#bidirectional.end();
    this.#unidirectional.end();
  }

  async readDatagram(): Promise<Uint8Array | undefined> {
    const bytes = await this.#carrier.conn.readDatagram();
    const id = readVarint(bytes);
    if (id < 0) {
      const error = new Http3Error(H3.DATAGRAM_ERROR, "datagram without a session");
      this.#carrier.violated(error);
      throw error;
    }
    return id * 4 === this.sessionId ? bytes.subarray(varintLength(bytes[0]!)) : undefined;
  }

  protected path(): Address {
    return plainAddress(this.#carrier.conn.remoteAddr);
  }

  protected shut(code: number, reason: string): void {
    this.#carrier.closeSession(code, reason);
  }

  protected async createBidirectional(
    { wait }: OpenStreamOptions,
  ): Promise<{ send: ByteSink; receive: ReceiveHalf; preface: Uint8Array }> {
    const { conn } = this.#carrier;
    const { readable, writable } = await conn.createBidirectionalStream({
      waitUntilAvailable: wait ?? false,
    });
    return { send: writable, receive: new ReceiveHalf(readable), preface: this.#bidirectionalPreface };
  }

  protected async createUnidirectional(
    { wait }: OpenStreamOptions,
  ): Promise<{ send: ByteSink; preface: Uint8Array }> {
    const { conn } = this.#carrier;
    const send = await conn.createUnidirectionalStream({ waitUntilAvailable: wait ?? false });
    return { send, preface: this.#unidirectionalPreface };
  }

  transmit(bytes: Uint8Array): Promise<void> {
    const id = this.sessionId / 4;
    const datagram = new Uint8Array(varintSize(id) + bytes.length);
    datagram.set(bytes, writeVarint(datagram, 0, id));
    return this.#carrier.conn.sendDatagram(datagram);
  }
}
