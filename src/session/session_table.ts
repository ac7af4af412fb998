/**
 * The sessions of this node: each is on a connection, or waits for its client to come back. That a session is this
 * node's the claims say, which all nodes share: another node takes a session over by claiming it.
 *
 * @module
 */

import { Underway } from "../async/underway.ts";
import { type Maybe, when } from "../async/when.ts";
import { CloseError, type Principal, uuidv7 } from "../protocol/mod.ts";
import type { SessionClaims } from "./claims.ts";
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
  /** The session goes on at `node`; here it is over. */
  moved(connection: C, node: string): void;
  /** The engine could not be asked, and nobody waits for the answer. */
  failed(error: unknown): void;
}

interface Session<C> {
  readonly sessionId: string;
  readonly userId: string;
  /** The bot of its claim. */
  bot: string | undefined;
  /** The revision of its claim. */
  revision: number;
  /** The connection it is on, or was on last. */
  connection: C;
  /** Since when it waits, on the clock's `now`; undefined while it is on a connection. */
  detachedAt: number | undefined;
}

/** Claims that the engine has not answered yet. */
interface Claiming {
  waiting: number;
  /** The newest claim of another node that was told of meanwhile. */
  lost: number;
}

/** Sessions by id. */
export class SessionTable<C extends SessionConnection> {
  readonly #events: SessionTableEvents<C>;
  readonly #now: () => number;
  readonly #claims: SessionClaims;
  readonly #sessions = new Map<string, Session<C>>();
  /** Those that wait, in the order in which they began to. */
  readonly #detached = new Set<Session<C>>();
  readonly #claiming = new Map<string, Claiming>();
  readonly #asked = new Underway();

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(now: () => number, claims: SessionClaims, events: SessionTableEvents<C>) {
    this.#now = now;
    this.#claims = claims;
    this.#events = events;
    claims.onLost((session, revision, node) => this.#lost(session, revision, node));
  }

  /** Sessions on a connection, and sessions that wait. */
  get counts(): { attached: number; detached: number } {
    return { attached: this.#sessions.size - this.#detached.size, detached: this.#detached.size };
  }

  /** Resolves when the engine has answered what nobody waits for. */
  over(): Promise<void> {
    return this.#asked.over();
  }

  /** The connection that a session is on. */
  find(sessionId: string): C | undefined {
    const session = this.#sessions.get(sessionId);
    return session?.detachedAt === undefined ? session?.connection : undefined;
  }

  /**
   * Gives `connection` the session `resume` if it is the user's, on whichever node it is, else a new one. Throws or
   * rejects when the engine cannot be asked, and with CloseError when another connection was faster.
   */
  claim(connection: C, principal: Principal, resume: string | undefined): Maybe<Claim> {
    if (resume === undefined) return this.#begin(connection, principal, "new");
    const claimed = this.#resume(resume, principal, connection.settings.resumeWindow);
    if (!(claimed instanceof Promise)) return this.#claimed(connection, principal, resume, claimed);
    let claiming = this.#claiming.get(resume);
    if (claiming === undefined) this.#claiming.set(resume, claiming = { waiting: 0, lost: 0 });
    claiming.waiting++;
    return claimed.then((revision) => this.#claimed(connection, principal, resume, revision)).finally(() => {
      if (--claiming.waiting === 0) this.#claiming.delete(resume);
    });
  }

  /** The token of a session's connection was refreshed: others look for the bot that it says now. */
  refreshed(sessionId: string, { bot }: Principal, connection: C): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || session.connection !== connection || session.bot === bot) return;
    session.bot = bot;
    // When it was claimed again meanwhile, that claim was made with the newer token.
    this.#reclaim(session, session.revision);
  }

  /** Claims all sessions anew that nobody has: other nodes took this one for dead, and its claims have lapsed. */
  reclaim(): void {
    for (const session of this.#sessions.values()) this.#reclaim(session, 0);
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

  /** Claims a session that is to be resumed: the revision, undefined when no node knows it as the user's. */
  #resume(session: string, { userId: user, bot }: Principal, window: number): Maybe<number | undefined> {
    return when(this.#claims.claim({ session, user, bot }, { window }), (claimed) => {
      if (claimed !== undefined) return claimed.revision;
      if (this.#sessions.get(session)?.userId !== user) return undefined;
      // It is here and its claim has lapsed, because the engine or this process was not heard of for long.
      return when(
        this.#claims.claim({ session, user, bot }, { window, revision: 0 }),
        (again) => again?.revision,
      );
    });
  }

  #claimed(
    connection: C,
    principal: Principal,
    sessionId: string,
    revision: number | undefined,
  ): Maybe<Claim> {
    if (revision === undefined) return this.#begin(connection, principal, "expired");
    const known = this.#sessions.get(sessionId);
    // A later claim of the session was answered first.
    if (Math.max(known?.revision ?? 0, this.#claiming.get(sessionId)?.lost ?? 0) > revision) {
      throw new CloseError("replaced");
    }
    if (known === undefined) return this.#add(connection, principal, sessionId, revision, "moved");
    const earlier = known.connection;
    const replaces = earlier !== connection && earlier.phase !== "closed";
    if (earlier !== connection) connection.earlierMigrationFailed = earlier.migrationFailed;
    known.connection = connection;
    known.detachedAt = undefined;
    known.revision = revision;
    known.bot = principal.bot;
    this.#detached.delete(known);
    if (replaces) this.#events.replaced(earlier);
    return {
      sessionId,
      outcome: replaces ? "replaced" : "resumed",
      undo: () => this.#undo(known, connection, false),
    };
  }

  #begin(connection: C, principal: Principal, outcome: "new" | "expired"): Maybe<Claim> {
    const session = uuidv7();
    const { userId: user, bot } = principal;
    const { resumeWindow: window } = connection.settings;
    return when(this.#claims.claim({ session, user, bot }, { window, revision: 0 }), (claimed) => {
      if (claimed === undefined) throw new Error("a new session id is in use");
      return this.#add(connection, principal, session, claimed.revision, outcome);
    });
  }

  #add(
    connection: C,
    { userId, bot }: Principal,
    sessionId: string,
    revision: number,
    outcome: "new" | "expired" | "moved",
  ): Claim {
    const session: Session<C> = { sessionId, userId, bot, revision, connection, detachedAt: undefined };
    this.#sessions.set(sessionId, session);
    return { sessionId, outcome, undo: () => this.#undo(session, connection, outcome !== "moved") };
  }

  /** A claim has come to nothing: a session that was made for it ends, one that was resumed waits on. */
  #undo(session: Session<C>, connection: C, isNew: boolean): void {
    // The connection may have ended meanwhile, and been seen to.
    const isCurrent = this.#sessions.get(session.sessionId) === session && session.connection === connection;
    if (!isCurrent || session.detachedAt !== undefined) return;
    if (isNew) this.#end(session);
    else this.#detach(session);
  }

  #reclaim(session: Session<C>, revision: number): void {
    const { sessionId, userId: user, bot, connection: { settings: { resumeWindow: window } } } = session;
    this.#ask(() =>
      when(this.#claims.claim({ session: sessionId, user, bot }, { window, revision }), (claimed) => {
        if (claimed !== undefined) session.revision = Math.max(session.revision, claimed.revision);
      })
    );
  }

  /** Another node has claimed a session. */
  #lost(sessionId: string, revision: number, node: string): void {
    const claiming = this.#claiming.get(sessionId);
    if (claiming !== undefined) claiming.lost = Math.max(claiming.lost, revision);
    const session = this.#sessions.get(sessionId);
    // It may have come back since, which made a newer claim.
    if (session === undefined || session.revision >= revision) return;
    this.#sessions.delete(sessionId);
    this.#detached.delete(session);
    if (session.detachedAt === undefined) this.#events.replaced(session.connection);
    this.#events.moved(session.connection, node);
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
    const { sessionId, revision, connection } = session;
    this.#detached.delete(session);
    if (!this.#sessions.delete(sessionId)) return;
    const over = (owner: { readonly node: string } | undefined) => {
      if (owner === undefined) this.#events.ended(connection);
      else this.#events.moved(connection, owner.node);
    };
    this.#ask(() =>
      when(this.#claims.release(sessionId, revision), (own) => {
        if (own) return over(undefined);
        // Another node has it and this one was not told yet, or the claim had lapsed.
        return when(this.#claims.locate(sessionId), over);
      }), () => over(undefined));
  }

  /** Asks the engine something that nobody waits for. */
  #ask(act: () => Maybe<void>, otherwise: () => void = () => {}): void {
    const failed = (error: unknown) => {
      this.#events.failed(error);
      otherwise();
    };
    try {
      const done = act();
      if (done instanceof Promise) void this.#asked.add(done.catch(failed));
    } catch (error) {
      failed(error);
    }
  }
}
