/**
 * Notices that nothing has happened for a while.
 *
 * @module
 */

import type { Clock } from "../clock.ts";

/** Calls back once nothing has happened for so long; again after the next time something has. */
export class Idle {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #rest: () => void;
  #last = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, ms: number, rest: () => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#rest = rest;
  }

  /** Something happens. One timer serves many of these: to set one each time would cost more than what happens. */
  active(): void {
    this.#last = this.#clock.now();
    this.#cancel ??= this.#clock.after(this.#ms, this.#look);
  }

  /** Nobody is called any more, until something happens. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  readonly #look = (): void => {
    const left = this.#last + this.#ms - this.#clock.now();
    this.#cancel = left > 0 ? this.#clock.after(left, this.#look) : undefined;
    if (left <= 0) this.#rest();
  };
}
