/**
 * The lanes of a QUIC or WebTransport connection: each is a stream that the client opened. Its first varint is the lane's
 * number, frames follow. A unidirectional stream sends on a lane and gets nothing.
 *
 * @module
 */

import { settles } from "../async/deadline.ts";
import { CloseError, type Encoded, laneClass, lanePriority, ProtocolError } from "../protocol/mod.ts";
import { QuicError } from "../quic/errors.ts";
import type { BidirectionalStream, Connection, ReceiveStream } from "../quic/types.ts";
import { FrameWriter, readFrames, type Unwritten } from "../streams/mod.ts";
import type { Arrival, ConnectionSink, OutboxSource, Traffic, WireOptions } from "./contract.ts";

/** Milliseconds that what waits for a lane may take to leave, once the client has broken off its side. */
const DRAIN_TIMEOUT = 5000;
/** Milliseconds in which a connection whose streams break is known to have ended. */
const ENDING = 200;

interface Lane {
  readonly number: number;
  readonly stream: BidirectionalStream;
  readonly writer: FrameWriter<Encoded>;
  readonly arrival: Arrival;
}

/** What lanes are made with. */
export interface LanesOptions {
  readonly connection: Connection;
  readonly sink: ConnectionSink;
  readonly outbox: OutboxSource;
  readonly wire: WireOptions;
  readonly traffic: Traffic;
  /** The limits now: bytes of a frame, and streams. */
  readonly limits: () => { readonly maxFrame: number; readonly maxStreams: number };
  /** Milliseconds a stream has to say which lane it is. */
  readonly headerTimeout: number;
  /** Whether this side is ending the connection. */
  readonly isClosing: () => boolean;
}

