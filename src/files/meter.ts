/**
 * How fast a user's uploads may be: what is above the rate is acknowledged later, and so sent later.
 *
 * @module
 */

/** Milliseconds that may be saved up by being slow. */
const BURST = 500;

/** The bytes of one user's uploads. */
export class Meter {
  /** When all that was taken is paid for. */
  #paidAt = 0;

  /** Takes `bytes` at `rate` bytes a second (0: no limit); returns the milliseconds to wait before going on. */
  take(bytes: number, rate: number, now: number): number {
    if (rate === 0) return 0;
    this.#paidAt = Math.max(this.#paidAt, now - BURST) + bytes / rate * 1000;
    return Math.max(0, this.#paidAt - now);
  }

  /** Whether nothing is owed: then it may be forgotten. */
  idle(now: number): boolean {
    return this.#paidAt <= now - BURST;
  }
}
