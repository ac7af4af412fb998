/**
 * The sessions of this node: each is on a connection, or waits for its client to come back.
 *
 * @module
 */

import { type Principal, uuidv7 } from "../protocol/mod.ts";
import type { Claim } from "./host.ts";

/** The connection of a session, as the table sees it. */
export interface SessionConnection {
  readonly phase: string;
  readonly settings: { readonly resumeWindow: number; readonly maxConnections: number };
  /** It was counted as a failed migration. */
  readonly migrationFailed: boolean;
  /** The same of the connection that the session was on before. */
  earlierMigrationFailed: boolean;
}

/** What happens to sessions beside the table. */
export interface SessionTableEvents<C> {
  /** Another connection has taken the session from this one. */
  replaced(earlier: C): void;
  /** The session waits for its client. */
  detached(connection: C): void;
  /** The session is over. */
  ended(connection: C): void;
}

interface Session<C> {
  readonly sessionId: string;
  readonly userId: string;
  /** The connection it is on, or was on last. */
  connection: C;
  /** Since when it waits, on the clock's `now`; undefined while it is on a connection. */
  detachedAt: number | undefined;
}

/** Sessions by id. */
export class SessionTable<C extends SessionConnection> {
  readonly #events: SessionTableEvents<C>;
  readonly #now: () => number;
  readonly #sessions = new Map<string, Session<C>>();
  /** Those that wait, in the order in which they began to. */
  readonly #detached = new Set<Session<C>>();

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(now: () => number, events: SessionTableEvents<C>) {
    this.#now = now;
    this.#events = events;
  }

  /** Sessions on a connection, and sessions that wait. */
  get counts(): { attached: number; detached: number } {
    return { attached: this.#sessions.size - this.#detached.size, detached: this.#detached.size };
  }

  /** The connection that a session is on. */
  find(sessionId: string): C | undefined {
    const session = this.#sessions.get(sessionId);
    return session?.detachedAt === undefined ? session?.connection : undefined;
  }

  /** Gives `connection` the session `resume` if it is the user's, else a new one. */
  claim(connection: C, { userId }: Principal, resume: string | undefined): Claim {
    const known = resume === undefined ? undefined : this.#sessions.get(resume);
    if (known === undefined || known.userId !== userId) {
      const session: Session<C> = { sessionId: uuidv7(), userId, connection, detachedAt: undefined };
      this.#sessions.set(session.sessionId, session);
      const outcome = resume === undefined ? "new" : "expired";
      return { sessionId: session.sessionId, outcome, undo: () => this.#undo(session, connection, true) };
    }
    const earlier = known.connection;
    const replaces = earlier !== connection && earlier.phase !== "closed";
    if (earlier !== connection) connection.earlierMigrationFailed = earlier.migrationFailed;
    known.connection = connection;
    known.detachedAt = undefined;
    this.#detached.delete(known);
    if (replaces) this.#events.replaced(earlier);
    return {
      sessionId: known.sessionId,
      outcome: replaces ? "replaced" : "resumed",
      undo: () => this.#undo(known, connection, false),
    };
  }

  /** The connection of `sessionId` has ended. `final`: the session ends with it, and does not wait for its client. */
  disconnected(connection: C, sessionId: string, final: boolean): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || session.connection !== connection) return;
    if (final) this.#end(session);
    else this.#detach(session);
  }

  /** Ends sessions that have waited for their resume window. `pausedSince`: milliseconds since then that do not count. */
  sweep(pausedSince: (since: number) => number): void {
    const now = this.#now();
    for (const session of this.#detached) {
      const since = session.detachedAt ?? now;
      const waited = now - since;
      const { resumeWindow } = session.connection.settings;
      if (waited >= resumeWindow && waited - pausedSince(since) >= resumeWindow) this.#end(session);
    }
  }

  /** A claim has come to nothing: a session that was made for it ends, one that was resumed waits on. */
  #undo(session: Session<C>, connection: C, isNew: boolean): void {
    // The connection may have ended meanwhile, and been seen to.
    const isCurrent = this.#sessions.get(session.sessionId) === session && session.connection === connection;
    if (!isCurrent || session.detachedAt !== undefined) return;
    if (isNew) this.#end(session);
    else this.#detach(session);
  }

  #detach(session: Session<C>): void {
    const { connection } = session;
    this.#events.detached(connection);
    session.detachedAt = this.#now();
    this.#detached.add(session);
    // No more may wait than there may be connections: the one that has waited longest ends.
    if (this.#detached.size <= connection.settings.maxConnections) return;
    for (const oldest of this.#detached) return this.#end(oldest);
  }

  #end(session: Session<C>): void {
    this.#detached.delete(session);
    if (!this.#sessions.delete(session.sessionId)) return;
    this.#events.ended(session.connection);
  }
}
