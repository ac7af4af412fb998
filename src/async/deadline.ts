/**
 * Waiting with a bound. Every timer and every abort listener is removed as soon as the wait is over, and a promise
 * that rejects after its deadline causes no unhandled rejection.
 *
 * @module
 */

import { systemTimers, type Timers } from "./timers.ts";

/** For a wait without a deadline. */
const NO_TIMERS: Timers = { after: () => () => {} };

/** What else ends a wait, and where its timer comes from. */
export interface WaitOptions {
  /** Ends the wait: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Timers of a test, or of a client with a clock of its own. */
  readonly timers?: Timers;
}

/**
 * Settles as `promise` does. When that takes more than `ms` milliseconds, rejects with what `late` returns; the work
 * behind `promise` goes on, so `late` is also the place to stop it.
 */
export function deadline<T>(
  promise: PromiseLike<T>,
  ms: number,
  late: () => unknown,
  options?: WaitOptions,
): Promise<T> {
  return wait(promise, ms, (_, reject) => reject(late()), options);
}

/** Resolves with true once `promise` has settled either way, with false when that takes more than `ms` milliseconds. */
export function settles(promise: PromiseLike<unknown>, ms: number, options?: WaitOptions): Promise<boolean> {
  return wait(promise.then(() => true, () => true), ms, (resolve) => resolve(false), options);
}

/** Settles as `promise` does, or rejects with the reason of `signal`; the work behind `promise` goes on. */
export function untilAborted<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return wait<T>(promise, Infinity, () => {}, { signal, timers: NO_TIMERS });
}

/** Resolves after `ms` milliseconds. */
export function delay(ms: number, options?: WaitOptions): Promise<void> {
  return wait<void>(undefined, ms, (resolve) => resolve(), options);
}

function wait<T>(
  promise: PromiseLike<T> | undefined,
  ms: number,
  expire: (resolve: (value: T) => void, reject: (reason: unknown) => void) => void,
  { signal, timers = systemTimers }: WaitOptions = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      cancel();
      signal?.removeEventListener("abort", aborted);
    };
    const aborted = (): void => {
      stop();
      reject(signal!.reason);
    };
    const cancel = timers.after(ms, () => {
      stop();
      expire(resolve, reject);
    });
    signal?.addEventListener("abort", aborted);
    if (signal?.aborted) aborted();
    promise?.then((value) => {
      stop();
      resolve(value);
    }, (error) => {
      stop();
      reject(error);
    });
  });
}
