/**
 * Time and chance, handed in so that every decision can be tested without waiting.
 *
 * @module
 */

export { type Clock, systemClock } from "../async/clock.ts";

/** A number from 0 up to, not including, 1. */
export type Random = () => number;
