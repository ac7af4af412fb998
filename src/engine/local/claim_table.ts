/**
 * Which node has which session, in the memory of one process.
 *
 * @module
 */

import type { Claim, Claimed, ClaimOptions, Holders, SessionClaim } from "../contract.ts";

/** When a node was, or will be, last known to be alive, in milliseconds of the clock. */
export type LastAlive = (node: string) => number;

interface Entry extends Claim {
  readonly window: number;
  /** When it was claimed. */
  readonly at: number;
}

/** Claims by session, by user and by bot. */
export class ClaimTable {
  readonly #claims = new Map<string, Entry>();
  readonly #users = new Groups();
  readonly #bots = new Groups();
  readonly #now: () => number;
  readonly #lastAlive: LastAlive;
  #revision = 0;

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(now: () => number, lastAlive: LastAlive) {
    this.#now = now;
    this.#lastAlive = lastAlive;
  }

  /** Claims a session for `node`; see `Commands.claim`. */
  claim(node: string, claim: SessionClaim, { window, revision }: ClaimOptions): Claimed | undefined {
    const { session, user, bot } = claim;
    const known = this.locate(session) as Entry | undefined;
    if (revision === undefined ? known?.user !== user : (known?.revision ?? 0) !== revision) return undefined;
    const stale = known ?? this.#claims.get(session);
    if (stale !== undefined) this.#remove(stale);
    const entry = { session, user, bot, node, revision: ++this.#revision, window, at: this.#now() };
    this.#claims.set(session, entry);
    this.#users.add(user, entry);
    if (bot !== undefined) this.#bots.add(bot, entry);
    return known === undefined
      ? { revision: entry.revision }
      : { revision: entry.revision, previous: known.node };
  }

  /** Ends a claim of `node`; false: it is not its own any more. */
  release(node: string, session: string, revision: number): boolean {
    const entry = this.#claims.get(session);
    if (entry?.node !== node || entry.revision !== revision) return false;
    this.#remove(entry);
    return true;
  }

  /** The claim of a session, unless it has lapsed. */
  locate(session: string): Claim | undefined {
    const entry = this.#claims.get(session);
    return entry === undefined || this.#hasLapsed(entry) ? undefined : entry;
  }

  /** The claims of a user or a bot. */
  find(of: Holders): Claim[] {
    const found = "user" in of ? this.#users.get(of.user) : this.#bots.get(of.bot);
    return found.filter((entry) => !this.#hasLapsed(entry));
  }

  /** Removes the claims that have lapsed; the nodes that still have some. */
  sweep(): Set<string> {
    const nodes = new Set<string>();
    for (const entry of this.#claims.values()) {
      if (this.#hasLapsed(entry)) this.#remove(entry);
      else nodes.add(entry.node);
    }
    return nodes;
  }

  #hasLapsed({ node, window, at }: Entry): boolean {
    return Math.max(this.#lastAlive(node), at) + window <= this.#now();
  }

  #remove(entry: Entry): void {
    this.#claims.delete(entry.session);
    this.#users.remove(entry.user, entry);
    if (entry.bot !== undefined) this.#bots.remove(entry.bot, entry);
  }
}

/** Entries by a name that most of them have alone: one entry needs no list. */
class Groups {
  readonly #groups = new Map<string, Entry | Entry[]>();

  get(name: string): readonly Entry[] {
    const group = this.#groups.get(name);
    if (group === undefined) return [];
    return Array.isArray(group) ? group : [group];
  }

  add(name: string, entry: Entry): void {
    const group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, entry);
    else if (Array.isArray(group)) group.push(entry);
    else this.#groups.set(name, [group, entry]);
  }

  remove(name: string, entry: Entry): void {
    const group = this.#groups.get(name);
    if (group === entry) this.#groups.delete(name);
    if (!Array.isArray(group)) return;
    const at = group.indexOf(entry);
    if (at >= 0) group.splice(at, 1);
    if (group.length === 0) this.#groups.delete(name);
  }
}
