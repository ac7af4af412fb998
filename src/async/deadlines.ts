/**
 * One bound for many waits at a time. A timer for each would cost more than what is waited for.
 *
 * @module
 */

import { systemTimers, type Timers } from "./timers.ts";

/** Something that is waited for. */
export interface Wait {
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

  /** Begins a wait: `expire` is called when it was not ended in time. */
  begin(expire: () => void): Wait {
    const wait = { due: this.#now() + this.#ms, expire };
    this.#waits.add(wait);
    if (this.#cancel === undefined) this.#arm(this.#ms);
    return wait;
  }

  /** Ends a wait. False: it had expired. */
  end(wait: Wait): boolean {
    if (!this.#waits.delete(wait)) return false;
    if (this.#waits.size === 0) {
      this.#cancel?.();
      this.#cancel = undefined;
    }
    return true;
  }

  /** Settles as `promise` does, or rejects with what `late` returns once that takes too long; see `deadline`. */
  wait<T>(promise: PromiseLike<T>, late: () => unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait = this.begin(() => reject(late()));
      promise.then((value) => {
        this.end(wait);
        resolve(value);
      }, (error) => {
        this.end(wait);
        reject(error);
      });
    });
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
