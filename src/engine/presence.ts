/**
 * Who is on which channel in memory, with leases.
 *
 * @module
 */

import type { PresenceEntry, PresenceListener } from "./contract.ts";

/** Leases are looked at in steps of this many milliseconds. */
const STEP = 1000;

interface Lease {
  entry: PresenceEntry;
  readonly channel: string;
  /** Milliseconds since the epoch. */
  expires: number;
  /** The step it is looked at in; it may lie before `expires`, never after. */
  due: number;
  ended: boolean;
}

interface Room {
  readonly sessions: Map<string, Lease>;
  /** How many sessions each user has here. */
  readonly users: Map<string, number>;
}

/**
 * Presence entries. A lease that is renewed costs nothing in `sweep` until the time it was first due: then it is
 * put where it is due now.
 */
export class PresenceTable {
  readonly #rooms = new Map<string, Room>();
  readonly #due = new Map<number, Lease[]>();
  #swept: number;
  #listener: PresenceListener | undefined;

  /** `now`: milliseconds since the epoch. */
  constructor(now: number) {
    this.#swept = Math.floor(now / STEP);
  }

  /** One listener. */
  listen(listener: PresenceListener): void {
    this.#listener = listener;
  }

  /** Enters or renews; the entry lapses at `expires`, in milliseconds since the epoch. */
  enter(channel: string, entry: PresenceEntry, expires: number): void {
    let room = this.#rooms.get(channel);
    if (room === undefined) this.#rooms.set(channel, room = { sessions: new Map(), users: new Map() });
    const known = room.sessions.get(entry.sessionId);
    if (known !== undefined && known.entry.userId === entry.userId) {
      const changed = !sameInfo(known.entry, entry);
      known.entry = entry;
      known.expires = expires;
      if (Math.ceil(expires / STEP) < known.due) this.#await(known);
      if (!changed) return;
      // The newest entry of a user is the one that is shown: this one goes behind those of its other sessions.
      room.sessions.delete(entry.sessionId);
      room.sessions.set(entry.sessionId, known);
      this.#listener?.(channel, "online", entry);
      return;
    }
    if (known !== undefined) this.#end(known);
    const lease = { entry, channel, expires, due: 0, ended: false };
    // Ending the known lease may have dropped the room.
    this.#rooms.set(channel, room);
    room.sessions.set(entry.sessionId, lease);
    this.#await(lease);
    const sessions = room.users.get(entry.userId) ?? 0;
    room.users.set(entry.userId, sessions + 1);
    if (sessions === 0) this.#listener?.(channel, "online", entry);
  }

  /** Ends an entry now. */
  leave(channel: string, sessionId: string): void {
    const lease = this.#rooms.get(channel)?.sessions.get(sessionId);
    if (lease !== undefined) this.#end(lease);
  }

  /** Everybody on `channel`. */
  on(channel: string): PresenceEntry[] {
    const room = this.#rooms.get(channel);
    const entries: PresenceEntry[] = [];
    if (room !== undefined) { for (const lease of room.sessions.values()) entries.push(lease.entry); }
    return entries;
  }

  /** Ends what has lapsed by `now`. */
  sweep(now: number): void {
    const step = Math.floor(now / STEP);
    if (step - this.#swept > this.#due.size) {
      // The clock leapt: fewer steps are taken than have passed.
      for (const due of [...this.#due.keys()].sort((a, b) => a - b)) if (due <= step) this.#lapse(due, now);
    } else {
      for (let due = this.#swept; due <= step; due++) this.#lapse(due, now);
    }
    this.#swept = Math.max(step, this.#swept);
  }

  #lapse(due: number, now: number): void {
    const leases = this.#due.get(due);
    if (leases === undefined) return;
    this.#due.delete(due);
    for (const lease of leases) {
      if (lease.ended || lease.due !== due) continue;
      if (lease.expires <= now) this.#end(lease);
      else this.#await(lease);
    }
  }

  #await(lease: Lease): void {
    const due = lease.due = Math.max(Math.ceil(lease.expires / STEP), this.#swept);
    const leases = this.#due.get(due);
    if (leases === undefined) this.#due.set(due, [lease]);
    else leases.push(lease);
  }

  #end(lease: Lease): void {
    const { channel, entry } = lease;
    lease.ended = true;
    const room = this.#rooms.get(channel);
    if (room === undefined || !room.sessions.delete(entry.sessionId)) return;
    if (room.sessions.size === 0) this.#rooms.delete(channel);
    const left = (room.users.get(entry.userId) ?? 1) - 1;
    if (left > 0) {
      room.users.set(entry.userId, left);
      return;
    }
    room.users.delete(entry.userId);
    this.#listener?.(channel, "offline", entry);
  }
}

/** A renewed entry is usually the same object; a refreshed token brings another one, mostly with the same in it. */
function sameInfo({ info: a }: PresenceEntry, { info: b }: PresenceEntry): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
