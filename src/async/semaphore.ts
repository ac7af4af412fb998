/**
 * A semaphore that admits waiters in the order in which they came.
 *
 * @module
 */

import { deferred } from "./deferred.ts";

/** Admits a fixed number of holders at once. */
export class Semaphore {
  #free: number;
  readonly #waiting = new Set<() => void>();

  /** @param permits How many may hold it at once. */
  constructor(permits: number) {
    this.#free = permits;
  }

  /** Waits for a permit; give it back with `release`. Rejects with the signal's reason, and then holds none. */
  async acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) return void this.#free--;
    const { promise, resolve, reject } = deferred<void>();
    const aborted = (): void => {
      this.#waiting.delete(resolve);
      reject(signal.reason);
    };
    signal.addEventListener("abort", aborted);
    this.#waiting.add(resolve);
    await promise.finally(() => signal.removeEventListener("abort", aborted));
  }

  /** Gives a permit back, to the one who waits longest if there is one. */
  release(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      return next();
    }
    this.#free++;
  }
}
