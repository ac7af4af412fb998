/**
 * The life of one connection: handshake, messages in, messages out, heartbeat, end. Which transport carries
 * it, and what its messages mean, is not known here.
 *
 * @module
 */

import {
  classOfType,
  CloseError,
  type CloseName,
  CLOSES,
  decodeFrame,
  decodeText,
  Encoded,
  failureOf,
  type Form,
  laneAllows,
  LANES,
  type Message,
  type Payload,
  type Principal,
  ProtocolError,
  type ServerType,
  shouldReconnect,
  uuidv7,
} from "../protocol/mod.ts";
import { checkArrival } from "../router/mod.ts";
import type { Client } from "../router/types.ts";
import type { Arrival, ConnectionSink, MessageConnection, TransportClose } from "../transport/contract.ts";
import type { SessionSettings } from "./contract.ts";
import { PauseGate } from "./gate.ts";
import { authenticate, refresh } from "./handshake.ts";
import type { Host } from "./host.ts";
import { MessageContext } from "./context.ts";
import { RateLimit } from "./limits.ts";
import { Outbox } from "./outbox.ts";

/** Frames and datagrams that cannot be decoded before the connection is ended. */
const MAX_MALFORMED = 10;
/** Messages refused for their rate before the connection is ended. */
const MAX_REFUSED = 100;
/** Handlers at work at once on one connection before reading pauses. */
const MAX_PENDING = 256;
/** Longest pause for a rate, in milliseconds: the next message is charged anew. */
const MAX_PAUSE = 30_000;
/** What a refused client is told to wait, in milliseconds. */
const RETRY_AFTER = 2000;
/** One message in so many has its handling timed. */
const SAMPLE = 16;

/** Where a connection stands. */
export type ConnectionState = "new" | "authenticating" | "open" | "closing" | "closed";

/** One client connection. */
export class ClientConnection implements ConnectionSink, Client {
  readonly connectionId: string = uuidv7();
  readonly connectedAt: number = Date.now();
  readonly connection: MessageConnection;
  readonly host: Host;
  readonly settings: SessionSettings;
  readonly outbox: Outbox;
  state: ConnectionState = "new";
  sessionId = "";
  #principal: Principal | undefined;
  /** Milliseconds since the epoch. */
  lastReceivedAt: number = this.connectedAt;
  /** Nothing is read while it holds: the client is above its rate. */
  readonly pause: PauseGate = new PauseGate();
  /** Milliseconds, as the client measured it; -1 when it has not told. */
  rtt = -1;
  /** When its address last changed, in milliseconds since the epoch; 0 when it never did. */
  migratedAt = 0;
  /** Whether the client has been told that its token ends soon. */
  tokenNoticeSent = false;
  #preAuthBytes = 0;
  #formKnown = false;
  /** The form of the last message that was read. */
  #form: Form = "json";
  #malformed = 0;
  #refused = 0;
  #pending = 0;
  #drained: PromiseWithResolvers<void> | undefined;
  #counter = 0;
  #rate: RateLimit;
  #userRate: RateLimit | undefined;
  #end: Promise<void> | undefined;

  constructor(connection: MessageConnection, host: Host) {
    this.connection = connection;
    this.host = host;
    this.settings = host.settings;
    this.#rate = new RateLimit(this.settings.rates.connection, this.connectedAt);
    this.outbox = new Outbox(this.settings.maxOutbox, () => connection.wire.form, {
      stopped: (channel, dropped) => this.#channelStopped(channel, dropped),
      dropped: (grade, count) => host.observer.dropped(this.transport, grade, count),
      overflow: () => this.end("slow_consumer"),
    });
  }

  get transport(): MessageConnection["kind"] {
    return this.connection.kind;
  }

