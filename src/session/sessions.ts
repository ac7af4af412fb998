/**
 * All connections and sessions of this node: admission, deadlines, drain.
 *
 * @module
 */

import { type Clock, coarseClock } from "../async/clock.ts";
import { settles } from "../async/deadline.ts";
import type { Maybe } from "../async/when.ts";
import { CloseError, type CloseName, CLOSES, type Principal, ProtocolError } from "../protocol/mod.ts";
import type { Context } from "../router/types.ts";
import type { MessageConnection, TransportClose, TransportKind } from "../transport/contract.ts";
import { Admission, hostOf } from "./admission.ts";
import type { SessionClaims } from "./claims.ts";
import { Deflater } from "./deflate.ts";
import { ClientConnection } from "./connection.ts";
import type { Authenticator, Membership, Observer, SessionSettings } from "./contract.ts";
import { dueOf } from "./deadlines.ts";
import type { Claim, Host } from "./host.ts";
import { LoopPauses } from "./loop_pauses.ts";
import { SessionTable } from "./session_table.ts";
import { addTraffic, noTraffic, type TrafficByTransport } from "./traffic.ts";

/** What the sessions of a node are made of. */
interface SessionsOptions {
  /** Asked for each new connection, so that a changed configuration holds from then on. */
  readonly settings: () => SessionSettings;
  readonly authenticator: Authenticator;
  readonly membership: Membership;
  /** Which node has which session. */
  readonly claims: SessionClaims;
  readonly observer: Observer;
  /** The name of this node. */
  readonly node: string;
  readonly dispatch: (context: Context) => void | Promise<void>;
  /** @default the runtime's */
  readonly clock?: Clock;
}

/** A connection that may be made; to be released when it is over, or handed to `Sessions.accept`. */
export interface Admitted {
  /** Counts the connection out. A second call does nothing. */
  release(): void;
}

/** A pause of the event loop that is worth a log line, in milliseconds. */
const LONG_PAUSE = 1000;
/** In how many parts connections are asked for a changed address, a part for each sweep. */
const SLICES = 5;

