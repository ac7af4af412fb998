/**
 * When a device renews its keys: after that, whoever has copied its state reads nothing more.
 *
 * @module
 */

import type { Clock } from "../clock.ts";

/** Milliseconds over which those who have to renew soon are spread. */
const SOON = 60_000;

/** Calls `due` when the keys of a device are as old as they may be. */
export class Renewal {
  readonly #clock: Clock;
  readonly #every: number;
  readonly #due: () => void;
  #cancel: (() => void) | undefined;

  /** `every`: milliseconds. */
  constructor(clock: Clock, every: number, due: () => void) {
    this.#clock = clock;
    this.#every = every;
    this.#due = due;
  }

  /**
   * This device has just joined, with keys of some age. Returns the time from which they count as renewed, in milliseconds
   * since the epoch: up to half a period ago, so that not all who join together renew together, and nobody at once.
   * `soon`: it has the same keys in other groups (a key package of last resort), and renews them within a minute.
   */
  joined(soon = false): number {
    const wall = this.#clock.wall();
    if (soon) {
      this.stop();
      this.#cancel = this.#clock.after(Math.random() * Math.min(SOON, this.#every), this.#due);
      // After a restart, too.
      return wall - this.#every;
    }
    const since = wall - Math.random() * this.#every / 2;
    this.since(since);
    return since;
  }

  /** The keys were renewed at `wall`, in milliseconds since the epoch. Devices spread over a quarter of the time. */
  since(wall: number): void {
    this.stop();
    const age = this.#clock.wall() - wall;
    const wait = this.#every * (1 - Math.random() / 4) - age;
    this.#cancel = this.#clock.after(Math.max(0, wait), this.#due);
  }

  /** They are not renewed any more. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
