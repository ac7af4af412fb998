/**
 * Messages over a QUIC or WebTransport connection: one stream is one lane, its first varint is the lane's
 * number, frames follow. Lanes are opened by the client.
 *
 * @module
 */

import { settles } from "../async/deadline.ts";
import { CloseError, encodeBare, laneClass, lanePriority, ProtocolError } from "../protocol/mod.ts";
import type { Encoded } from "../protocol/mod.ts";
import type { BidirectionalStream, Connection, ReceiveStream } from "../quic/types.ts";
import { FrameWriter, readFrames } from "../streams/mod.ts";
import type {
  Arrival,
  ConnectionSink,
  MessageConnection,
  OutboxSource,
  Traffic,
  TransportClose,
  TransportKind,
  WireOptions,
} from "./contract.ts";

/** Datagrams that may wait for the runtime at once; more are dropped. */
const MAX_DATAGRAMS_IN_FLIGHT = 64;
/** Milliseconds a stream has to say which lane it is. */
const HEADER_TIMEOUT = 5000;
/** Milliseconds a client has to end the connection itself after the close message. */
const LINGER = 200;

interface Lane {
  readonly stream: BidirectionalStream;
  readonly writer: FrameWriter;
  readonly arrival: Arrival;
}

/** A message connection over `quic/`. */
export class QuicMessageConnection implements MessageConnection {
  readonly kind: TransportKind;
  readonly wire: WireOptions = { form: "json", batch: true };
  readonly traffic: Traffic = { bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };
  readonly #connection: Connection;
  readonly #lanes = new Map<number, Lane>();
  #limits: { maxFrame: number; maxStreams: number };
  #streams = 0;
  #sink: ConnectionSink | undefined;
  #outbox: OutboxSource | undefined;
  #datagramsInFlight = 0;
  #ours: { code: number; reason: string } | undefined;

