/**
 * Messages from one client: decoded, charged to the rates, and handed to their handlers.
 *
 * @module
 */

import {
  classOfType,
  CloseError,
  type CloseName,
  decodeFrame,
  decodeText,
  type Form,
  laneAllows,
  LANES,
  type Message,
  ProtocolError,
  readPlainPing,
} from "../protocol/mod.ts";
import { checkArrival } from "../router/mod.ts";
import type { Arrival } from "../transport/contract.ts";
import { MessageContext } from "./context.ts";
import { inflated } from "./deflate.ts";
import { authenticate, type HandshakeConnection, refresh } from "./handshake.ts";
import { RateLimit } from "./rates.ts";
import { Throttle } from "./throttle.ts";

/** Frames and datagrams that cannot be decoded before the connection is ended. */
const MAX_MALFORMED = 10;
/** Messages refused for their rate before the connection is ended. */
const MAX_REFUSED = 100;
/** Handlers at work at once on one connection before reading pauses. */
const MAX_PENDING = 256;
/** Longest pause for a rate, in milliseconds. The next message is charged anew. */
const MAX_PAUSE = 30_000;
/** What a refused client is told to wait, in milliseconds. */
const RETRY_AFTER = 2000;
/** One message in so many has its handling timed. */
const SAMPLE = 16;

/** The connection whose messages are read. */
export interface InboundConnection extends HandshakeConnection {
  end(close: CloseName, detail?: string): void;
}

/** What is read of one connection. */
export class Inbound {
  readonly #connection: InboundConnection;
  readonly #throttle: Throttle;
  readonly #rate: RateLimit;
  /** The rate that the connection shares with others of its user. */
  userRate: RateLimit | undefined;
  #lastReceivedAt: number;
  #preAuthBytes = 0;
  #formKnown = false;
  /** The form of the last message that was read. */
  #form: Form = "json";
  #malformed = 0;
  #refused = 0;
  #pending = 0;
  /** Set while nothing is read, because too many handlers are at work. */
  #drained: PromiseWithResolvers<void> | undefined;
  /** When that was over last, on the clock's `now`. */
  #drainedAt = -Infinity;
  #counter = 0;

  constructor(connection: InboundConnection) {
    const { clock, settings } = connection.host;
    this.#connection = connection;
    this.#throttle = new Throttle(clock);
    this.#lastReceivedAt = clock.now();
    this.#rate = new RateLimit(settings.rates.connection, this.#lastReceivedAt);
  }

  /** When something came last, on the clock's `now`. */
  get lastReceivedAt(): number {
    return this.#lastReceivedAt;
  }

