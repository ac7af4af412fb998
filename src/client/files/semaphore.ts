/**
 * A bound on what goes on at once, first come, first served.
 *
 * @module
 */

import { deferred } from "../deferred.ts";

/** So many at once; the others wait for their turn. */
export class Semaphore {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(most: number) {
    this.#free = most;
  }

  /** Resolves when it is one's turn; `leave` ends it. Rejects with the signal's reason. */
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

  /** The turn is over: it is the next one's. */
  release(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      return next();
    }
    this.#free++;
  }
}
