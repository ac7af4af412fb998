/**
 * How long to wait before the next attempt.
 *
 * @module
 */

import type { Random } from "../clock.ts";

/** Bounds of a backoff, in milliseconds. */
export interface BackoffOptions {
  /** @default 1000 */
  readonly base?: number;
  /** @default 30000 */
  readonly max?: number;
  /** A connection that lived this long ends the row of failures. @default 30000 */
  readonly healthyAfter?: number;
}

/** 1, 2, 4, 8 ... 30 s, each shortened by chance to between half and all of it. */
export class Backoff {
  readonly #base: number;
  readonly #max: number;
  readonly #healthyAfter: number;
  readonly #random: Random;
  #attempt = 0;

  constructor(random: Random, { base = 1000, max = 30_000, healthyAfter = 30_000 }: BackoffOptions = {}) {
    this.#random = random;
    this.#base = base;
    this.#max = max;
    this.#healthyAfter = healthyAfter;
  }

  /** Waits handed out since the last session that lived. */
  get attempt(): number {
    return this.#attempt;
  }

  /** The next wait in milliseconds. */
  next(): number {
    const full = Math.min(this.#max, this.#base * 2 ** Math.min(this.#attempt++, 30));
    return full * (1 - this.#random() / 2);
  }

  /** A connection ended after `ms`: the row starts anew only when it lived long enough. */
  lived(ms: number): void {
    if (ms >= this.#healthyAfter) this.#attempt = 0;
  }

  /** The circumstances have changed: start anew. */
  reset(): void {
    this.#attempt = 0;
  }
}
