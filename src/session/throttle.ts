/**
 * Holds back the reading of a connection that is above its rate.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";

/** One pause for all lanes of a connection: a client cannot pass its rate by opening more lanes. */
export class Throttle {
  readonly #clock: Clock;
  #until: number;
  #waiting: PromiseWithResolvers<void> | undefined;
  #cancel: (() => void) | undefined;
  #ended = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#until = clock.now();
  }

  /** When the last pause ends or ended, on the clock's `now`. */
  get until(): number {
    return this.#until;
  }

  /** Resolves after `ms` milliseconds; later when a longer pause begins meanwhile, and at once after `end`. */
  wait(ms: number, now: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    this.#until = Math.max(this.#until, now + ms);
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers<void>();
      this.#cancel = this.#clock.after(ms, this.#over);
    }
    return this.#waiting.promise;
  }

  /** Ends every pause, now and later. */
  end(): void {
    this.#ended = true;
    this.#cancel?.();
    this.#over();
  }

  readonly #over = (): void => {
    const left = this.#until - this.#clock.now();
    if (left > 0 && !this.#ended) {
      this.#cancel = this.#clock.after(left, this.#over);
      return;
    }
    this.#waiting?.resolve();
    this.#waiting = undefined;
  };
}
