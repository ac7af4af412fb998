/**
 * Time, as an interface. There are two clocks, and to take one for the other is a fault: the wall clock may be set back an
 * hour, or forward a day, while connections are open.
 *
 * @module
 */

import { systemTimers } from "./timers.ts";

/** Where time comes from. */
export interface Clock {
  /**
   * Milliseconds that only go forward, from an arbitrary start: for rates, heartbeats, leases and deadlines. Only
   * differences count.
   */
  now(): number;
  /** Milliseconds since the epoch, as the machine says: for stamps, for tokens, and for what outlives the process. */
  wall(): number;
  /** Calls `fn` once after `ms` milliseconds. Returns a function that cancels the call. */
  after(ms: number, fn: () => void): () => void;
}

/** The runtime's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  ...systemTimers,
};

/**
 * Makes a clock whose `now` is exact to about a millisecond, for what asks at each message: `performance.now()` takes
 * three times as long as `Date.now()`. The forward clock is read anew whenever the wall clock has moved, so a step of the
 * wall clock changes nothing.
 */
export function coarseClock(clock: Clock = systemClock): Clock {
  let wall = NaN, now = 0;
  return {
    now() {
      const at = clock.wall();
      if (at !== wall) {
        wall = at;
        now = clock.now();
      }
      return now;
    },
    wall: () => clock.wall(),
    after: (ms, fn) => clock.after(ms, fn),
  };
}