  get principal(): Principal {
    if (this.#principal === undefined) throw new Error("the connection is not authenticated");
    return this.#principal;
  }

  /** The user, once known. */
  get userId(): string | undefined {
    return this.#principal?.userId;
  }

  /** Begins to read. */
  start(): void {
    this.connection.start(this, this.outbox);
  }

  /** The token was accepted; without a principal it stands for nobody any more. */
  accept(principal?: Principal): void {
    if (principal === undefined) this.#userRate = undefined;
    else if (this.#principal === undefined) this.#userRate = this.host.userRate(principal.userId);
    this.#principal = principal;
    this.tokenNoticeSent = false;
  }

  // --- in ---

  frame(data: Uint8Array | string, arrival: Arrival, size = data.length): void | Promise<void> {
    if (this.state === "closing" || this.state === "closed") return;
    const now = Date.now();
    this.lastReceivedAt = now;
    const started = ++this.#counter % SAMPLE === 0 ? performance.now() : 0;
    if (this.state !== "open") {
      if (arrival.datagram) return this.#charge(size, now);
      this.#preAuthBytes += size;
      if (this.#preAuthBytes > this.settings.preAuth.maxBytes) {
        return this.end(
          "bad_request",
          `more than ${this.settings.preAuth.maxBytes} bytes before authentication`,
        );
      }
    }
    let message: Message;
    try {
      message = this.#decode(data);
    } catch (error) {
      return this.#undecodable(error, arrival);
    }
    if (arrival.overflow) return this.#refuse(message);
    if (this.state !== "open") return this.#beforeAuth(message);
    const paced = this.#handle(message, arrival, started);
    const pause = paced ? undefined : this.#charge(size, now);
    if (pause !== undefined) return pause;
    if (this.#pending >= MAX_PENDING) return (this.#drained ??= Promise.withResolvers<void>()).promise;
    this.#refused = 0;
  }

  /** Charges one message to the rates: how long to read no more, when it is above them. */
  #charge(bytes: number, now: number): Promise<void> | undefined {
    const debt = Math.max(this.#rate.charge(bytes, now), this.#userRate?.charge(bytes, now) ?? 0);
    return debt > 0 ? this.pause.wait(Math.min(debt, MAX_PAUSE), now) : undefined;
  }

  failed(error: unknown, stage: string): void {
    if (this.state === "closing" || this.state === "closed") return;
    if (error instanceof CloseError) return this.end(error.close, error.message);
    if (error instanceof ProtocolError) return this.#sendError(error, undefined, 0);
    this.host.observer.log("warn", "connection failure", { ...this.logFields(), stage, error });
  }

  migrated(from: string, to: string): void {
    this.migratedAt = Date.now();
    this.host.observer.migrated(this.transport);
    this.host.observer.log("info", "connection migrated", { ...this.logFields(), from, to });
  }

  closed(info: TransportClose): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.outbox.clear();
    this.#drained?.resolve();
    this.pause.end();
    this.host.ended(this, info);
  }

  // --- out ---

  send(message: Encoded, lane: number): void {
    if (this.state !== "open") return;
    const { connection } = this;
    if (message.queueing.datagram && connection.maxDatagramSize > 0 && connection.sendDatagram(message)) {
      return;
    }
    const at = connection.laneOrControl(lane);
    if (this.outbox.add(message, at)) connection.wake(at);
  }

  /** Room for a replay of history: see `Client.ready`. */
  ready(lane?: number): Promise<void> | undefined {
    const at = lane === undefined ? lane : this.connection.laneOrControl(lane);
    return this.state === "open" ? this.outbox.whenRoom(at) : undefined;
  }

  /** Sends a reply or a notice: never dropped. */
  push(type: ServerType, payload: Payload, lane = 0, re?: string): void {
    if (this.state === "closed") return;
    const at = this.connection.laneOrControl(lane);
    const message: Message = re === undefined
      ? { type, id: uuidv7(), timestamp: Date.now(), payload }
      : { type, id: uuidv7(), timestamp: Date.now(), re, payload };
    this.outbox.push(new Encoded(message), at);
    this.connection.wake(at);
  }

  /** Ends the connection with a close of the table: announced on lane 0, then by the transport. */
  end(close: CloseName, detail?: string): void {
    if (this.state === "closing" || this.state === "closed") return;
    const { code, reason } = CLOSES[close];
    const { observer } = this.host;
    if (close !== "normal" && close !== "shutdown") observer.error(this.transport, close);
    observer.log(close === "normal" ? "debug" : "info", "connection ending", {
      ...this.logFields(),
      code,
      reason,
      detail,
    });
    // First the state: when the outbox is full the message itself overflows it, which asks for the end again.
    this.state = "closing";
    this.push("close", { code, reason: detail ?? reason, reconnect: shouldReconnect(code) });
    this.#end = this.connection.close(code, reason).catch((error) => {
      observer.log("warn", "connection did not end cleanly", { ...this.logFields(), error });
      this.connection.abort();
    });
  }

  /** Resolves once an `end` has been carried out. */
  ending(): Promise<void> {
    return this.#end ?? Promise.resolve();
  }

  /** What identifies the connection in a log line. */
  logFields(): Record<string, unknown> {
    return {
      connection: this.connectionId,
      session: this.sessionId || undefined,
      user: this.userId,
      transport: this.transport,
      remote: this.connection.remoteAddress,
    };
  }

