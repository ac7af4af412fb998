/**
 * All connections and sessions of this node: admission, claim and resume, the sweep that keeps deadlines,
 * drain.
 *
 * @module
 */

import { delay } from "../async/deadline.ts";
import { type CloseName, CLOSES, type Principal, uuidv7 } from "../protocol/mod.ts";
import type { Context } from "../router/types.ts";
import type { MessageConnection, Traffic, TransportClose, TransportKind } from "../transport/contract.ts";
import { ClientConnection } from "./connection.ts";
import type { Authenticator, Membership, Observer, SessionSettings } from "./contract.ts";
import { takeReport } from "./report.ts";
import type { Host } from "./host.ts";
import { Admission, hostOf, type RateLimit } from "./limits.ts";

/** What the sessions of a node are made of. */
export interface SessionsOptions {
  /** Asked at each new connection, so that a changed configuration holds from then on. */
  settings: () => SessionSettings;
  authenticator: Authenticator;
  membership: Membership;
  observer: Observer;
  /** The name of this node. */
  node: string;
  dispatch: (context: Context) => void | Promise<void>;
}

interface Session {
  readonly sessionId: string;
  readonly userId: string;
  /** The connection it is on, or was on last. */
  connection: ClientConnection;
  /** When it is over, if nobody comes back: milliseconds since the epoch; 0 while it is on a connection. */
  expiresAt: number;
}

/** Every so many sweeps a connection's address is looked at, and buckets are swept. */
const SLICES = 5;

