/**
 * Time and chance, handed in so that every decision can be tested without waiting.
 *
 * @module
 */

/** Where the SDK takes its time from. */
export interface Clock {
  /** Milliseconds of a clock that nobody sets; only differences count. */
  now(): number;
  /** Milliseconds since the epoch, as the device says: for what outlives the page, and for tokens. */
  wall(): number;
  /** Calls `fn` once after `ms` milliseconds; returns what calls it off. */
  after(ms: number, fn: () => void): () => void;
}

/** A number from 0 up to, not including, 1. */
export type Random = () => number;

/** The runtime's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`; rejects with the signal's reason when it is aborted before. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const aborted = (): void => {
      cancel();
      reject(signal!.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    });
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** Settles as `promise` does; rejects with what `late` makes when that takes more than `ms`. */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>, late: () => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(late()));
    promise.then((value) => {
      cancel();
      resolve(value);
    }, (error) => {
      cancel();
      reject(error);
    });
  });
}
