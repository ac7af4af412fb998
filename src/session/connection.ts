/**
 * The life of one connection: from its first byte to its end. Which transport carries it, and what its messages mean,
 * is not known here.
 *
 * @module
 */

import {
  CloseError,
  type CloseName,
  CLOSES,
  type Encoded,
  type Principal,
  ProtocolError,
  type Report,
  shouldReconnect,
  uuidv7,
} from "../protocol/mod.ts";
import { ClientStates } from "../router/mod.ts";
import type { Client, ClientLimits, StateKey } from "../router/types.ts";
import type {
  Arrival,
  ConnectionSink,
  MessageConnection,
  StreamLoss,
  TransportClose,
  TransportKind,
} from "../transport/contract.ts";
import type { ConnectionSnapshot, Described, SessionSettings } from "./contract.ts";
import type { Deadlines } from "./deadlines.ts";
import type { ConnectionPhase, Host } from "./host.ts";
import { takeClaims } from "./handshake.ts";
import { Inbound } from "./inbound.ts";
import { Outbound } from "./outbound.ts";
import type { Outbox, StopReason } from "./outbox.ts";

/** Log lines of streams that end before their time. */
const LOSSES: Readonly<Record<StreamLoss, string>> = {
  reset: "lane reset by the client",
  stopped: "lane stopped by the client",
  timeout: "stream did not say its lane in time",
};

/** Log lines of channels that are stopped. */
const STOPS: Readonly<Record<StopReason, string>> = {
  slow_consumer: "channel stopped for a slow consumer",
  lane_lost: "channel stopped for a lost lane",
};

/** One client connection. */
export class ClientConnection implements ConnectionSink, Client, Deadlines, Described {
  readonly connectionId: string = uuidv7();
  readonly connectedAt: number;
  readonly openedAt: number;
  readonly connection: MessageConnection;
  readonly host: Host;
  readonly inbound: Inbound;
  readonly outbound: Outbound;
  phase: ConnectionPhase = "new";
  sessionId = "";
  #principal: Principal | undefined;
  /** Milliseconds, as the client measured it; -1 when it has not told. */
  rtt = -1;
  /** When its address last changed, on the clock's `now`; undefined when it never did. */
  migratedAt: number | undefined;
  tokenNoticeSent = false;
  /** It moved, fell silent and was counted as a failed migration; the client may tell of that once more. */
  migrationFailed = false;
  /** The same of the connection that the session was on before. */
  earlierMigrationFailed = false;
  #reconnectCounted = false;
  readonly #states = new ClientStates();
  /** Made when somebody asks for it: most connections need none. */
  #closed: AbortController | undefined;
  #end: Promise<void> | undefined;

  constructor(connection: MessageConnection, host: Host) {
    this.connection = connection;
    this.host = host;
    this.connectedAt = host.clock.wall();
    this.openedAt = host.clock.now();
    this.inbound = new Inbound(this);
    this.outbound = new Outbound(connection, host.settings.maxOutbox, host.clock, {
      stopped: (channel, dropped, reason) => this.#channelStopped(channel, dropped, reason),
      dropped: (grade, count) => host.observer.dropped(this.transport, grade, count),
      overflow: () => this.end("slow_consumer"),
    });
  }

  get transport(): TransportKind {
    return this.connection.kind;
  }

  get settings(): SessionSettings {
    return this.host.settings;
  }

  get limits(): ClientLimits {
    return this.host.settings;
  }