/** The connections and sessions of one node. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #admission: Admission;
  readonly #connections = new Set<ClientConnection>();
  readonly #sessions = new Map<string, Session>();
  readonly #detached = new Set<Session>();
  readonly #leaving = new WeakMap<ClientConnection, () => void>();
  readonly #ended: Record<TransportKind, Traffic> = {
    webtransport: traffic(),
    quic: traffic(),
    websocket: traffic(),
    memory: traffic(),
  };
  #draining = false;
  #sweeps = 0;
  #dispatch: (context: Context) => void | Promise<void>;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#dispatch = options.dispatch;
    this.#admission = new Admission(options.settings);
  }

  /** Connections now, authenticated or not. */
  get connections(): ReadonlySet<ClientConnection> {
    return this.#connections;
  }

  /** Sessions on a connection, and sessions that wait to be resumed. */
  get counts(): { attached: number; detached: number } {
    return { attached: this.#sessions.size - this.#detached.size, detached: this.#detached.size };
  }

  /** Whether a drain has begun: new connections are refused. */
  get draining(): boolean {
    return this.#draining;
  }

  /**
   * Whether somebody at `remoteAddress` (`host:port`) may try to connect now: asked before a handshake, where the
   * transport lets us. Counts against the address's rate of new connections.
   */
  admitHandshake(remoteAddress: string): CloseName | undefined {
    if (this.#draining) return "shutdown";
    return this.#admission.admitHandshake(hostOf(remoteAddress), Date.now());
  }

  /**
   * Counts a connection from `remoteAddress` in, or says why it may not be. Whoever gets `leave` has to call it when the
   * connection is over, or to hand it to `accept`; only the first call counts.
   */
  admit(remoteAddress: string): { readonly refused: CloseName } | { readonly leave: () => void } {
    if (this.#draining) return { refused: "shutdown" };
    const host = hostOf(remoteAddress);
    const refused = this.#admission.enter(host, Date.now());
    if (refused !== undefined) return { refused };
    let counted = true;
    return {
      leave: () => {
        if (counted) this.#admission.leave(host);
        counted = false;
      },
    };
  }

  /** What a connection may spend before it is authenticated. */
  get preAuthLimits(): { maxFrame: number; maxStreams: number } {
    const { preAuth } = this.#options.settings();
    return { maxFrame: preAuth.maxBytes, maxStreams: preAuth.maxStreams };
  }

  /** Takes an admitted connection. `leave` counts it out; without it that is done where it was counted in. */
  accept(connection: MessageConnection, leave?: () => void): ClientConnection {
    const { settings, authenticator, membership, observer, node } = this.#options;
    const host: Host = {
      settings: settings(),
      authenticator,
      membership,
      observer,
      node,
      dispatch: this.#dispatch,
      claim: (client, principal, resume) => this.#claim(client, principal, resume),
      userRate: (userId): RateLimit => this.#admission.user(userId, Date.now()),
      ended: (client, info) => this.#onEnded(client, info),
    };
    const client = new ClientConnection(connection, host);
    this.#connections.add(client);
    if (leave !== undefined) this.#leaving.set(client, leave);
    observer.opened(connection.kind);
    client.start();
    if (this.#draining) client.end("shutdown");
    return client;
  }

  /** Traffic of all connections there were, by transport. */
  traffic(): Record<TransportKind, Traffic> {
    const total = {
      webtransport: { ...this.#ended.webtransport },
      quic: { ...this.#ended.quic },
      websocket: { ...this.#ended.websocket },
      memory: { ...this.#ended.memory },
    };
    for (const { connection } of this.#connections) add(total[connection.kind], connection.traffic);
    return total;
  }

  /** The open connection of a session. */
  find(sessionId: string): ClientConnection | undefined {
    const session = this.#sessions.get(sessionId);
    return session !== undefined && session.expiresAt === 0 ? session.connection : undefined;
  }

  /** Ends the connections of a user, or one session of theirs; returns how many. `reason` is shown to the client. */
  disconnect(userId: string, sessionId?: string, close: CloseName = "forced", reason?: string): number {
    let count = 0;
    for (const client of this.#connections) {
      if (client.userId !== userId || (sessionId !== undefined && client.sessionId !== sessionId)) continue;
      client.end(close, reason);
      count++;
    }
    return count;
  }

  /** Ends the connections whose token was signed with a key that no longer counts; returns how many. */
  revoke(): number {
    const { authenticator } = this.#options;
    let count = 0;
    for (const client of this.#connections) {
      if (client.userId === undefined || authenticator.trusts?.(client.principal) !== false) continue;
      client.end("invalid_token", "the key of the token was withdrawn");
      count++;
    }
    return count;
  }

  /** Ends all connections of a transport: it has been switched off. */
  disconnectTransport(kinds: readonly TransportKind[], close: CloseName = "transport_disabled"): number {
    let count = 0;
    for (const client of this.#connections) {
      if (!kinds.includes(client.transport)) continue;
      client.end(close);
      count++;
    }
    return count;
  }

  /** Keeps the deadlines; called once a second. */
  sweep(now: number): void {
    const slice = this.#sweeps++ % SLICES;
    let index = 0;
    for (const client of this.#connections) {
      if (index++ % SLICES === slice) client.connection.checkPath();
      this.#check(client, now);
    }
    for (const session of this.#detached) {
      if (session.expiresAt <= now) this.#finish(session);
    }
    if (slice === 0) this.#admission.sweep(now);
  }

  /**
   * Refuses new connections, tells all clients, gives them until `deadline` (milliseconds from now) to go, and
   * then ends what is left. Resolves when no connection is left.
   */
  async drain(deadline: number): Promise<void> {
    this.#draining = true;
    for (const client of this.#connections) client.push("server_notice", { kind: "draining", deadline });
    const until = Date.now() + deadline;
    while (Date.now() < until && this.#connections.size > 0) await delay(Math.min(50, deadline));
    await this.close();
  }

  /** Ends every connection with 3001. */
  async close(): Promise<void> {
    this.#draining = true;
    const clients = [...this.#connections];
    for (const client of clients) client.end("shutdown");
    await Promise.all(clients.map((client) => client.ending()));
  }

  #check(client: ClientConnection, now: number): void {
    const { settings, state } = client;
    if (state === "new" || state === "authenticating") {
      if (now - client.connectedAt >= settings.authTimeout) client.end("auth_timeout");
      return;
    }
    if (state !== "open") return;
    if (now - Math.max(client.lastReceivedAt, client.pause.until) >= settings.heartbeat.timeout) {
      return client.end("no_pong");
    }
    const left = client.principal.expiresAt - now;
    if (left <= 0) return client.end("token_expired");
    if (left <= settings.tokenNotice && !client.tokenNoticeSent) {
      client.tokenNoticeSent = true;
      client.push("server_notice", { kind: "token_expiring", expiresIn: Math.floor(left / 1000) });
    }
  }

  #claim(
    client: ClientConnection,
    principal: Principal,
    resume: string | undefined,
  ): ReturnType<Host["claim"]> {
    const known = resume === undefined ? undefined : this.#sessions.get(resume);
    if (known !== undefined && known.userId === principal.userId) {
      const earlier = known.connection;
      known.connection = client;
      known.expiresAt = 0;
      this.#detached.delete(known);
      if (earlier !== client && earlier.state !== "closed") {
        this.#options.observer.resumed(client.transport, "replaced");
        earlier.end("replaced");
      }
      return { sessionId: known.sessionId, resumed: true, undo: () => this.#unclaim(client, known, true) };
    }
    const session: Session = {
      sessionId: uuidv7(),
      userId: principal.userId,
      connection: client,
      expiresAt: 0,
    };
    this.#sessions.set(session.sessionId, session);
    return {
      sessionId: session.sessionId,
      resumed: false,
      undo: () => this.#unclaim(client, session, false),
    };
  }

  #onEnded(client: ClientConnection, info: TransportClose): void {
    if (!this.#connections.delete(client)) return;
    const { observer } = this.#options;
    const now = Date.now();
    const leave = this.#leaving.get(client);
    // A WebSocket whose peer does not answer the close lives on, and counts against its address as long as it does.
    if (client.connection.released === undefined) leave?.();
    else void client.connection.released.then(leave);
    if (client.userId !== undefined) this.#admission.release(client.userId);
    add(this.#ended[client.transport], client.connection.traffic);
    observer.closed(client.transport, info.code, info.by, now - client.connectedAt);
    observer.log("info", "connection closed", {
      ...client.logFields(),
      code: info.code,
      reason: info.reason,
      by: info.by,
      ms: now - client.connectedAt,
    });
    const dead = info.by === "timeout" || (info.by === "local" && info.code === CLOSES.no_pong.code);
    if (dead && client.migratedAt > 0 && now - client.migratedAt <= 3 * client.settings.heartbeat.timeout) {
      // It moved, and was not heard of again: the new path does not carry it.
      takeReport(client, { migrationFailed: true });
    }
    const session = this.#sessions.get(client.sessionId);
    if (session === undefined || session.connection !== client) return;
    // Only a client that says good-bye, or one that is told not to come back, ends its session at once.
    const final = (info.by === "remote" && info.code === CLOSES.normal.code) ||
      info.code >= 3500 && info.by === "local";
    if (final) this.#finish(session);
    else this.#wait(session);
  }

  /** The claim came to nothing: a session that was made for it is over, one that was resumed waits on. */
  #unclaim(client: ClientConnection, session: Session, resumed: boolean): void {
    // One whose connection has ended meanwhile has been seen to.
    if (client.state !== "authenticating") return;
    if (resumed) this.#wait(session);
    else this.#finish(session);
    this.#admission.release(session.userId);
    client.accept();
    client.sessionId = "";
  }

  /** The session waits for its client to come back. */
  #wait(session: Session): void {
    const { connection } = session;
    this.#options.membership.detach(connection);
    session.expiresAt = Date.now() + connection.settings.resumeWindow;
    this.#detached.add(session);
    // Those that wait may not outnumber the connections there could be: the one that has waited longest goes.
    if (this.#detached.size <= connection.settings.maxConnections) return;
    for (const oldest of this.#detached) return this.#finish(oldest);
  }

  #finish(session: Session): void {
    this.#detached.delete(session);
    this.#sessions.delete(session.sessionId);
    this.#options.membership.leave(session.connection);
  }
}

function traffic(): Traffic {
  return { bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };
}

function add(total: Traffic, more: Traffic): void {
  total.bytesIn += more.bytesIn;
  total.bytesOut += more.bytesOut;
  total.messagesIn += more.messagesIn;
  total.messagesOut += more.messagesOut;
}