  /** `limits` hold until `setLimits`: what an unauthenticated peer may spend. */
  constructor(connection: Connection, limits: { maxFrame: number; maxStreams: number }) {
    this.kind = connection.kind;
    this.#connection = connection;
    this.#limits = limits;
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
    this.#sink = sink;
    this.#outbox = outbox;
    this.#connection.onMigrated((event) => {
      sink.migrated(`${event.from.hostname}:${event.from.port}`, `${event.to.hostname}:${event.to.port}`);
    });
    void this.#acceptStreams(sink);
    void this.#acceptUnidirectional(sink);
    void this.#readDatagrams(sink);
    void this.#connection.closed.then((info) => {
      this.#lanes.clear();
      const close: TransportClose = this.#ours === undefined ? info : { ...this.#ours, by: "local" };
      sink.ended(close);
    });
  }

  wake(lane: number): void {
    const open = this.#lanes.get(lane);
    if (open !== undefined) return open.writer.wake();
    this.#outbox?.reroute(lane);
    this.#lanes.get(0)?.writer.wake();
  }

  laneOrControl(lane: number): number {
    return this.#lanes.has(lane) ? lane : 0;
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
    const control = this.#lanes.get(0);
    if (control !== undefined) {
      control.writer.wake();
      await settles(control.writer.idle().then(() => control.stream.end()), timeout);
      // Closing straight after a write loses it: the peer is to read the close message and end the
      // connection itself, or LINGER passes.
      await settles(this.#connection.closed, LINGER);
    }
    this.#connection.close(code, reason);
  }

  abort(): void {
    this.#connection.close(this.#ours?.code ?? 0, this.#ours?.reason ?? "");
  }

  async #acceptStreams(sink: ConnectionSink): Promise<void> {
    try {
      for await (const stream of this.#connection.incomingBidirectionalStreams) {
        if (this.#refused(sink, stream)) {
          stream.abort();
          continue;
        }
        void this.#runLane(sink, stream);
      }
    } catch (error) {
      sink.failed(error, "accept stream");
    }
  }

  async #acceptUnidirectional(sink: ConnectionSink): Promise<void> {
    try {
      for await (const stream of this.#connection.incomingUnidirectionalStreams) {
        if (this.#refused(sink, stream)) continue;
        void this.#runReceive(sink, stream);
      }
    } catch (error) {
      sink.failed(error, "accept unidirectional stream");
    }
  }

  #refused(sink: ConnectionSink, stream: ReceiveStream): boolean {
    if (this.#streams < this.#limits.maxStreams) {
      this.#streams++;
      return false;
    }
    stream.cancel();
    sink.failed(
      new CloseError("bad_request", `more than ${this.#limits.maxStreams} streams`),
      "accept stream",
    );
    return true;
  }

  async #runLane(sink: ConnectionSink, stream: BidirectionalStream): Promise<void> {
    let number = -1;
    let lane: Lane | undefined;
    const deadline = setTimeout(() => stream.cancel(), HEADER_TIMEOUT);
    try {
      await readFrames(stream, {
        header: (value) => {
          clearTimeout(deadline);
          const cls = checkLane(value);
          if (this.#lanes.has(value)) throw new ProtocolError("wrong_lane", `lane ${value} is open already`);
          stream.priority = lanePriority(value);
          number = value;
          lane = this.#openLane(value, stream, cls === "control");
        },
        frame: (frame) => this.#frame(sink, frame, lane!.arrival),
      }, { maxFrame: () => this.#limits.maxFrame });
      // The client has ended its side of the lane: so do we, once what waits has left.
      if (lane !== undefined) {
        await (lane as Lane).writer.idle();
        this.#dropLane(number, lane);
        await stream.end();
      } else {
        // It never said which lane it is.
        stream.cancel();
        stream.abort();
      }
      if (number === 0 && this.#ours === undefined) {
        sink.failed(new CloseError("normal", "control lane ended"), "control lane");
      }
    } catch (error) {
      stream.cancel();
      stream.abort();
      this.#dropLane(number, lane);
      // A lane that the peer broke off ends alone; without the control lane there is no connection.
      if (number === 0 && !(error instanceof CloseError)) void this.#controlBroken(error);
      else if (isRefusal(error)) sink.failed(error, "lane");
    } finally {
      clearTimeout(deadline);
      this.#streams--;
    }
  }

  async #runReceive(sink: ConnectionSink, stream: ReceiveStream): Promise<void> {
    let arrival: Arrival | undefined;
    const deadline = setTimeout(() => stream.cancel(), HEADER_TIMEOUT);
    try {
      await readFrames(stream, {
        header: (value) => {
          clearTimeout(deadline);
          if (checkLane(value) === "control") throw new ProtocolError("wrong_lane", "lane 0 goes both ways");
          arrival = this.#arrival(value);
        },
        frame: (frame) => this.#frame(sink, frame, arrival!),
      }, { maxFrame: () => this.#limits.maxFrame });
    } catch (error) {
      stream.cancel();
      if (isRefusal(error)) sink.failed(error, "lane");
    } finally {
      clearTimeout(deadline);
      this.#streams--;
    }
  }

  #frame(sink: ConnectionSink, frame: Uint8Array, arrival: Arrival): void | Promise<void> {
    this.traffic.bytesIn += frame.length;
    this.traffic.messagesIn++;
    return sink.frame(frame, arrival);
  }

  #arrival(lane: number): Arrival {
    const connection = this.#connection;
    if (connection.handshakeComplete) return { lane, datagram: false, early: false, overflow: false };
    return {
      lane,
      datagram: false,
      overflow: false,
      get early() {
        return !connection.handshakeComplete;
      },
    };
  }

  #openLane(number: number, stream: BidirectionalStream, control: boolean): Lane {
    const lane: Lane = {
      stream,
      arrival: this.#arrival(number),
      writer: new FrameWriter(stream, {
        take: () => this.#outbox?.take(number)?.message,
        form: () => this.wire.form,
        written: (messages, bytes) => {
          this.traffic.messagesOut += messages;
          this.traffic.bytesOut += bytes;
        },
        failed: (error) => {
          this.#dropLane(number, lane);
          if (control) void this.#controlBroken(error);
        },
      }),
    };
    this.#lanes.set(number, lane);
    return lane;
  }

  /** Streams break a moment before a connection is known to have ended, and that says how: it comes first. */
  async #controlBroken(cause: unknown): Promise<void> {
    if (this.#ours === undefined) await settles(this.#connection.closed, LINGER);
    if (this.#ours !== undefined) return;
    this.#sink?.failed(new CloseError("bad_request", "control lane broken", { cause }), "control lane");
  }

  #dropLane(number: number, lane: Lane | undefined): void {
    if (lane === undefined || this.#lanes.get(number) !== lane) return;
    this.#lanes.delete(number);
    if (number !== 0) {
      this.#outbox?.reroute(number);
      this.#lanes.get(0)?.writer.wake();
    }
  }

  async #readDatagrams(sink: ConnectionSink): Promise<void> {
    try {
      for await (const datagram of this.#connection.datagrams) {
        this.traffic.bytesIn += datagram.length;
        this.traffic.messagesIn++;
        const early = !this.#connection.handshakeComplete;
        const pause = sink.frame(datagram, { lane: 0, datagram: true, early, overflow: false });
        if (pause !== undefined) await pause;
      }
    } catch (error) {
      sink.failed(error, "read datagrams");
    }
  }
}

function checkLane(value: number): ReturnType<typeof laneClass> {
  try {
    return laneClass(value);
  } catch (cause) {
    throw new CloseError("bad_request", "not a lane number", { cause });
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof CloseError || error instanceof ProtocolError;
}
