/**
 * Messages over a connection of many streams: one stream is one lane, its first varint the lane's number. What
 * WebTransport and raw QUIC have in common.
 *
 * @module
 */

import { settles } from "../../async/deadline.ts";
import { decodeFrame, encodeBare, type JsonEncoded, lanePriority } from "../../protocol/core.ts";
import type { BidirectionalStream, Connection } from "../../quic/types.ts";
import { FrameWriter, readFrames } from "../../streams/mod.ts";
import {
  type ClientTransport,
  type ClientTransportKind,
  noTraffic,
  type TransportEnd,
  type TransportTraffic,
} from "./contract.ts";

/** Largest message taken from the server. */
const MAX_FRAME = 1 << 24;
/** Datagrams that may wait for the runtime at once; more are not sent. */
const MAX_DATAGRAMS_IN_FLIGHT = 32;
/** Milliseconds for the last messages before the connection is closed. */
const FLUSH = 1000;
/** Milliseconds the server has to read them: closing straight after a write loses it. */
const LINGER = 100;

interface Lane {
  readonly number: number;
  readonly queue: JsonEncoded[];
  head: number;
  stream: BidirectionalStream | undefined;
  writer: FrameWriter | undefined;
  /** It is to be closed as soon as it is open. */
  leave: boolean;
  /** Resolves when both sides have ended it. */
  over: Promise<void> | undefined;
}

/** A client's transport over a `Connection`; subclasses dial. */
export abstract class LanesTransport implements ClientTransport {
  abstract readonly kind: ClientTransportKind;
  readonly laneful = true;
  readonly traffic: TransportTraffic = noTraffic();
  onMessage: ClientTransport["onMessage"] = () => {};
  onClose: ClientTransport["onClose"] = () => {};
  onLaneLost: ClientTransport["onLaneLost"] = () => {};
  onError: ClientTransport["onError"] = () => {};
  readonly #lanes = new Map<number, Lane>();
  /** Lanes that we have ended and the server has not yet, as far as we know. */
  readonly #ending = new Map<number, Promise<void>>();
  #connection: Connection | undefined;
  #datagramsInFlight = 0;
  #datagramsFail = false;
  #ours: TransportEnd | undefined;
  #closing: Promise<void> | undefined;
  #ended = false;
  /** What went out on lane 0 before the first answer, to be said again when the server refuses early data. */
  #early: JsonEncoded[] | undefined;

  /** Opens the connection. Rejects with the signal's reason when aborted. */
  protected abstract dial(signal: AbortSignal | undefined): Promise<Connection>;

  get maxDatagramSize(): number {
    return this.#datagramsFail ? 0 : this.#connection?.maxDatagramSize ?? 0;
  }

