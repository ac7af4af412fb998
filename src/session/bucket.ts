/**
 * A token bucket that lets its level fall below zero and says how long the debt takes to pay: the reader
 * pauses for that time, so nothing has to be refused.
 *
 * @module
 */

/** Rate and burst of a bucket; a rate of 0 switches it off. */
export interface BucketSettings {
  readonly perSecond: number;
  readonly burst: number;
}

/** One token bucket. Times are milliseconds of any clock that does not go back. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #level: number;
  #at: number;

  constructor(settings: BucketSettings, now: number) {
    this.#perMs = settings.perSecond / 1000;
    this.#burst = Math.max(settings.burst, 1);
    this.#level = this.#burst;
    this.#at = now;
  }

  /** Takes `amount` and returns how many milliseconds to wait before more is taken: 0 while within the rate. */
  take(amount: number, now: number): number {
    if (this.#perMs === 0) return 0;
    this.#refill(now);
    this.#level -= amount;
    return this.#level >= 0 ? 0 : -this.#level / this.#perMs;
  }

  /** Takes `amount` when it is there, else nothing; says whether it was. */
  tryTake(amount: number, now: number): boolean {
    if (this.#perMs === 0) return true;
    this.#refill(now);
    if (this.#level < amount) return false;
    this.#level -= amount;
    return true;
  }

  /** Whether it is as good as new: nobody misses it when it is thrown away. */
  full(now: number): boolean {
    this.#refill(now);
    return this.#level >= this.#burst;
  }

  #refill(now: number): void {
    if (now > this.#at) {
      this.#level = Math.min(this.#burst, this.#level + (now - this.#at) * this.#perMs);
      this.#at = now;
    }
  }
}
