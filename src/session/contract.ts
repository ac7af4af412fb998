/**
 * What a session needs from others. It declares the interfaces; the assembly hands the parts in.
 *
 * @module
 */

import type { Maybe } from "../async/when.ts";
import type { CloseName, ErrorName, Principal } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { TransportKind } from "../transport/contract.ts";

/** Checks tokens, the same for all transports. */
export interface Authenticator {
  /**
   * Throws ProtocolError: `invalid_token`, `token_expired`, or `not_available` when the keys cannot be had
   * now. The error's text never holds the token.
   */
  verify(token: string): Promise<Principal>;
  /** Whether the key that signed this principal's token still counts. @default always */
  trusts?(principal: Principal): boolean;
}

/** Where a client says it stands on a channel. */
export interface ResumePoint {
  readonly epoch: string;
  readonly offset: number;
  /** The lane deliveries are to go on. @default 0 */
  readonly lane?: number;
}

/** Where a channel stands after subscribing or resuming. */
export interface ChannelState {
  readonly epoch: string;
  readonly offset: number;
  /** Everything after the client's offset follows; false: the gap is longer than the history, nothing of it follows. */
  readonly recovered: boolean;
}

/** What `Membership.attach` did; nothing is delivered before `start`. */
export interface Attached {
  readonly channels: Readonly<Record<string, ChannelState>>;
  /** Channels that could not be resumed, and why. */
  readonly refused: Readonly<Record<string, ErrorName>>;
  /** Sends what was missed and lets live deliveries follow. */
  start(): void;
}

/** The sessions of the hub: a session is there once, whichever connection it is on. */
export interface Membership {
  /**
   * Asks those who have a say about a connection before it has a session, or about the token that an open one brings;
   * gives the claims that hold for it. Throws or rejects with ProtocolError when one of them refuses. @default nobody has
   */
  admit?(
    principal: Principal,
    attempt: {
      readonly connection: Pick<Client, "connectionId" | "transport" | "connectedAt">;
      /** The session that it wants to go on with. */
      readonly resume: string | undefined;
      readonly refresh: boolean;
    },
  ): Maybe<Principal>;
  /**
   * The session begins, or another connection takes it over: whatever went to an earlier connection of the
   * same `sessionId` stops. Puts it on the user's inbox, the broadcast channel, and `resume`. `moved`: it was on another
   * node. @default moved: false
   */
  attach(
    client: Client,
    resume: Readonly<Record<string, ResumePoint>> | undefined,
    moved?: boolean,
  ): Promise<Attached>;
  /** The connection is gone but the session may come back: deliveries stop, presence stays. */
  detach(client: Client): void;
  /** The session is over: presence ends. */
  leave(client: Client): void;
  /** The session goes on at another node: here it is over, and presence goes on there. */
  handOver(client: Client, node: string): void;
  /** The client does not keep up with `channel`: it gets nothing of it until it subscribes again. */
  stopChannel(client: Client, channel: string): void;
  /** The token was refreshed: channels it no longer allows are left; returns their names. */
  refresh(client: Client, principal: Principal): readonly string[];
}

