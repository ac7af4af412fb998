/**
 * The time of one group: no timer outlives the group.
 *
 * @module
 */

import type { Clock } from "../clock.ts";

/**
 * A clock whose timers end together. What a group still does when it is closed (an entry is being read, a message is
 * refused) sets no timer any more, so no part of the group has to ask before each one whether the group is closed.
 */
export class GroupClock implements Clock {
  readonly #clock: Clock;
  readonly #running = new Set<() => void>();
  #hasEnded = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  wall(): number {
    return this.#clock.wall();
  }

  /** As `Clock.after`; after `end`, `fn` is never called. */
  after(ms: number, fn: () => void): () => void {
    if (this.#hasEnded) return () => {};
    const stop = this.#clock.after(ms, () => {
      this.#running.delete(cancel);
      fn();
    });
    const cancel = (): void => {
      this.#running.delete(cancel);
      stop();
    };
    this.#running.add(cancel);
    return cancel;
  }

  /** Cancels all timers. Whoever waits for one of them has to be told otherwise. */
  end(): void {
    this.#hasEnded = true;
    for (const cancel of [...this.#running]) cancel();
  }
}
