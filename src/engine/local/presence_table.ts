/**
 * Presence entries in memory, with leases.
 *
 * @module
 */

import type { PresenceEntry, PresenceListener } from "../contract.ts";

/** Leases are checked in steps of this many milliseconds. */
const STEP = 1000;

interface Lease {
  entry: PresenceEntry;
  readonly channel: string;
  /** When it lapses, in milliseconds of the clock. */
  expires: number;
  /** The step in which it is checked. A renewal leaves it where it is, so it may come before `expires`, but never after. */
  due: number;
  ended: boolean;
}

interface Present {
  readonly sessions: Map<string, Lease>;
  /** How many sessions each user has on the channel. */
  readonly users: Map<string, number>;
}

/**
 * Who is on which channel. Renewing a lease costs no more than a look-up: it is moved to a later step only when the step
 * it was first due in has come.
 */
export class PresenceTable {
  readonly #channels = new Map<string, Present>();
  readonly #due = new Map<number, Lease[]>();
  readonly #changed: PresenceListener;
  #swept: number;

  /** `now`: the clock, in milliseconds; it never steps back. */
  constructor(now: number, changed: PresenceListener) {
    this.#swept = Math.floor(now / STEP);
    this.#changed = changed;
  }

  /** Enters or renews an entry that lapses at `expires`, in milliseconds of the clock. */
  enter(channel: string, entry: PresenceEntry, expires: number): void {
    let present = this.#channels.get(channel);
    if (present === undefined) {
      this.#channels.set(channel, present = { sessions: new Map(), users: new Map() });
    }
    const known = present.sessions.get(entry.sessionId);
    if (known !== undefined && known.entry.userId === entry.userId) {
      const changed = !sameInfo(known.entry, entry);
      known.entry = entry;
      known.expires = expires;
      if (Math.ceil(expires / STEP) < known.due) this.#schedule(known);
      if (!changed) return;
      // Of several sessions of a user the last one in the list is shown: the changed entry moves to the end.
      present.sessions.delete(entry.sessionId);
      present.sessions.set(entry.sessionId, known);
      this.#changed(channel, "online", entry);
      return;
    }
    if (known !== undefined) this.#end(known);
    const lease = { entry, channel, expires, due: 0, ended: false };
    // Ending the known lease may have removed the channel.
    this.#channels.set(channel, present);
    present.sessions.set(entry.sessionId, lease);
    this.#schedule(lease);
    const sessions = present.users.get(entry.userId) ?? 0;
    present.users.set(entry.userId, sessions + 1);
    if (sessions === 0) this.#changed(channel, "online", entry);
  }

  /** Ends an entry now. */
  leave(channel: string, sessionId: string): void {
    const lease = this.#channels.get(channel)?.sessions.get(sessionId);
    if (lease !== undefined) this.#end(lease);
  }

  /** Everybody on `channel`. */
  on(channel: string): PresenceEntry[] {
    const present = this.#channels.get(channel);
    const entries: PresenceEntry[] = [];
    if (present !== undefined) { for (const lease of present.sessions.values()) entries.push(lease.entry); }
    return entries;
  }

  /** Ends the leases that have lapsed by `now`. */
  sweep(now: number): void {
    const step = Math.floor(now / STEP);
    if (step - this.#swept > this.#due.size) {
      // More steps have passed than hold leases.
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
      else this.#schedule(lease);
    }
  }

  #schedule(lease: Lease): void {
    const due = lease.due = Math.max(Math.ceil(lease.expires / STEP), this.#swept);
    const leases = this.#due.get(due);
    if (leases === undefined) this.#due.set(due, [lease]);
    else leases.push(lease);
  }

  #end(lease: Lease): void {
    const { channel, entry } = lease;
    lease.ended = true;
    const present = this.#channels.get(channel);
    if (present === undefined || !present.sessions.delete(entry.sessionId)) return;
    if (present.sessions.size === 0) this.#channels.delete(channel);
    const left = (present.users.get(entry.userId) ?? 1) - 1;
    if (left > 0) {
      present.users.set(entry.userId, left);
      return;
    }
    present.users.delete(entry.userId);
    this.#changed(channel, "offline", entry);
  }
}

/** A renewed entry is usually the same object; a refreshed token brings another one, usually with equal content. */
function sameInfo({ info: a }: PresenceEntry, { info: b }: PresenceEntry): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
