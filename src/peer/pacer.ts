/**
 * How fast checks leave, of all connections together (RFC 8445 §14.2): a thousand that begin at once would fill every
 * queue on the way, and lose each other's checks.
 *
 * @module
 */

/** Milliseconds between two checks: a thousand a second, with their answers less than half of what a core can do. */
const GAP = 1;
/** So many may leave at once after a pause. */
const BURST = 64;

/** Gives out the times at which checks leave. */
export class Pacer {
  #last = -Infinity;

  /** The time of the next check, in ms of the same clock: not later than `now` when it may leave at once. */
  reserve(now: number): number {
    this.#last = Math.max(this.#last + GAP, now - BURST * GAP);
    return this.#last;
  }
}