  // --- inside ---

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
      this.connection.wire.form = form;
      this.connection.wire.batch = true;
    }
    return message;
  }

  #undecodable(error: unknown, arrival: Arrival): void {
    this.host.observer.error(this.transport, error instanceof ProtocolError ? error.error : "internal");
    // QUIC lets nothing through that was damaged on its way: it was sent like this, as a datagram too.
    if (++this.#malformed >= MAX_MALFORMED) return this.end("bad_request", "too many malformed messages");
    if (arrival.datagram) return;
    this.#sendError(
      error instanceof ProtocolError ? error : new ProtocolError("bad_request"),
      undefined,
      arrival.lane,
      false,
    );
  }

  #beforeAuth(message: Message): void | Promise<void> {
    if (message.type === "ping") return this.push("pong", {}, 0, message.id);
    if (message.type !== "auth_request" || this.state !== "new") {
      return this.#sendError(new ProtocolError("unauthorized"), message.id, 0);
    }
    return authenticate(this, message).catch((error) => this.#answer(error, message, 0));
  }

  /** Hands the message to its handler; true: that one holds the sender back itself. */
  #handle(message: Message, arrival: Arrival, started: number): boolean {
    const { type, payload } = message;
    const channel = typeof payload.channel === "string" ? payload.channel : undefined;
    const hasLanes = this.transport !== "websocket";
    const lane = hasLanes ? arrival.lane : LANES[classOfType(type, channel)][0];
    try {
      if (hasLanes && lane !== 0 && !arrival.datagram && !laneAllows(lane, type, channel)) {
        throw new ProtocolError("wrong_lane");
      }
      if (type === "auth_request") {
        throw new ProtocolError("bad_request", "already authenticated: use auth_refresh");
      }
      const context = new MessageContext(this, message, lane, arrival, this.#form);
      const done = type === "auth_refresh" ? this.#refresh(context) : this.host.dispatch(context);
      if (done === undefined) {
        if (started > 0) this.host.observer.handled(this.transport, performance.now() - started);
      } else {
        this.#pending++;
        void this.#finish(done, message, lane, context.paced ? 0 : started);
      }
      return context.paced;
    } catch (error) {
      if (arrival.datagram) {
        this.host.observer.error(this.transport, error instanceof ProtocolError ? error.error : "internal");
      } else this.#answer(error, message, lane);
      return false;
    }
  }

  #refresh(context: MessageContext): Promise<void> {
    checkArrival(context);
    return refresh(this, context.message, context.lane);
  }

  async #finish(done: Promise<void>, message: Message, lane: number, started: number): Promise<void> {
    try {
      await done;
      if (started > 0) this.host.observer.handled(this.transport, performance.now() - started);
    } catch (error) {
      this.#answer(error, message, lane);
    } finally {
      if (--this.#pending < MAX_PENDING / 2 && this.#drained !== undefined) {
        this.#drained.resolve();
        this.#drained = undefined;
      }
    }
  }

  #answer(error: unknown, message: Message, lane: number): void {
    if (error instanceof CloseError) return this.end(error.close, error.message);
    if (error instanceof ProtocolError) return this.#sendError(error, message.id, lane);
    this.host.observer.log("error", "handler failed", { ...this.logFields(), type: message.type, error });
    this.#sendError(new ProtocolError("internal"), message.id, lane);
  }

  #refuse(message: Message): void {
    this.host.observer.dropped(this.transport, "refused", 1);
    if (++this.#refused > MAX_REFUSED) return this.end("rate_limited");
    this.#sendError(new ProtocolError("rate_limited"), message.id, 0, true, RETRY_AFTER);
  }

  #sendError(
    error: ProtocolError,
    re: string | undefined,
    lane: number,
    count = true,
    retryAfter?: number,
  ): void {
    if (count) this.host.observer.error(this.transport, error.error);
    const payload: Payload = { ...failureOf(error) };
    if (retryAfter !== undefined) payload.retryAfter = retryAfter;
    this.push("error", payload, lane, re);
  }

  #channelStopped(channel: string, dropped: number): void {
    this.host.membership.stopChannel(this, channel);
    this.host.observer.dropped(this.transport, "channel", dropped);
    this.host.observer.log("warn", "channel stopped for a slow consumer", {
      ...this.logFields(),
      channel,
      dropped,
    });
    this.push("server_notice", { kind: "discontinuity", channel, dropped, reason: "slow_consumer" });
  }
}