  get principal(): Principal {
    if (this.#principal === undefined) throw new Error("the connection is not authenticated");
    return this.#principal;
  }

  /** The user, once known. */
  get userId(): string | undefined {
    return this.#principal?.userId;
  }

  /** What waits to be sent. */
  get outbox(): Outbox {
    return this.outbound.outbox;
  }

  /** When something came last, in milliseconds since the epoch. */
  get lastActivity(): number {
    const { clock } = this.host;
    return Math.round(clock.wall() - (clock.now() - this.inbound.lastReceivedAt));
  }

  get silentSince(): number {
    return this.inbound.silentSince;
  }

  get tokenExpiresAt(): number | undefined {
    return this.#principal?.expiresAt;
  }

  get closed(): AbortSignal {
    if (this.#closed === undefined) {
      this.#closed = new AbortController();
      if (this.phase === "closing" || this.phase === "closed") this.#closed.abort();
    }
    return this.#closed.signal;
  }

  state<T>(key: StateKey<T>): T {
    return this.#states.get(key);
  }

  report(report: Report): void {
    const { observer } = this.host;
    if (report.rtt !== undefined) {
      this.rtt = report.rtt;
      observer.rtt(this.transport, report.rtt, this);
    }
    if (report.fallbackFrom !== undefined) {
      const { fallbackFrom: from, fallbackReason: reason } = report;
      observer.logLimited("info", "client fell back", { ...this.logFields(), from, reason });
    }
    // Every report repeats the number, so it cannot be added up.
    if (report.reconnects !== undefined && report.reconnects > 0 && !this.#reconnectCounted) {
      this.#reconnectCounted = true;
      observer.reconnected(this.transport);
    }
    if (report.migrationFailed !== true) return observer.report(this.transport, report, this);
    if (this.earlierMigrationFailed) {
      this.earlierMigrationFailed = false;
      const { migrationFailed: _, ...rest } = report;
      return observer.report(this.transport, rest, this);
    }
    observer.logLimited("warn", "migration failed", this.logFields());
    observer.report(this.transport, report, this);
  }

  send(message: Encoded, lane: number): void {
    if (this.phase === "open") this.outbound.send(message, lane);
  }

  ready(lane?: number): Promise<void> | undefined {
    return this.phase === "open" ? this.outbound.ready(lane) : undefined;
  }

  /** Begins to read. */
  start(): void {
    this.connection.start(this, this.outbox);
  }

  /** The token was accepted. */
  accept(principal: Principal): void {
    if (this.#principal === undefined) this.inbound.userRate = this.host.userRate(principal.userId);
    this.#principal = principal;
    this.tokenNoticeSent = false;
  }

  /** The connection could not be attached to a session: it is nobody's again. */
  forgetUser(): void {
    this.inbound.userRate = undefined;
    this.#principal = undefined;
    this.sessionId = "";
  }

  /** Gives the session other claims of its user. The client is told of channels that it has to leave. */
  amend(principal: Principal): void {
    if (this.phase !== "open") return;
    for (const channel of takeClaims(this, principal)) {
      this.outbound.push("unsubscribed", { channel, reason: "permission_denied" });
    }
  }

  /** Tells the client that its token ends in `ms` milliseconds. */
  tellTokenExpires(ms: number): void {
    this.tokenNoticeSent = true;
    this.outbound.push("server_notice", { kind: "token_expiring", expiresIn: Math.floor(ms / 1000) });
  }

  /** Ends the connection with a close of the table: announced on lane 0, then by the transport. */
  end(close: CloseName, detail?: string): void {
    if (this.phase === "closing" || this.phase === "closed") return;
    const { code, reason } = CLOSES[close];
    const { observer } = this.host;
    if (close !== "normal" && close !== "shutdown") observer.error(this.transport, close);
    observer.logLimited(close === "normal" ? "debug" : "info", "connection ending", {
      ...this.logFields(),
      code,
      reason,
      detail,
    });
    // First the phase: the close message may overflow a full outbox, which asks for the end again.
    this.phase = "closing";
    this.#release();
    this.outbound.push("close", { code, reason: detail ?? reason, reconnect: shouldReconnect(code) });
    this.#end = this.connection.close(code, reason).catch((error) => {
      observer.logLimited("warn", "connection did not end cleanly", { ...this.logFields(), error });
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

  /** Its state in figures, as `/stats` and diagnostic lines show it. */
  snapshot(): ConnectionSnapshot {
    const { bytesIn, bytesOut, messagesIn, messagesOut } = this.connection.traffic;
    return {
      connectedAt: this.connectedAt,
      lastActivity: this.lastActivity,
      bytesIn,
      bytesOut,
      messagesIn,
      messagesOut,
      rtt: this.rtt < 0 ? null : this.rtt,
      outboxBytes: this.outbox.bytes,
      outboxMessages: this.outbox.length,
    };
  }

  describe(): Record<string, unknown> {
    return { ...this.logFields(), ...this.snapshot() };
  }

  // --- told by the transport ---

  frame(data: Uint8Array | string, arrival: Arrival, size: number = data.length): void | Promise<void> {
    return this.inbound.frame(data, arrival, size);
  }

  failed(error: unknown, stage: string): void {
    if (this.phase === "closing" || this.phase === "closed") return;
    if (error instanceof CloseError || error instanceof ProtocolError) {
      return this.inbound.answer(error, undefined, 0);
    }
    this.host.observer.logLimited("warn", "connection failure", { ...this.logFields(), stage, error });
  }

  heldBack(ms: number): void {
    if (this.phase === "closing" || this.phase === "closed") return;
    const { observer } = this.host;
    observer.error(this.transport, "rate_limited");
    observer.logLimited("info", "connection held back", { ...this.logFields(), ms: Math.round(ms) });
  }

  streamLost(lane: number | undefined, how: StreamLoss): void {
    if (this.phase === "closing" || this.phase === "closed") return;
    this.host.observer.logLimited("info", LOSSES[how], { ...this.logFields(), lane });
  }

  migrated(from: string, to: string): void {
    this.migratedAt = this.host.clock.now();
    this.host.observer.migrated(this.transport);
    this.host.observer.logLimited("info", "connection migrated", { ...this.logFields(), from, to });
  }

  ended(info: TransportClose): void {
    if (this.phase === "closed") return;
    this.phase = "closed";
    this.outbound.end();
    this.inbound.end();
    this.#release();
    this.host.ended(info);
  }

  // --- inside ---

  /** What handlers keep for the client is released, and what they have under way is told. */
  #release(): void {
    this.#closed?.abort();
    this.#states.end((error) => {
      this.host.observer.logLimited("error", "release of a state failed", { ...this.logFields(), error });
    });
  }

  #channelStopped(channel: string, dropped: number, reason: StopReason): void {
    this.host.membership.stopChannel(this, channel);
    this.host.observer.dropped(this.transport, "channel", dropped);
    this.host.observer.logLimited("warn", STOPS[reason], { ...this.logFields(), channel, dropped });
    const notice = { kind: "discontinuity", channel, dropped, reason };
    this.outbound.push("server_notice", notice);
  }
}