/** The connections and sessions of one node. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #clock: Clock;
  readonly #admission: Admission;
  readonly #deflater: Deflater;
  readonly #connections = new Set<ClientConnection>();
  /** Connections that are not authenticated yet, the oldest first. */
  readonly #strangers = new Set<ClientConnection>();
  readonly #sessions: SessionTable<ClientConnection>;
  readonly #pauses = new LoopPauses();
  /** Traffic of connections that have ended. */
  readonly #ended: TrafficByTransport = noTraffic();
  #empty: PromiseWithResolvers<void> | undefined;
  #draining = false;
  #sweeps = 0;

  constructor(options: SessionsOptions) {
    const { membership, claims, observer } = options;
    this.#options = options;
    const clock = this.#clock = options.clock ?? coarseClock();
    this.#deflater = new Deflater(clock);
    this.#admission = new Admission(options.settings);
    this.#sessions = new SessionTable(() => clock.now(), claims, {
      replaced: (earlier) => earlier.end("replaced"),
      detached: (connection) => membership.detach(connection),
      ended: (connection) => membership.leave(connection),
      moved: (connection, node) => {
        observer.log("info", "session moved to another node", { ...connection.logFields(), node });
        membership.handOver(connection, node);
      },
      failed: (error) => observer.log("error", "claim of a session failed", { error }),
    });
  }

  /** Connections now, authenticated or not. */
  get connections(): ReadonlySet<ClientConnection> {
    return this.#connections;
  }

  /** Sessions on a connection, and sessions that wait to be resumed. */
  get counts(): { attached: number; detached: number } {
    return this.#sessions.counts;
  }

  /** Whether a drain has begun: new connections are refused. */
  get draining(): boolean {
    return this.#draining;
  }

  /** What a connection may spend before it is authenticated. */
  get preAuthLimits(): { maxFrame: number; maxStreams: number } {
    const { preAuth } = this.#options.settings();
    return { maxFrame: preAuth.maxBytes, maxStreams: preAuth.maxStreams };
  }

  /**
   * Whether somebody at `remoteAddress` (`host:port`) may try to connect now. Asked before a handshake, where the
   * transport lets us; counts against the address's rate of new connections. `isForgeable`: nothing has proved yet that
   * the address is the peer's.
   */
  admitHandshake(remoteAddress: string, isForgeable = false): CloseName | undefined {
    if (this.#draining) return "shutdown";
    return this.#admission.admitHandshake(hostOf(remoteAddress), this.#clock.now(), isForgeable);
  }

  /**
   * Counts a connection from `remoteAddress`, or says why it may not be made. When too many are not authenticated, the
   * oldest of those gives way.
   */
  admit(remoteAddress: string): { readonly refused: CloseName } | Admitted {
    if (this.#draining) return { refused: "shutdown" };
    const { maxConnections, preAuth } = this.#options.settings();
    const all = this.#admission.connections;
    const strangers = all - (this.#connections.size - this.#strangers.size);
    if (strangers >= preAuth.maxConnections || all >= maxConnections) {
      if (!this.#endOldestStranger()) return { refused: "connection_limit" };
    }
    const host = hostOf(remoteAddress);
    const refused = this.#admission.acquire(host, this.#clock.now());
    if (refused !== undefined) return { refused };
    let counted = true;
    return {
      release: () => {
        if (counted) this.#admission.release(host);
        counted = false;
      },
    };
  }

  /** Takes an admitted connection. `admitted` is released at its end; without it that is done where it was admitted. */
  accept(connection: MessageConnection, admitted?: Admitted): ClientConnection {
    const { settings, authenticator, membership, observer, node, dispatch } = this.#options;
    const clock = this.#clock;
    const host: Host = {
      settings: settings(),
      authenticator,
      membership,
      observer,
      clock,
      deflater: this.#deflater,
      node,
      dispatch,
      claim: (principal, resume) => this.#claim(client, principal, resume),
      refreshed: (principal) => this.#sessions.refreshed(client.sessionId, principal, client),
      userRate: (userId) => this.#admission.acquireUser(userId, clock.now()),
      badHandshake: () => this.#admission.badHandshake(hostOf(connection.remoteAddress), clock.now()),
      ended: (info) => this.#onEnded(client, info, admitted),
    };
    const client = new ClientConnection(connection, host);
    this.#connections.add(client);
    this.#strangers.add(client);
    observer.opened(connection.kind);
    observer.logLimited("info", "connection opened", client.logFields());
    client.start();
    if (this.#draining) client.end("shutdown");
    return client;
  }

  /** Traffic of all connections there have been. */
  traffic(): TrafficByTransport {
    const total = noTraffic();
    for (const kind of Object.keys(total) as TransportKind[]) addTraffic(total[kind], this.#ended[kind]);
    for (const { connection } of this.#connections) addTraffic(total[connection.kind], connection.traffic);
    return total;
  }

  /** The connection that a session is on. */
  find(sessionId: string): ClientConnection | undefined {
    return this.#sessions.find(sessionId);
  }

  /** Ends the connections of a user, or one session of theirs; returns how many. `reason` is shown to the client. */
  disconnect(userId: string, sessionId?: string, close: CloseName = "forced", reason?: string): number {
    return this.#endAll(
      (client) => client.userId === userId && (sessionId === undefined || client.sessionId === sessionId),
      close,
      reason,
    );
  }

  /** Claims the sessions anew whose claims have lapsed, because this node was not heard of for long. */
  reclaim(): void {
    this.#sessions.reclaim();
  }

  /** Ends the connections whose token was signed with a key that no longer counts; returns how many. */
  revoke(): number {
    const { authenticator } = this.#options;
    return this.endTokens(
      (principal) => authenticator.trusts?.(principal) === false,
      "the key of the token was withdrawn",
    );
  }

  /** Ends the connections that came with such tokens; returns how many. `reason` is shown to the clients. */
  endTokens(which: (principal: Principal) => boolean, reason: string): number {
    return this.#endAll(
      (client) => client.userId !== undefined && which(client.principal),
      "invalid_token",
      reason,
    );
  }

  /** Ends all connections of a transport that has been switched off; returns how many. */
  disconnectTransport(kinds: readonly TransportKind[], close: CloseName = "transport_disabled"): number {
    return this.#endAll(({ transport }) => kinds.includes(transport), close);
  }

  /** Keeps the deadlines. To be called once a second. */
  sweep(): void {
    const now = this.#clock.now(), wall = this.#clock.wall();
    const paused = this.#pauses.tick(now);
    const pausedSince = (since: number) => this.#pauses.after(since);
    const time = { now, wall, pausedSince };
    const slice = this.#sweeps++ % SLICES;
    let index = 0;
    for (const client of this.#connections) {
      if (index++ % SLICES === slice) client.connection.checkPath();
      const due = dueOf(client, client.settings, time);
      if (due === undefined) continue;
      if ("end" in due) client.end(due.end);
      else client.tellTokenExpires(due.tokenExpiresIn);
    }
    this.#sessions.sweep(pausedSince);
    if (slice === 0) this.#admission.sweep(now);
    if (paused >= LONG_PAUSE) {
      this.#options.observer.log("warn", "event loop paused", { ms: Math.round(paused) });
    }
  }

  /**
   * Refuses new connections, tells all clients, gives them until `deadline` (milliseconds from now) to go, and then ends
   * what is left. Who is not authenticated is ended at once: there is no session that could move elsewhere in order.
   * Resolves when no connection is left.
   */
  async drain(deadline: number): Promise<void> {
    this.#draining = true;
    const notice = { kind: "draining", deadline: Math.ceil(deadline) } as const;
    for (const client of this.#connections) {
      if (this.#strangers.has(client)) client.end("shutdown");
      else client.outbound.push("server_notice", notice);
    }
    if (this.#connections.size > 0) {
      this.#empty = Promise.withResolvers<void>();
      await settles(this.#empty.promise, deadline, { timers: this.#clock });
    }
    await this.close();
  }

  /** Ends every connection with 3001. Resolves when they have ended, and the claims of sessions that were over. */
  async close(): Promise<void> {
    this.#draining = true;
    const clients = [...this.#connections];
    for (const client of clients) client.end("shutdown");
    await Promise.all(clients.map((client) => client.ending()));
    await this.#sessions.over();
  }

  #endAll(which: (client: ClientConnection) => boolean, close: CloseName, reason?: string): number {
    let count = 0;
    for (const client of this.#connections) {
      // One that is ending already was counted by whoever ended it.
      if (client.phase === "closing" || !which(client)) continue;
      client.end(close, reason);
      count++;
    }
    return count;
  }

  #endOldestStranger(): boolean {
    for (const oldest of this.#strangers) {
      this.#strangers.delete(oldest);
      if (oldest.phase === "closing" || oldest.phase === "closed") continue;
      oldest.end("rate_limited", "others wait to authenticate: come back later");
      return true;
    }
    return false;
  }

  #claim(client: ClientConnection, ...args: Parameters<Host["claim"]>): Maybe<Claim> {
    const forget = () => {
      // The end of a connection gives back what it holds.
      if (client.phase !== "authenticating") return;
      this.#admission.releaseUser(args[0].userId);
      client.forgetUser();
      this.#strangers.add(client);
    };
    const claimed = (claim: Claim): Claim => {
      this.#strangers.delete(client);
      const undo = () => {
        claim.undo();
        forget();
      };
      return { ...claim, undo };
    };
    const failed = (error: unknown): never => {
      forget();
      if (error instanceof CloseError || error instanceof ProtocolError) throw error;
      throw new ProtocolError("not_available", undefined, { cause: error });
    };
    try {
      const claim = this.#sessions.claim(client, ...args);
      return claim instanceof Promise ? claim.then(claimed, failed) : claimed(claim);
    } catch (error) {
      return failed(error);
    }
  }

  #onEnded(client: ClientConnection, info: TransportClose, admitted: Admitted | undefined): void {
    if (!this.#connections.delete(client)) return;
    this.#strangers.delete(client);
    const { observer } = this.#options;
    const now = this.#clock.now();
    const { connection, transport, userId, migratedAt, settings } = client;
    // A WebSocket whose peer does not answer the close lives on, and counts against its address as long as it does.
    if (connection.released === undefined) admitted?.release();
    else void connection.released.then(() => admitted?.release());
    if (userId !== undefined) this.#admission.releaseUser(userId);
    addTraffic(this.#ended[transport], connection.traffic);
    const ms = Math.round(now - client.openedAt);
    observer.closed(transport, info.code, info.by, ms);
    const { code, reason, by } = info;
    observer.logLimited("info", "connection closed", { ...client.logFields(), code, reason, by, ms });
    const silent = by === "timeout" || (by === "local" && code === CLOSES.no_pong.code);
    if (silent && migratedAt !== undefined && now - migratedAt <= 3 * settings.heartbeat.timeout) {
      // It moved and was not heard of again: the new path does not carry it.
      client.report({ migrationFailed: true });
      client.migrationFailed = true;
    }
    // A session ends at once with a client that says good-bye, or that is told not to come back.
    const final = (by === "remote" && code === CLOSES.normal.code) || (by === "local" && code >= 3500);
    this.#sessions.disconnected(client, client.sessionId, final);
    if (this.#connections.size === 0) this.#empty?.resolve();
  }
}
