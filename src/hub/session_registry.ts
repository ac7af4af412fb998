/**
 * Seats: the sessions of this node, by session, by user and by bot.
 *
 * @module
 */

import type { HubSession } from "./session.ts";

interface Bots {
  readonly sessions: HubSession[];
  next: number;
}

/** All seats of this node. */
export class SessionRegistry {
  readonly #slices: readonly Set<HubSession>[];
  readonly #sessions = new Map<string, HubSession>();
  readonly #users = new Map<string, Set<HubSession>>();
  readonly #bots = new Map<string, Bots>();
  #turn = 0;

  /** `slices`: into how many parts the seats are divided, to be gone through a part at a time. */
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

  /** The seat of a session. */
  get(sessionId: string): HubSession | undefined {
    return this.#sessions.get(sessionId);
  }

  /** The seats of a user. */
  of(userId: string): ReadonlySet<HubSession> | undefined {
    return this.#users.get(userId);
  }

  /** Users and how many sessions each has. */
  *users(): Generator<{ readonly userId: string; readonly sessions: number }> {
    for (const [userId, seats] of this.#users) yield { userId, sessions: seats.size };
  }

  /** One part of the seats; `at` counts on for ever. */
  slice(at: number): ReadonlySet<HubSession> {
    return this.#slices[at % this.#slices.length]!;
  }

  /** Takes a seat in. */
  add(session: HubSession): void {
    this.#sessions.set(session.sessionId, session);
    const others = this.#users.get(session.userId);
    if (others === undefined) this.#users.set(session.userId, new Set([session]));
    else others.add(session);
    this.#slices[this.#turn++ % this.#slices.length]!.add(session);
  }

  /** Lets a seat go. */
  remove(session: HubSession): void {
    this.#sessions.delete(session.sessionId);
    const own = this.#users.get(session.userId);
    if (own?.delete(session) && own.size === 0) this.#users.delete(session.userId);
    for (const slice of this.#slices) if (slice.delete(session)) break;
  }

  /** `seat` answers commands to `name` from now on. */
  addBot(name: string, session: HubSession): void {
    const bots = this.#bots.get(name);
    if (bots === undefined) this.#bots.set(name, { sessions: [session], next: 0 });
    else if (!bots.sessions.includes(session)) bots.sessions.push(session);
  }

  /** `seat` answers no more. */
  removeBot(name: string, session: HubSession): void {
    const bots = this.#bots.get(name);
    const at = bots?.sessions.indexOf(session) ?? -1;
    if (bots === undefined || at < 0) return;
    bots.sessions.splice(at, 1);
    if (bots.sessions.length === 0) this.#bots.delete(name);
  }

  /** The next connection of a bot, in turn. */
  nextBot(name: string): HubSession | undefined {
    const bots = this.#bots.get(name);
    if (bots === undefined) return undefined;
    return bots.sessions[bots.next++ % bots.sessions.length];
  }
}
