/**
 * One bound for many waits at a time. A timer for each would cost more than what is waited for.
 *
 * @module
 */

import { systemTimers, type Timers } from "./timers.ts";

interface Wait {
  readonly due: number;
  readonly expire: () => void;
}

/** Waits that may all take equally long. They share a timer, which stands only while one of them is not over. */
export class Deadlines {
  readonly #ms: number;
  readonly #timers: Timers;
  readonly #now: () => number;
  /** In the order in which they end, because all may take equally long. */
  readonly #waits = new Set<Wait>();
  #cancel: (() => void) | undefined;

  /** `ms`: what each wait may take. `now`: milliseconds of a clock that only goes forward. */
  constructor(ms: number, timers: Timers = systemTimers, now: () => number = () => performance.now()) {
    this.#ms = ms;
    this.#timers = timers;
    this.#now = now;
  }

  /** Settles as `promise` does, or rejects with what `late` returns once that takes too long; see `deadline`. */
  wait<T>(promise: PromiseLike<T>, late: () => unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait = { due: this.#now() + this.#ms, expire: () => reject(late()) };
      this.#waits.add(wait);
      if (this.#cancel === undefined) this.#arm(this.#ms);
      promise.then((value) => {
        this.#over(wait);
        resolve(value);
      }, (error) => {
        this.#over(wait);
        reject(error);
      });
    });
  }

  #over(wait: Wait): void {
    if (!this.#waits.delete(wait) || this.#waits.size > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(ms: number): void {
    this.#cancel = this.#timers.after(ms, () => this.#look());
  }

  #look(): void {
    this.#cancel = undefined;
    const now = this.#now();
    for (const wait of this.#waits) {
      // Round up: a timer that fires early would find nothing due and begin again at once.
      if (wait.due > now) return this.#arm(Math.ceil(wait.due - now));
      this.#waits.delete(wait);
      wait.expire();
    }
  }
}