/** The open lanes. */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes = new Map<number, Lane>();
  #streams = 0;

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /** Takes the streams that the client opens. */
  start(): void {
    const { connection, sink } = this.#options;
    const failed = (stage: string) => (error: unknown) => sink.failed(error, stage);
    this.#acceptStreams(connection).catch(failed("accept stream"));
    this.#acceptUnidirectional(connection).catch(failed("accept unidirectional stream"));
  }

  /** Whether a lane is open. */
  has(lane: number): boolean {
    return this.#lanes.has(lane);
  }

  /** Something waits for a lane. Lane 0 takes it when there is no such lane. */
  wake(lane: number): void {
    const open = this.#lanes.get(lane);
    if (open !== undefined) return open.writer.wake();
    this.#options.outbox.reroute(lane);
    this.#lanes.get(0)?.writer.wake();
  }

  /** Writes what waits for lane 0 and ends it, within `timeout` milliseconds. False: it is not open. */
  async finishControl(timeout: number): Promise<boolean> {
    const control = this.#lanes.get(0);
    if (control === undefined) return false;
    control.writer.wake();
    await settles(control.writer.idle().then(() => control.stream.end()), timeout);
    return true;
  }

  /** The connection has ended. */
  clear(): void {
    this.#lanes.clear();
  }

  async #acceptStreams(connection: Connection): Promise<void> {
    for await (const stream of connection.incomingBidirectionalStreams) {
      if (this.#isTooMany(stream)) stream.abort();
      else void this.#runLane(stream);
    }
  }

  async #acceptUnidirectional(connection: Connection): Promise<void> {
    for await (const stream of connection.incomingUnidirectionalStreams) {
      if (!this.#isTooMany(stream)) void this.#runReceive(stream);
    }
  }

  #isTooMany(stream: ReceiveStream): boolean {
    const { sink, limits } = this.#options;
    const { maxStreams } = limits();
    if (this.#streams < maxStreams) {
      this.#streams++;
      return false;
    }
    stream.cancel();
    sink.failed(new CloseError("bad_request", `more than ${maxStreams} streams`), "accept stream");
    return true;
  }

  async #runLane(stream: BidirectionalStream): Promise<void> {
    const { sink, isClosing } = this.#options;
    let lane: Lane | undefined;
    try {
      await this.#read(stream, (number) => {
        const isControl = checkLane(number) === "control";
        if (this.#lanes.has(number)) throw new ProtocolError("wrong_lane", `lane ${number} is open already`);
        stream.priority = lanePriority(number);
        return (lane = this.#open(number, stream, isControl)).arrival;
      });
      if (lane === undefined) return abandon(stream);
      // The client has ended its side of the lane. This side ends as well, once what waits has left.
      await (lane as Lane).writer.idle();
      this.#drop(lane);
      await stream.end();
      if ((lane as Lane).number === 0 && !isClosing()) {
        sink.failed(new CloseError("normal", "control lane ended"), "control lane");
      }
    } catch (error) {
      await this.#laneFailed(stream, lane, error);
    } finally {
      this.#streams--;
    }
  }

  async #laneFailed(stream: BidirectionalStream, lane: Lane | undefined, error: unknown): Promise<void> {
    const { sink } = this.#options;
    if (lane?.number === 0) {
      // Not aborted here: the close message still has to leave on it.
      if (error instanceof CloseError) return sink.failed(error, "lane");
      abandon(stream);
      this.#drop(lane);
      return await this.#controlBroken(error);
    }
    if (isRefusal(error)) sink.failed(error, "lane");
    else if (codeOf(error) === "stream_reset") sink.streamLost(lane?.number, "reset");
    stream.cancel();
    // The client broke off what it sends. It may still read: what waits leaves first.
    if (this.#isOpen(lane) && codeOf(error) !== "connection_ended") {
      const { writer } = lane;
      const isDone = await settles(writer.idle().then(() => stream.end()), DRAIN_TIMEOUT);
      // The write under way fails, and what is lost with it is told.
      if (!isDone) stream.abort();
      await writer.idle();
    }
    this.#drop(lane);
    stream.abort();
  }

  async #runReceive(stream: ReceiveStream): Promise<void> {
    const { sink } = this.#options;
    let lane: number | undefined;
    try {
      await this.#read(stream, (number) => {
        if (checkLane(number) === "control") throw new ProtocolError("wrong_lane", "lane 0 goes both ways");
        lane = number;
        return this.#arrival(number);
      });
    } catch (error) {
      stream.cancel();
      if (isRefusal(error)) sink.failed(error, "lane");
      else if (codeOf(error) === "stream_reset") sink.streamLost(lane, "reset");
    } finally {
      this.#streams--;
    }
  }

  /** Reads a stream to its end; `opened` is told the lane it is, which it has to say in time. */
  async #read(stream: ReceiveStream, opened: (lane: number) => Arrival): Promise<void> {
    const { sink, limits, traffic, headerTimeout } = this.#options;
    let arrival: Arrival | undefined;
    let isLate = false;
    const deadline = setTimeout(() => {
      isLate = true;
      stream.cancel();
      sink.streamLost(undefined, "timeout");
    }, headerTimeout);
    try {
      await readFrames(stream, {
        header: (value) => {
          clearTimeout(deadline);
          arrival = opened(value);
        },
        frame: (frame) => {
          traffic.bytesIn += frame.length;
          traffic.messagesIn++;
          return sink.frame(frame, arrival!);
        },
      }, { maxFrame: () => limits().maxFrame });
    } catch (error) {
      if (!isLate) throw error;
    } finally {
      clearTimeout(deadline);
    }
  }

  #arrival(lane: number): Arrival {
    const { connection } = this.#options;
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

  #open(number: number, stream: BidirectionalStream, isControl: boolean): Lane {
    const { outbox, wire, traffic } = this.#options;
    const lane: Lane = {
      number,
      stream,
      arrival: this.#arrival(number),
      writer: new FrameWriter<Encoded>(stream, {
        take: () => outbox.take(number)?.message,
        form: () => wire.form,
        written: (messages, bytes) => {
          traffic.messagesOut += messages;
          traffic.bytesOut += bytes;
        },
        failed: (error, unwritten) => {
          if (isControl) {
            this.#drop(lane);
            void this.#controlBroken(error);
          } else this.#writeFailed(lane, error, unwritten);
        },
      }),
    };
    this.#lanes.set(number, lane);
    return lane;
  }

  /** A write failed: the client has stopped reading the lane, or does not read it, or the connection has ended. */
  #writeFailed(lane: Lane, error: unknown, unwritten: Unwritten<Encoded>): void {
    const { outbox, sink } = this.#options;
    if (!this.#isOpen(lane)) return;
    if (codeOf(error) === "connection_ended") return this.#drop(lane);
    this.#lanes.delete(lane.number);
    outbox.laneLost(lane.number, unwritten);
    this.#lanes.get(0)?.writer.wake();
    sink.streamLost(lane.number, "stopped");
  }

  /** Streams break a moment before the connection is known to have ended, and it says how: that comes first. */
  async #controlBroken(cause: unknown): Promise<void> {
    const { connection, sink, isClosing } = this.#options;
    if (!isClosing()) await settles(connection.closed, ENDING);
    if (isClosing()) return;
    sink.failed(new CloseError("bad_request", "control lane broken", { cause }), "control lane");
  }

  #isOpen(lane: Lane | undefined): lane is Lane {
    return lane !== undefined && this.#lanes.get(lane.number) === lane;
  }

  #drop(lane: Lane | undefined): void {
    if (!this.#isOpen(lane)) return;
    this.#lanes.delete(lane.number);
    if (lane.number === 0) return;
    this.#options.outbox.reroute(lane.number);
    this.#lanes.get(0)?.writer.wake();
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

function codeOf(error: unknown): string | undefined {
  return error instanceof QuicError ? error.code : undefined;
}

function abandon(stream: BidirectionalStream): void {
  stream.cancel();
  stream.abort();
}
