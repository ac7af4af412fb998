/**
 * Timers, as an interface, so that what waits can be tested without waiting.
 *
 * @module
 */

/** What calls a function later. */
export interface Timers {
  /** Calls `fn` once after `ms` milliseconds. Returns a function that cancels the call. */
  after(ms: number, fn: () => void): () => void;
}

/** The longest time `setTimeout` takes: with more it fires at once. About 24.8 days. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** The runtime's timers. */
export const systemTimers: Timers = {
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(ms, MAX_TIMEOUT));
    return () => clearTimeout(timer);
  },
};
