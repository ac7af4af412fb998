/**
 * How long a peer that sends control frames or fragments faster than anybody needs is not read. Pure.
 *
 * @module
 */

/** Control frames and fragments a second beside messages: far above what a client needs, far below what costs. */
export const OVERHEAD_RATE = 100;
/** Seconds of that rate that may come at once. */
const BURST = 5;
/** Milliseconds a peer is not read at most, at a time. */
const MAX_PAUSE = 5000;

/** What a peer may send beside messages, as a token bucket. */
export class OverheadBudget {
  readonly #rate: number;
  #budget: number;
  #at: number;

  /** `rate`: frames a second; `now`: milliseconds of a clock that only goes forward. */
  constructor(rate: number, now: number) {
    this.#rate = rate;
    this.#budget = rate * BURST;
    this.#at = now;
  }

  /** Counts `frames`: the milliseconds for which the peer is not to be read. */
  charge(frames: number, now: number): number {
    const rate = this.#rate;
    this.#budget = Math.min(rate * BURST, this.#budget + (now - this.#at) / 1000 * rate) - frames;
    this.#at = now;
    if (this.#budget >= 0) return 0;
    const ms = Math.min(MAX_PAUSE, -this.#budget / rate * 1000);
    // What it owes beyond the longest pause is forgiven: it pays by the next one.
    this.#budget = Math.max(this.#budget, -MAX_PAUSE / 1000 * rate);
    return ms;
  }
}
