/**
 * A clock that is moved by hand.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Clock } from "../../src/async/clock.ts";

/** Lets everything run that waits for nothing but its turn. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #now = 5000;
  /** So much the wall clock is ahead: nobody who takes one for the other is right by chance. */
  #set = 1_700_000_000_000;
  #order = 0;
  readonly #timers = new Set<Timer>();
  readonly #work = new Set<Promise<unknown>>();

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now + this.#set;
  }

  /** Steps the wall clock ahead, or back. */
  set(ms: number): void {
    this.#set += ms;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, fn };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /**
   * The clock stands still until `work` has ended. For what other threads do, such as encryption: turns of the event loop
   * do not wait for it, so minutes of this clock could pass in the milliseconds it takes.
   */
  during<T>(work: Promise<T>): Promise<T> {
    this.#work.add(work);
    const done = (): void => void this.#work.delete(work);
    work.then(done, done);
    return work;
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass, timer by timer. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.#settled();
    for (;;) {
      let next: Timer | undefined;
      for (const timer of this.#timers) {
        if (timer.at > until) continue;
        if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) {
          next = timer;
        }
      }
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fn();
      await this.#settled();
    }
    this.#now = until;
  }

  async #settled(): Promise<void> {
    await settle();
    while (this.#work.size > 0) {
      await Promise.allSettled(this.#work);
      await settle();
    }
  }

  /** Lets time pass in which no timer runs, as on a device that sleeps. */
  sleep(ms: number): void {
    this.#now += ms;
  }
}
