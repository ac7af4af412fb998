/**
 * Rates: token buckets whose level may fall below zero. The debt says for how long to read no more, so that nothing has
 * to be refused.
 *
 * @module
 */

import type { RateSettings } from "./contract.ts";

/** Rate and burst of a bucket; a rate of 0 switches it off. */
export interface BucketSettings {
  readonly perSecond: number;
  readonly burst: number;
}

/** One token bucket. Times are milliseconds of a clock that only goes forward. */
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

  /** Takes `amount` if it is there, else nothing. */
  tryTake(amount: number, now: number): boolean {
    if (this.#perMs === 0) return true;
    this.#refill(now);
    if (this.#level < amount) return false;
    this.#level -= amount;
    return true;
  }

  /** Whether it is full: another one made now would be the same. */
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

/** Messages and bytes of one sender. */
export class RateLimit {
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;

  constructor(settings: RateSettings, now: number) {
    this.#messages = new TokenBucket(
      { perSecond: settings.messagesPerSecond, burst: settings.messageBurst },
      now,
    );
    this.#bytes = new TokenBucket({ perSecond: settings.bytesPerSecond, burst: settings.byteBurst }, now);
  }

  /** Charges one message; returns for how many milliseconds to read no more. */
  charge(bytes: number, now: number): number {
    const a = this.#messages.take(1, now);
    const b = this.#bytes.take(bytes, now);
    return a > b ? a : b;
  }

  /** Whether both buckets are full: nothing has been sent for a while. */
  idle(now: number): boolean {
    return this.#messages.full(now) && this.#bytes.full(now);
  }
}
