/**
 * A path to a peer - where packets leave from and where they go to - and the checks that keep it confirmed.
 *
 * @module
 */

import { type Address, formatAddress } from "./address.ts";
import { MAX_FAILURES, type PathKind, type PathState } from "./path_selector.ts";
import type { Candidate, DatagramSocket } from "./ports.ts";

/** Smoothing of the round trip (RFC 6298 §2). */
const RTT_WEIGHT = 1 / 8;
/** Checks of a path that never answered follow each other with these pauses in ms, then with the last one. */
const SEARCH_PAUSES = [50, 100, 150, 200, 300, 500, 1_000, 2_000] as const;
/** A path that never answered is given up after so many checks: about 8 s. */
const MAX_SEARCH = 12;

/** How often paths are checked once they are confirmed, in ms: NATs forget a mapping after 30 s or more. */
const CHECK_INTERVAL = { current: 2_000, other: 5_000, doubtful: 100, dead: 10_000 } as const;
/** So many failures and a path is dead for long: a relay that has ended, an address of a network that was left. */
const LONG_DEAD = 50;

/** The lowest of so many round trips counts as that of the path without queues and delays of the programs. */
const LOWEST_OF = 8;
/** So many answers in a row, more than half a minute on the path in use, and a path is as reliable as one that was never left. */
const RELIABLE_AFTER = 20;

/** One path. */
export class Path implements PathState {
  readonly socket: DatagramSocket;
  readonly remote: Address;
  /** The peer's check may come before the peer has said which of its addresses this is. */
  kind: PathKind;
  confirmedAt: number | undefined;
  confirmations = 0;
  failures = 0;
  unanswered = 0;
  rtt: number | undefined;
  departures = 0;
  readonly #latest: number[] = [];
  /** When the next check is due; Infinity: given up. */
  dueAt = 0;
  #failedAt = -Infinity;

  constructor(socket: DatagramSocket, remote: Address, kind: PathKind) {
    this.socket = socket;
    this.remote = { hostname: remote.hostname, port: remote.port };
    this.kind = kind;
  }

  /** The lowest of the latest round trips. */
  get lowestRtt(): number | undefined {
    return this.#latest.length === 0 ? undefined : Math.min(...this.#latest);
  }

  /** A check was sent. */
  checked(now: number, isCurrent: boolean): void {
    this.unanswered++;
    if (this.confirmedAt !== undefined) {
      this.dueAt = now + this.#interval(isCurrent);
    } else if (this.unanswered >= MAX_SEARCH) {
      this.dueAt = Infinity;
    } else {
      this.dueAt = now + SEARCH_PAUSES[Math.min(this.unanswered, SEARCH_PAUSES.length) - 1]!;
    }
  }

  #interval(isCurrent: boolean): number {
    if (this.failures > LONG_DEAD) return CHECK_INTERVAL.dead;
    if (this.failures > 0) return CHECK_INTERVAL.doubtful;
    return isCurrent ? CHECK_INTERVAL.current : CHECK_INTERVAL.other;
  }

  /** It never answered, or not for long: another one may take its place. */
  get isGivenUp(): boolean {
    return this.confirmedAt === undefined ? this.unanswered >= MAX_SEARCH : this.failures > LONG_DEAD;
  }

  /** A check was answered after `rtt` milliseconds. */
  confirmed(now: number, rtt: number): void {
    this.confirmedAt = now;
    this.confirmations++;
    this.failures = 0;
    this.unanswered = 0;
    if (this.confirmations >= RELIABLE_AFTER) this.departures = 0;
    if (this.#latest.push(rtt) > LOWEST_OF) this.#latest.shift();
    this.rtt = this.rtt === undefined ? rtt : this.rtt + (rtt - this.rtt) * RTT_WEIGHT;
    // Until it counts as steady it is checked again soon.
    if (this.confirmations < 3) this.dueAt = now + CHECK_INTERVAL.doubtful;
  }

  /** The check sent at `sentAt` was not answered in time. Several that one pause of a program has swallowed count once. */
  failed(now: number, sentAt: number): void {
    if (this.confirmedAt === undefined || sentAt < this.#failedAt) return;
    this.#failedAt = now;
    this.failures++;
    this.confirmations = 0;
    // Nobody tells when a network works again, so even a path that is long dead is tried now and then.
    if (this.failures <= LONG_DEAD) this.dueAt = Math.min(this.dueAt, now + CHECK_INTERVAL.doubtful);
  }

  /** Packets leave on it and none come: one unanswered check more, and another path is taken. */
  doubted(now: number): void {
    this.failures = Math.max(this.failures, 1);
    this.dueAt = now;
  }

  /** The peer is heard on another path alone: this one has to prove itself anew. `wasCurrent`: it was in use. */
  left(now: number, wasCurrent: boolean): void {
    this.confirmations = 0;
    if (wasCurrent) this.failures = Math.max(this.failures, MAX_FAILURES);
    this.hurry(now);
  }

  /** Something says that the path may work, or may have broken: it is checked at once. */
  hurry(now: number): void {
    if (this.dueAt === Infinity) this.unanswered = 0;
    this.dueAt = now;
  }

  /** For people. */
  toString(): string {
    return `${this.kind} ${formatAddress(this.remote)}${
      this.confirmedAt === undefined ? "" : " (answered once)"
    }`;
  }
}

/** The kind of a path from `local` to a candidate of the peer's. */
export function kindOf(local: { readonly relayed: boolean }, kind: Candidate["kind"]): PathKind {
  if (local.relayed || kind === "relayed") return "relayed";
  return kind === "host" ? "direct" : "punched";
}
