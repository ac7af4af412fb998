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