/** Settings of sessions, read anew for each new connection. All times in milliseconds. */
export interface SessionSettings {
  /** Time from the connection to an accepted token. @default 10000 */
  readonly authTimeout: number;
  /** How long a session outlives its connection. @default 120000 */
  readonly resumeWindow: number;
  /** How long before a token's end the client is told. @default 30000 */
  readonly tokenNotice: number;
  readonly heartbeat: {
    /** What clients are told: send something, a `ping` if nothing else, at least this often. @default 7000 */
    readonly interval: number;
    /** Without anything received for this long the connection is dead. @default 10000 */
    readonly timeout: number;
  };
  /** Before authentication. */
  readonly preAuth: {
    /** @default 8192 */
    readonly maxBytes: number;
    /** @default 1 */
    readonly maxStreams: number;
    /** Connections that are not authenticated: when one more comes, the oldest of them ends. @default 2500 */
    readonly maxConnections: number;
  };
  /** Bytes of a frame. @default 65536 */
  readonly maxMessage: number;
  /** Concurrent streams of a connection. @default 100 */
  readonly maxStreams: number;
  /**
   * Messages of this many bytes and more are compressed for clients that ask for it. null: for none. @default 4096
   */
  readonly deflateFrom: number | null;
  /** Bytes waiting for one connection. @default 1048576 */
  readonly maxOutbox: number;
  /** Channels of one session. @default 128 */
  readonly maxChannels: number;
  /** Connections of this node. @default 10000 */
  readonly maxConnections: number;
  readonly perIp: {
    /** Concurrent connections of one address. @default 1000 */
    readonly connections: number;
    /** New connections a second of one address, and how many at once. @default 100, 200 */
    readonly rate: number;
    readonly burst: number;
  };
  readonly rates: {
    /** Per connection. */
    readonly connection: RateSettings;
    /** Per user, over all connections on this node. */
    readonly user: RateSettings;
  };
  /** The observer writes diagnostic log lines when these are passed. */
  readonly thresholds: {
    /** Milliseconds of round trip as the client reports it. @default 500 */
    readonly rtt: number;
    /** Share of datagrams lost, as the client reports it, 0 to 1. @default 0.05 */
    readonly loss: number;
    /** Share of `maxOutbox` in use, 0 to 1. @default 0.5 */
    readonly outbox: number;
  };
}

/** A token bucket for messages and one for bytes; 0 switches a bucket off. */
export interface RateSettings {
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  readonly bytesPerSecond: number;
  readonly byteBurst: number;
}

/** What a client tells about its own experience (`client_report`, and `ping` for the round trip). */
export interface ClientReport {
  /** It came here because another transport failed. */
  readonly fallbackFrom?: string;
  /** Why that one failed, in the client's words. */
  readonly fallbackReason?: string;
  /** Milliseconds from the first dial to the first authenticated answer. */
  readonly connectTime?: number;
  readonly reconnects?: number;
  /** Share of datagrams lost, 0 to 1. */
  readonly loss?: number;
  /** Milliseconds. */
  readonly rtt?: number;
  readonly migrationFailed?: boolean;
}

/** Log levels. */
export type Level = "debug" | "info" | "warn" | "error";

/** What is counted of one connection. */
export interface ConnectionSnapshot {
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
  readonly lastActivity: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Milliseconds as the client measured it; null before its first report. */
  readonly rtt: number | null;
  readonly outboxBytes: number;
  readonly outboxMessages: number;
}

/** A connection that a diagnostic line is about. */
export interface Described {
  /** What identifies it, and its state now: for a log line. */
  describe(): Record<string, unknown>;
}

/**
 * What happens, for logs and metrics. Traffic is not here: it is counted by the connections and read when asked
 * for, so that a message costs no call.
 */
export interface Observer {
  /** `fields` never hold a token or a payload. */
  log(level: Level, event: string, fields: Record<string, unknown>): void;
  /** As `log`, for what clients can bring about at will: of many lines some are written, and the others are counted. */
  logLimited(level: Level, event: string, fields: Record<string, unknown>): void;
  opened(kind: TransportKind): void;
  closed(kind: TransportKind, code: number, by: string, aliveMs: number): void;
  /** Result of a token check. */
  authenticated(kind: TransportKind, result: "ok" | "refreshed" | "refused" | ErrorName | CloseName): void;
  /** An `error` was sent, or a failure was met that has a code of the tables. */
  error(kind: TransportKind, code: ErrorName | CloseName): void;
  dropped(kind: TransportKind, grade: "coalesced" | "ephemeral" | "channel" | "refused", count: number): void;
  migrated(kind: TransportKind): void;
  resumed(kind: TransportKind, outcome: "resumed" | "expired" | "replaced" | "moved"): void;
  /** Milliseconds from a frame's arrival to its answer being queued; sampled. */
  handled(kind: TransportKind, ms: number): void;
  /** Milliseconds of round trip, as the client measured it. `of` is for diagnostic lines. */
  rtt(kind: TransportKind, ms: number, of?: Described): void;
  report(kind: TransportKind, report: ClientReport, of?: Described): void;
  /** A client says for the first time on a connection that it had others before. */
  reconnected(kind: TransportKind): void;
}
