/**
 * For how long the event loop stood still. A client must not be disconnected for silence while its messages were there
 * and nobody read them.
 *
 * @module
 */

/** Milliseconds between two sweeps, when nothing delays them. */
const SWEEP_INTERVAL = 1000;
/** Timers are not exact: a sweep that is late by less than this many milliseconds is not counted as a pause. */
const TOLERANCE = 50;
/** How many pauses are remembered: one for each sweep of a minute. When there are more, the shortest is dropped. */
const KEPT = 64;

interface Pause {
  readonly from: number;
  readonly to: number;
}

/** Pauses of the event loop, found by sweeps that come late. Times are of a clock that only goes forward. */
export class LoopPauses {
  readonly #pauses: Pause[] = [];
  #last: number | undefined;

  /** To be called by each sweep. Returns for how long the loop stood still before it, in milliseconds. */
  tick(now: number): number {
    const expected = (this.#last ?? now - SWEEP_INTERVAL) + SWEEP_INTERVAL;
    this.#last = now;
    if (now - expected < TOLERANCE) return 0;
    this.#pauses.push({ from: expected, to: now });
    if (this.#pauses.length > KEPT) this.#dropShortest();
    return now - expected;
  }

  /** How many of the milliseconds since `since` were pauses. */
  after(since: number): number {
    let sum = 0;
    for (const { from, to } of this.#pauses) if (to > since) sum += to - Math.max(from, since);
    return sum;
  }

  #dropShortest(): void {
    let shortest = 0;
    for (const [i, { from, to }] of this.#pauses.entries()) {
      const { from: least, to: end } = this.#pauses[shortest]!;
      if (to - from < end - least) shortest = i;
    }
    this.#pauses.splice(shortest, 1);
  }
}
