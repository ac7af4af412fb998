/**
 * When QUIC is tried again while WebSocket carries the session.
 *
 * @module
 */

import type { Random } from "../clock.ts";

/** Bounds of probing, in milliseconds. */
export interface ProbingOptions {
  /** Before the first probe. @default 5000 */
  readonly first?: number;
  /** Longest wait between probes. @default 300000 */
  readonly max?: number;
}

/** Waits that double, shortened by chance to between half and all, so that clients do not probe in step. */
export class ProbeSchedule {
  readonly #first: number;
  readonly #max: number;
  readonly #random: Random;
  #failures = 0;

  constructor(random: Random, { first = 5000, max = 300_000 }: ProbingOptions = {}) {
    this.#random = random;
    this.#first = first;
    this.#max = max;
  }

  /** Milliseconds until the next probe, but not before `notBefore` (a breaker's pause) counted from `now`. */
  next(now: number, notBefore = 0): number {
    const full = Math.min(this.#max, this.#first * 2 ** Math.min(this.#failures, 30));
    return Math.max(full * (1 - this.#random() / 2), notBefore - now);
  }

  /** A probe did not come through. */
  failed(): void {
    this.#failures++;
  }

  /** The network has changed, or a probe came through: start anew. */
  reset(): void {
    this.#failures = 0;
  }
}