  /** Since when nothing has come although it was read, on the clock's `now`. */
  get silentSince(): number {
    if (this.#drained !== undefined) return this.#connection.host.clock.now();
    return Math.max(this.#lastReceivedAt, this.#throttle.until, this.#drainedAt);
  }

  /** See `ConnectionSink.frame`. */
  frame(data: Uint8Array | string, arrival: Arrival, size: number): void | Promise<void> {
    const { phase, host } = this.#connection;
    if (phase === "closing" || phase === "closed") return;
    const now = this.#lastReceivedAt = host.clock.now();
    const started = ++this.#counter % SAMPLE === 0 ? performance.now() : 0;
    if (phase !== "open") {
      if (arrival.datagram) return this.#charge(size, now);
      this.#preAuthBytes += size;
      const { maxBytes } = host.settings.preAuth;
      if (this.#preAuthBytes > maxBytes) {
        return this.#connection.end("bad_request", `more than ${maxBytes} bytes before authentication`);
      }
    }
    if (phase === "open" && this.#answersPing(data, arrival)) {
      if (started > 0) host.observer.handled(this.#connection.transport, performance.now() - started);
      this.#refused = 0;
      return this.#charge(size, now);
    }
    let message: Message;
    try {
      message = this.#decode(data);
    } catch (error) {
      return this.#undecodable(error, arrival);
    }
    if (arrival.overflow) return this.#refuse(message);
    if (phase !== "open") return this.#beforeAuth(message);
    if (message.type === "deflated" && !arrival.datagram) {
      try {
        ({ message, size } = this.#inflate(message, size));
      } catch (error) {
        return this.#undecodable(error, arrival);
      }
    }
    const paced = this.#handle(message, arrival, started);
    const pause = paced ? undefined : this.#charge(size, now);
    if (pause !== undefined) return pause;
    if (this.#pending >= MAX_PENDING) return (this.#drained ??= Promise.withResolvers<void>()).promise;
    this.#refused = 0;
  }

  /** Answers a message, or the connection itself when `re` is undefined, with what went wrong. */
  answer(error: unknown, re: Message | undefined, lane: number): void {
    const { host, outbound } = this.#connection;
    if (error instanceof CloseError) return this.#connection.end(error.close, error.detail);
    let failure = error;
    if (!(failure instanceof ProtocolError)) {
      host.observer.logLimited("error", "handler failed", {
        ...this.#connection.logFields(),
        type: re?.type,
        error,
      });
      failure = new ProtocolError("internal");
    }
    this.#countError(failure);
    outbound.pushError(failure as ProtocolError, re?.id, lane);
  }

  /** The connection has ended: whoever waits to read on, reads on and finds the end. */
  end(): void {
    this.#throttle.end();
    this.#drained?.resolve();
  }

  /** Charges one message to the rates: how long to read no more, when it is above them. */
  #charge(bytes: number, now: number): Promise<void> | undefined {
    const debt = Math.max(this.#rate.charge(bytes, now), this.userRate?.charge(bytes, now) ?? 0);
    return debt > 0 ? this.#throttle.wait(Math.min(debt, MAX_PAUSE), now) : undefined;
  }

  /** Answers a ping that came as nearly all of them do; `false` leaves the frame to its handler. */
  #answersPing(data: Uint8Array | string, { lane, datagram, overflow, early }: Arrival): boolean {
    if (lane !== 0 || datagram || overflow || early) return false;
    const { connection, outbound } = this.#connection;
    // What answers them without objects speaks JSON alone.
    if (connection.wire.form !== "json") return false;
    const ping = readPlainPing(data);
    if (ping === undefined) return false;
    outbound.pong(ping);
    if (ping.rtt !== undefined) this.#connection.report({ rtt: ping.rtt });
    return true;
  }

  #decode(data: Uint8Array | string): Message {
    if (typeof data === "string") {
      const message = decodeText(data);
      this.#form = "json";
      this.#formKnown = true;
      return message;
    }
    const { message, form } = decodeFrame(data);
    this.#form = form;
    if (!this.#formKnown) {
      this.#formKnown = true;
      const { wire } = this.#connection.connection;
      wire.form = form;
      wire.batch = "frames";
    }
    return message;
  }

  /** The message in a compressed one. It is charged with the bytes it has become. */
  #inflate(message: Message, size: number): { message: Message; size: number } {
    const { outbound, host } = this.#connection;
    if (outbound.compress === undefined) {
      throw new ProtocolError("bad_request", "deflated: it was not agreed on");
    }
    const inner = inflated(message, host.settings.maxMessage);
    this.#form = "json";
    return { message: inner.message, size: Math.max(size, inner.size) };
  }

  #undecodable(error: unknown, { datagram, lane }: Arrival): void {
    const { host, outbound } = this.#connection;
    this.#countError(error);
    // QUIC drops what was damaged on its way, datagrams too: the client has sent it like this.
    if (++this.#malformed >= MAX_MALFORMED) {
      return this.#connection.end("bad_request", "too many malformed messages");
    }
    const failure = error instanceof ProtocolError ? error : new ProtocolError("bad_request");
    const fields = { ...this.#connection.logFields(), lane, datagram, reason: failure.message };
    host.observer.logLimited("info", "malformed message", fields);
    if (datagram) return;
    if (this.#connection.phase !== "open") host.badHandshake();
    outbound.pushError(failure, undefined, lane);
  }

  #beforeAuth(message: Message): void | Promise<void> {
    const connection = this.#connection;
    if (message.type === "ping") return connection.outbound.push("pong", {}, 0, message.id);
    if (message.type !== "auth_request" || connection.phase !== "new") {
      return this.answer(new ProtocolError("unauthorized"), message, 0);
    }
    return authenticate(connection, message).catch((error) => this.answer(error, message, 0));
  }

  /** Hands the message to its handler. True: that one limits the sender itself. */
  #handle(message: Message, arrival: Arrival, started: number): boolean {
    const { host, transport, outbound } = this.#connection;
    const { type, payload } = message;
    const channel = typeof payload.channel === "string" ? payload.channel : undefined;
    const hasLanes = transport !== "websocket";
    const lane = hasLanes ? arrival.lane : LANES[classOfType(type, channel)][0];
    try {
      if (hasLanes && lane !== 0 && !arrival.datagram && !laneAllows(lane, type, channel)) {
        throw new ProtocolError("wrong_lane");
      }
      if (type === "auth_request") {
        throw new ProtocolError("bad_request", "already authenticated: use auth_refresh");
      }
      const context = new MessageContext(this.#connection, message, lane, this.#form, arrival, outbound);
      const done = type === "auth_refresh" ? this.#refresh(context) : host.dispatch(context);
      if (done === undefined) {
        if (started > 0) host.observer.handled(transport, performance.now() - started);
      } else {
        this.#pending++;
        void this.#finish(done, message, lane, context.paced ? 0 : started);
      }
      return context.paced;
    } catch (error) {
      if (arrival.datagram) this.#countError(error);
      else this.answer(error, message, lane);
      return false;
    }
  }

  /** The session's own handler keeps to the rules of the router's. */
  #refresh(context: MessageContext): Promise<void> {
    checkArrival(context);
    return refresh(this.#connection, context.message, context.lane);
  }

  async #finish(done: Promise<void>, message: Message, lane: number, started: number): Promise<void> {
    const { host, transport } = this.#connection;
    try {
      await done;
      if (started > 0) host.observer.handled(transport, performance.now() - started);
    } catch (error) {
      this.answer(error, message, lane);
    } finally {
      if (--this.#pending < MAX_PENDING / 2 && this.#drained !== undefined) {
        this.#drained.resolve();
        this.#drained = undefined;
        this.#drainedAt = host.clock.now();
      }
    }
  }

  /** A message came while reading paused, and the transport could not hold it back. */
  #refuse(message: Message): void {
    const { host, transport, outbound } = this.#connection;
    host.observer.dropped(transport, "refused", 1);
    if (++this.#refused > MAX_REFUSED) return this.#connection.end("rate_limited");
    const refusal = new ProtocolError("rate_limited");
    this.#countError(refusal);
    outbound.pushError(refusal, message.id, 0, RETRY_AFTER);
  }

  #countError(error: unknown): void {
    const { host, transport } = this.#connection;
    host.observer.error(transport, error instanceof ProtocolError ? error.error : "internal");
  }
}
