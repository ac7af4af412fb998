/**
 * Time and chance, handed in so that every decision can be tested without waiting.
 *
 * @module
 */

import { systemTimers } from "../async/timers.ts";

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
  ...systemTimers,
};
