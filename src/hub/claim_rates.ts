/**
 * How often key packages of others may be claimed. Each node counts what is claimed on it.
 *
 * @module
 */

/** So many at once, and then one each `interval` milliseconds. */
export interface Pace {
  readonly burst: number;
  readonly interval: number;
}

/** Claims of one user, whoever's packages they are for. */
const OF_CLAIMANT: Pace = { burst: 128, interval: 1_000 };
/** Claims of one user for the packages of another one: an invitation to a group is one. */
const OF_PAIR: Pace = { burst: 10, interval: 120_000 };
/** Users and pairs that are remembered; those above share one account. */
const MAX_KNOWN = 20_000;
/** Milliseconds between two looks for accounts that are full again: each looks at all of them. */
const LOOK_AGAIN = 1_000;

/**
 * Whether one more is within a pace. `spent` is the time at which all of the burst is there again; `now` a time of the same
 * clock. Gives the milliseconds to wait, or 0 and the new value of `spent`.
 */
export function within(
  { burst, interval }: Pace,
  spent: number,
  now: number,
): { readonly wait: number; readonly spent: number } {
  // Later than an empty account is full again: the wall clock was set back, and nobody is held up for that.
  const from = spent > now + burst * interval ? now : Math.max(spent, now);
  const wait = from + interval - (now + burst * interval);
  return wait > 0 ? { wait, spent: from } : { wait: 0, spent: from + interval };
}

/** What users have claimed lately. */
export class ClaimRates {
  readonly #now: () => number;
  /** When the account of a user, or of a pair of users, is full again. */
  readonly #spent = new Map<string, number>();
  #lookedAt = -Infinity;

  /** @param now Milliseconds of a clock that only goes forward. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Milliseconds until `claimant` may claim packages of `claimed`; 0: it may now, and that is counted. */
  take(claimant: string, claimed: string): number {
    const now = this.#now();
    const taken = accountsOf(claimant, claimed).map(([name, pace]) => {
      const known = this.#nameOf(name, now);
      return { name: known, ...within(pace, this.#spent.get(known) ?? 0, now) };
    });
    const wait = Math.max(...taken.map((each) => each.wait));
    if (wait === 0) { for (const { name, spent } of taken) this.#spent.set(name, spent); }
    return wait;
  }

  /** Gives back what `take` has counted: nothing was there to be claimed. */
  giveBack(claimant: string, claimed: string): void {
    for (const [name, { interval }] of accountsOf(claimant, claimed)) {
      const spent = this.#spent.get(name);
      if (spent !== undefined) this.#spent.set(name, spent - interval);
    }
  }

  #nameOf(name: string, now: number): string {
    if (this.#spent.has(name) || this.#spent.size < MAX_KNOWN) return name;
    if (now - this.#lookedAt >= LOOK_AGAIN) {
      this.#lookedAt = now;
      for (const [each, spent] of this.#spent) if (spent <= now) this.#spent.delete(each);
    }
    // Nobody's debt is forgotten to make room: those above share an account of users, and one of pairs.
    if (this.#spent.size < MAX_KNOWN) return name;
    return name.includes("\n") ? "\n\n" : "\n";
  }
}

/** A user id has no line feed in it. */
function accountsOf(claimant: string, claimed: string): readonly (readonly [string, Pace])[] {
  return [[claimant, OF_CLAIMANT], [`${claimant}\n${claimed}`, OF_PAIR]];
}
