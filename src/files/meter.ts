/**
 * How fast uploads may be: what is above the rate is acknowledged later, and so sent later.
 *
 * @module
 */

/** Milliseconds that uploads together may save up by being slow. */
const BURST = 20;

/** The meters of a store: one for each user with uploads, and one for all of them while they have to give way. */
export class Meters {
  readonly #users = new Map<string, Meter>();
  readonly #all = new Meter(BURST);

  /**
   * Takes `bytes` of a user's upload at `rate`, and of all uploads at `busyRate` (bytes a second, 0: no limit); returns
   * the milliseconds to wait before going on.
   */
  take(userId: string, bytes: number, rate: number, busyRate: number, now: number): number {
    let own = this.#users.get(userId);
    if (own === undefined) this.#users.set(userId, own = new Meter());
    return Math.max(own.take(bytes, rate, now), this.#all.take(bytes, busyRate, now));
  }

  /** Forgets users who owe nothing. */
  sweep(now: number): void {
    for (const [userId, meter] of this.#users) if (meter.idle(now)) this.#users.delete(userId);
  }
}

/** The bytes of some uploads: one user's, or all. Exported for tests. */
export class Meter {
  readonly #burst: number;
  /** When all that was taken is paid for. */
  #paidAt = 0;

  /** `burst`: milliseconds that may be saved up by being slow. */
  constructor(burst = 500) {
    this.#burst = burst;
  }

  /** Takes `bytes` at `rate` bytes a second (0: no limit); returns the milliseconds to wait before going on. */
  take(bytes: number, rate: number, now: number): number {
    if (rate === 0) return 0;
    this.#paidAt = Math.max(this.#paidAt, now - this.#burst) + bytes / rate * 1000;
    return Math.max(0, this.#paidAt - now);
  }

  /** Whether nothing is owed: then it may be forgotten. */
  idle(now: number): boolean {
    return this.#paidAt <= now - this.#burst;
  }
}
