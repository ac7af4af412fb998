/**
 * What is past its time goes, a little at a time.
 *
 * @module
 */

import type { Storage } from "./storage.ts";
import type { Touched } from "./transactions.ts";

/** Milliseconds until a sweep goes on that was not done, and the channels it looks at in one transaction at most. */
const SWEEP = { pause: 40, channels: 50 };

/** Drops dedupe keys, messages, values and channels of a database. */
export class Expiry {
  readonly #storage: Storage;
  readonly #idle: number;
  readonly #time: number;
  /** A sweep that is not done. */
  #sweeping: ReturnType<typeof setTimeout> | undefined;

  /**
   * `idle`: milliseconds after which a channel that keeps nothing and that nobody follows is forgotten. `time`: milliseconds
   * that a sweep takes at most before others get a turn.
   */
  constructor(storage: Storage, idle: number, time = 10) {
    this.#storage = storage;
    this.#idle = idle;
    this.#time = time;
  }

  /** Drops what is past its time at `now`, in milliseconds since the epoch; goes on by itself when that is much. */
  sweep(now: number): void {
    const end = performance.now() + this.#time;
    clearTimeout(this.#sweeping);
    const { transactions, dedupe, values, store } = this.#storage;
    const touched: Touched = new Map();
    try {
      if (dedupe.isDue(now)) transactions.run(() => dedupe.turn(now), touched);
      for (;;) {
        const names = store.due(now, SWEEP.channels);
        const hasValues = values.isDue;
        if (names.length === 0 && !hasValues) return;
        transactions.run(() => {
          if (hasValues) values.expire();
          if (names.length > 0) this.#expire(names, now, end, touched);
        }, touched);
        touched.clear();
        if (performance.now() >= end) break;
      }
      // More may fall due in a second than one sweep can drop.
      this.#sweeping = setTimeout(() => this.sweep(now), SWEEP.pause);
    } catch {
      // The failure has been reported; the next sweep tries again.
    }
  }

  /** Ends a sweep that is not done. */
  stop(): void {
    clearTimeout(this.#sweeping);
  }

  /** Looks at these channels until `end`, at one of them at least. */
  #expire(names: readonly string[], now: number, end: number, touched: Touched): void {
    const { channels, store, values } = this.#storage;
    let forgotten = false;
    for (const name of names) {
      if (touched.size > 0 && performance.now() >= end) break;
      const channel = channels.get(name);
      channel.begin();
      touched.set(name, channel);
      // One that is followed is not forgotten.
      const idle = channels.isPinned(name) ? now - channel.touched + this.#idle : this.#idle;
      if (!store.expire(channel, now, idle)) continue;
      values.forget(name);
      store.remove(channel);
      channels.forget(name);
      forgotten = true;
    }
    if (forgotten) store.renewEpoch();
  }
}
