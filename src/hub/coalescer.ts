/**
 * When deliveries wait so that several leave together. A write to a subscriber costs some microseconds, whatever is in
 * it; putting one more message into it costs a fraction of that. A node that has little to do holds nothing back.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Clock } from "../async/clock.ts";

/** Milliseconds that deliveries wait at most. */
const HOLD = 1;
/** Milliseconds over which deliveries are counted. */
const WINDOW = 20;
/** Deliveries in that time from which on the node is under load. One by one they would take a quarter of a core. */
const BUSY = 1000;
/**
 * Tasks of the runtime that run between two turns of the event loop at most (tokio's event interval). A QUIC connection
 * sends its packets in such a task.
 */
const TASKS_A_TURN = 61;
/** Turns that are waited for at most, whatever else the event loop has to do in each. */
const MOST_TURNS = 16;

/** What has deliveries that wait. */
export interface Flushable {
  /** Sends what waits, and says to how many QUIC connections. */
  flush(): number;
}

/** Counts deliveries, and says whether they are so many that it pays to put them together. Exported for tests. */
export class DeliveryRate {
  readonly #most: number;
  #since = -Infinity;
  #count = 0;
  #busy = false;

  /** `most`: deliveries in 20 ms from which on it is load. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Counts `deliveries` at `now` (milliseconds). True: the node is under load. */
  add(deliveries: number, now: number): boolean {
    const past = now - this.#since;
    if (past >= WINDOW) {
      // Load lasts for one window more, so that the change from one to the next does not end it.
      this.#busy = past < 2 * WINDOW && this.#count >= this.#most;
      this.#count = 0;
      this.#since = now;
    }
    this.#count += deliveries;
    return this.#busy || this.#count >= this.#most;
  }
}

/** Options of a coalescer. */
export interface CoalescerOptions {
  readonly clock: Clock;
  /** Deliveries in 20 ms from which on the node is under load. @default 1000 */
  readonly busy?: number;
  /** Calls a function once the event loop has handled what has come by now. @default setImmediate */
  readonly turn?: ((fn: () => void) => void) | undefined;
}

/** One for all channels of a node: what waits leaves at the same time, so that a connection on many gets one write. */
export class Coalescer {
  readonly #clock: Clock;
  readonly #turn: (fn: () => void) => void;
  readonly #rate: DeliveryRate;
  #waiting: Flushable[] = [];
  /** When what the last flush has written had left. */
  #flushedAt = -Infinity;
  /** It has not left yet. */
  #leaving = false;
  #looks = false;
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor({ clock, busy = BUSY, turn = setImmediate }: CoalescerOptions) {
    this.#clock = clock;
    this.#rate = new DeliveryRate(busy);
    this.#turn = turn;
  }

  /** Counts `cost`, where a write to a WebSocket is 1. True: hold the deliveries back, and call `wait`. */
  holds(cost: number): boolean {
    return this.#rate.add(cost, this.#clock.now());
  }

  /** Flushes `source` a millisecond after the last flush has left: at the end of this turn, if that is over. */
  wait(source: Flushable): void {
    if (this.#closed) return;
    this.#waiting.push(source);
    this.look();
  }

  /** More has come: looks whether it is time to flush, at the end of this turn. A timer alone would be late by a millisecond. */
  look(): void {
    if (this.#looks) return;
    this.#looks = true;
    this.#turn(this.#look);
  }

  /** Nothing is flushed any more. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#cancel?.();
  }

  readonly #look = (): void => {
    this.#looks = false;
    if (this.#waiting.length === 0 || this.#leaving) return;
    const left = this.#flushedAt + HOLD - this.#clock.now();
    if (left <= 0) return this.#flush();
    if (this.#cancel !== undefined) return;
    this.#cancel = this.#clock.after(left, () => {
      this.#cancel = undefined;
      this.#look();
    });
  };

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let packets = 0;
    try {
      for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
        packets += source.flush();
      }
    } finally {
      // One that throws must not keep the others waiting: each says only once that something of it waits.
      if (waiting.length > 0) {
        this.#waiting.push(...waiting);
        this.look();
      }
      this.#leaving = true;
      this.#leave(Math.min(MOST_TURNS, Math.ceil(packets / TASKS_A_TURN)));
    }
  }

  /**
   * Waits for what was written to leave. Connections write in microtasks and the runtime sends in tasks, all of which may
   * take much longer than what is written needs to be made: counted from before, the next flush would be due at once, and
   * each would carry little.
   */
  #leave(turns: number): void {
    this.#turn(() => {
      if (turns > 1) return this.#leave(turns - 1);
      this.#leaving = false;
      this.#flushedAt = this.#clock.now();
      if (this.#waiting.length > 0) this.look();
    });
  }
}
