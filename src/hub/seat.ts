/**
 * Seats: the sessions of this node, by session, by user and by bot.
 *
 * @module
 */

import type { PresenceEntry } from "../engine/contract.ts";
import type { Principal } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { Member } from "./channel.ts";

/** A session's place in the hub, whichever connection it is on. */
export class Seat {
  readonly sessionId: string;
  readonly userId: string;
  principal: Principal;
  /** The connection it is on, or was on last. */
  client: Client;
  /** Whether that connection is still there. */
  attached = true;
  /** Subscriptions of the connection, by channel. */
  readonly members = new Map<string, Member>();
  /** Channels on which it is entered as present; they outlive a connection. */
  readonly present = new Set<string>();

  constructor(client: Client) {
    this.sessionId = client.sessionId;
    this.userId = client.principal.userId;
    this.principal = client.principal;
    this.client = client;
  }

  /** What others see of it. */
  entry(): PresenceEntry {
    const { userId, sessionId, principal } = this;
    return principal.info === undefined ? { userId, sessionId } : { userId, sessionId, info: principal.info };
  }
}

interface Bots {
  readonly seats: Seat[];
  next: number;
}

/** All seats of this node. */
export class Seats {
  readonly #slices: readonly Set<Seat>[];
  readonly #sessions = new Map<string, Seat>();
  readonly #users = new Map<string, Set<Seat>>();
  readonly #bots = new Map<string, Bots>();
  #turn = 0;

  /** `slices`: into how many parts the seats are divided, to be gone through a part at a time. */
  constructor(slices: number) {
    this.#slices = Array.from({ length: slices }, () => new Set<Seat>());
  }

  /** How many sessions there are, those waiting for their client to come back among them. */
  get size(): number {
    return this.#sessions.size;
  }

  /** The seat of a session. */
  get(sessionId: string): Seat | undefined {
    return this.#sessions.get(sessionId);
  }

  /** The seats of a user. */
  of(userId: string): ReadonlySet<Seat> | undefined {
    return this.#users.get(userId);
  }

  /** Users and how many sessions each has. */
  *users(): Generator<{ readonly userId: string; readonly sessions: number }> {
    for (const [userId, seats] of this.#users) yield { userId, sessions: seats.size };
  }

  /** One part of the seats; `at` counts on for ever. */
  slice(at: number): ReadonlySet<Seat> {
    return this.#slices[at % this.#slices.length]!;
  }

  /** Takes a seat in. */
  add(seat: Seat): void {
    this.#sessions.set(seat.sessionId, seat);
    const others = this.#users.get(seat.userId);
    if (others === undefined) this.#users.set(seat.userId, new Set([seat]));
    else others.add(seat);
    this.#slices[this.#turn++ % this.#slices.length]!.add(seat);
  }

  /** Lets a seat go. */
  remove(seat: Seat): void {
    this.#sessions.delete(seat.sessionId);
    const own = this.#users.get(seat.userId);
    if (own?.delete(seat) && own.size === 0) this.#users.delete(seat.userId);
    for (const slice of this.#slices) if (slice.delete(seat)) break;
  }

  /** `seat` answers commands to `name` from now on. */
  addBot(name: string, seat: Seat): void {
    const bots = this.#bots.get(name);
    if (bots === undefined) this.#bots.set(name, { seats: [seat], next: 0 });
    else if (!bots.seats.includes(seat)) bots.seats.push(seat);
  }

  /** `seat` answers no more. */
  removeBot(name: string, seat: Seat): void {
    const bots = this.#bots.get(name);
    const at = bots?.seats.indexOf(seat) ?? -1;
    if (bots === undefined || at < 0) return;
    bots.seats.splice(at, 1);
    if (bots.seats.length === 0) this.#bots.delete(name);
  }

  /** The next connection of a bot, in turn. */
  nextBot(name: string): Seat | undefined {
    const bots = this.#bots.get(name);
    if (bots === undefined) return undefined;
    return bots.seats[bots.next++ % bots.seats.length];
  }
}
