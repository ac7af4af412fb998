/**
 * How fast uploads may be: what is above the rate is acknowledged later, and so sent later.
 *
 * @module
 */

/** The bytes of some uploads: one user's, or all. */
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