  async connect(signal?: AbortSignal): Promise<void> {
    const connection = await this.dial(signal);
    if (signal?.aborted) {
      await settles(connection.close(), FLUSH);
      throw signal.reason;
    }
    this.#connection = connection;
    if (!connection.handshakeComplete) this.#early = [];
    void connection.closed.then(({ code, reason, by }) => this.#end({ code, reason, by }));
    void this.#readDatagrams(connection);
  }

  send(message: JsonEncoded, lane: number): void {
    if (this.#ended || this.#ours !== undefined) return;
    const open = this.#lane(lane);
    open.queue.push(message);
    if (lane === 0) this.#early?.push(message);
    open.writer?.wake();
  }

  openLane(lane: number): void {
    if (!this.#ended && this.#ours === undefined) this.#lane(lane);
  }

  closeLane(number: number): void {
    const lane = this.#lanes.get(number);
    if (number === 0 || lane === undefined) return;
    if (lane.stream === undefined) {
      lane.leave = true;
      return;
    }
    // Whoever sends next opens another one; what the server still sends on this one is read.
    this.#lanes.delete(number);
    this.#ending.set(number, lane.over!);
    const { stream, writer } = lane;
    writer!.idle().then(() => stream.end()).catch(() => stream.abort());
  }

  sendDatagram(message: JsonEncoded): boolean {
    const connection = this.#connection;
    if (connection === undefined || this.#ended || this.#datagramsInFlight >= MAX_DATAGRAMS_IN_FLIGHT) {
      return false;
    }
    const bytes = encodeBare(message.message);
    if (bytes.length > this.maxDatagramSize) return false;
    this.#datagramsInFlight++;
    connection.sendDatagram(bytes).then(() => {
      this.traffic.bytesOut += bytes.length;
      this.traffic.messagesOut++;
    }, (error) => {
      // The path's datagrams have become smaller; anything else is a runtime that cannot send any.
      if (!(error instanceof RangeError)) this.#datagramsFail = true;
    }).finally(() => this.#datagramsInFlight--);
    return true;
  }

  stopDatagrams(): void {
    this.#datagramsFail = true;
  }

  close(code = 1000, reason = ""): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined || this.#ended) return this.#closing ?? Promise.resolve();
    return this.#closing ??= this.#close(connection, code, reason);
  }

  async #close(connection: Connection, code: number, reason: string): Promise<void> {
    this.#ours = { code, reason, by: "local" };
    const writers = [...this.#lanes.values()].map(({ writer }) => writer?.idle());
    const busy = this.traffic.messagesOut > 0;
    await settles(Promise.all(writers), FLUSH);
    if (busy) await settles(connection.closed, LINGER);
    await settles(connection.close(code, reason), FLUSH);
    this.#end(this.#ours);
  }

  #end(end: TransportEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#lanes.clear();
    this.onClose(this.#ours ?? end);
  }

  #lane(number: number): Lane {
    const known = this.#lanes.get(number);
    if (known !== undefined) return known;
    const lane: Lane = {
      number,
      queue: [],
      head: 0,
      stream: undefined,
      writer: undefined,
      leave: false,
      over: undefined,
    };
    this.#lanes.set(number, lane);
    lane.over = this.#run(lane);
    return lane;
  }

  async #run(lane: Lane): Promise<void> {
    let failure: unknown;
    try {
      // The server takes no other stream for a lane before the last one has ended on both sides.
      const before = this.#ending.get(lane.number);
      if (before !== undefined) await settles(before, FLUSH);
      this.#ending.delete(lane.number);
      const stream = await this.#connection!.openBidirectionalStream({
        priority: lanePriority(lane.number),
        wait: true,
      });
      lane.stream = stream;
      // Waking the writer sends the lane's number even when nothing waits: a stream without a byte is not seen.
      lane.writer = new FrameWriter(stream, {
        lane: lane.number,
        take: () => take(lane),
        form: () => "json",
        written: (messages, bytes) => {
          this.traffic.messagesOut += messages;
          this.traffic.bytesOut += bytes;
        },
        failed: (error) => stream.cancel(error),
      });
      lane.writer.wake();
      if (lane.leave) void lane.writer.idle().then(() => this.closeLane(lane.number));
      await readFrames(stream, { frame: (frame) => this.#frame(frame, lane.number) }, {
        maxFrame: () => MAX_FRAME,
        header: false,
      });
    } catch (error) {
      failure = error;
    }
    this.#lost(lane, failure);
  }

  #frame(frame: Uint8Array, lane: number): void {
    if (this.#ended) return;
    if (lane === 0) this.#early = undefined;
    this.traffic.bytesIn += frame.length;
    try {
      const { message } = decodeFrame(frame);
      this.traffic.messagesIn++;
      this.onMessage(message, lane, false);
    } catch (error) {
      this.onError(error);
    }
  }

  /** A lane has ended. Without the control lane there is no connection; any other lane ends alone. */
  #lost(lane: Lane, failure: unknown): void {
    if (this.#lanes.get(lane.number) !== lane) return;
    this.#lanes.delete(lane.number);
    lane.stream?.abort();
    const connection = this.#connection!;
    if (this.#ended) return;
    if (lane.number !== 0) return this.onLaneLost(lane.number);
    const early = this.#early;
    if (early !== undefined) {
      // Refused early data kills its streams and leaves the connection: say it all again, once.
      connection.ready.then(() => {
        this.#early = undefined;
        for (const message of early) this.send(message, 0);
      }, (error) => this.#giveUp(error));
      return;
    }
    this.#giveUp(failure);
  }

  #giveUp(failure: unknown): void {
    const connection = this.#connection!;
    // The server's close may be on its way behind the end of the lane, and it says more.
    void settles(connection.closed, LINGER).then(() => {
      if (!this.#ended && this.#ours === undefined) {
        this.#end({
          code: 0,
          reason: failure === undefined ? "the control lane ended" : String(failure),
          by: "error",
        });
        connection.close();
      }
    });
  }

  async #readDatagrams(connection: Connection): Promise<void> {
    try {
      for await (const datagram of connection.datagrams) {
        if (this.#ended) return;
        this.traffic.bytesIn += datagram.length;
        try {
          const { message } = decodeFrame(datagram);
          this.traffic.messagesIn++;
          this.onMessage(message, 0, true);
        } catch (error) {
          this.onError(error);
        }
      }
    } catch {
      // The end of the connection is told of by `closed`.
    }
  }
}

function take(lane: Lane): JsonEncoded | undefined {
  const message = lane.queue[lane.head];
  if (message === undefined) return undefined;
  lane.head++;
  if (lane.head === lane.queue.length) {
    lane.queue.length = 0;
    lane.head = 0;
  } else if (lane.head > 1024 && lane.head * 2 > lane.queue.length) {
    lane.queue.splice(0, lane.head);
    lane.head = 0;
  }
  return message;
}
