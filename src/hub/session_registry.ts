/**
 * The sessions of this node, by session and by user.
 *
 * @module
 */

import type { HubSession } from "./session.ts";

/** All sessions of this node. */
export class SessionRegistry {
  readonly #slices: readonly Set<HubSession>[];
  readonly #sessions = new Map<string, HubSession>();
  readonly #users = new Map<string, Set<HubSession>>();
  #added = 0;

  /** `slices`: into how many parts the sessions are divided, to be visited a part at a time. */
  constructor(slices: number) {
    this.#slices = Array.from({ length: slices }, () => new Set<HubSession>());
  }

  /** How many sessions there are, those waiting for their client to come back among them. */
  get size(): number {
    return this.#sessions.size;
  }

  /** How many users have a session. */
  get userCount(): number {
    return this.#users.size;
  }

  /** The users with a connection. */
  *connected(): Generator<{ readonly userId: string; readonly sessions: number }> {
    for (const [userId, own] of this.#users) {
      let sessions = 0;
      for (const { attached } of own) if (attached) sessions++;
      if (sessions > 0) yield { userId, sessions };
    }
  }

  /** The session of that id. */
  get(sessionId: string): HubSession | undefined {
    return this.#sessions.get(sessionId);
  }

  /** The sessions of a user. */
  of(userId: string): ReadonlySet<HubSession> | undefined {
    return this.#users.get(userId);
  }

  /** One part of the sessions; `at` may count on for ever. */
  slice(at: number): ReadonlySet<HubSession> {
    return this.#slices[at % this.#slices.length]!;
  }

  /** Adds a session; returns how many its user has now. */
  add(session: HubSession): number {
    this.#sessions.set(session.sessionId, session);
    let own = this.#users.get(session.userId);
    if (own === undefined) this.#users.set(session.userId, own = new Set());
    own.add(session);
    this.#slices[this.#added++ % this.#slices.length]!.add(session);
    return own.size;
  }

  /** Removes a session; returns how many its user has left. */
  remove(session: HubSession): number {
    this.#sessions.delete(session.sessionId);
    for (const slice of this.#slices) if (slice.delete(session)) break;
    const own = this.#users.get(session.userId);
    if (own === undefined) return 0;
    own.delete(session);
    if (own.size === 0) this.#users.delete(session.userId);
    return own.size;
  }
}
