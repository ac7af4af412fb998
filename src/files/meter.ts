/**
 * Rates of uploads. An upload above its rate is acknowledged later, so that its sender sends later.
 *
 * @module
 */

/** Burst of all uploads together, in milliseconds of their rate. */
const BURST = 20;

/** One meter for each user with uploads, and one for all uploads of this node. */
export class Meters {
  readonly #users = new Map<string, Meter>();
  readonly #all = new Meter(BURST);

  /**
   * Counts `bytes` of a user's upload. `rate` is the user's, `busyRate` that of all uploads, in bytes a second, 0: no limit.
   * Returns the milliseconds to wait before going on.
   */
  take(userId: string, bytes: number, rate: number, busyRate: number, now: number): number {
    let own = this.#users.get(userId);
    if (own === undefined) this.#users.set(userId, own = new Meter());
    return Math.max(own.take(bytes, rate, now), this.#all.take(bytes, busyRate, now));
  }

  /** Forgets users who were idle long enough. */
  sweep(now: number): void {
    for (const [userId, meter] of this.#users) if (meter.idle(now)) this.#users.delete(userId);
  }
}

/** A token bucket (GCRA) that tells how long to wait. Exported for tests. */
export class Meter {
  readonly #burst: number;
  /** When the bytes that were counted are within the rate again, in milliseconds. */
  #paidAt = 0;

  /** `burst`: in milliseconds of the rate. */
  constructor(burst = 500) {
    this.#burst = burst;
  }

  /** Counts `bytes` at `rate` bytes a second, 0: no limit. Returns the milliseconds to wait before going on. */
  take(bytes: number, rate: number, now: number): number {
    if (rate === 0) return 0;
    this.#paidAt = Math.max(this.#paidAt, now - this.#burst) + bytes / rate * 1000;
    return Math.max(0, this.#paidAt - now);
  }

  /** Whether a new meter would be the same. */
  idle(now: number): boolean {
    return this.#paidAt <= now - this.#burst;
  }
}
