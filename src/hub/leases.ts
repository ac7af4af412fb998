/**
 * Presence of this node's sessions in the engine: entered, renewed, ended. Nobody waits for it.
 *
 * @module
 */

import type { Engine, MaybePromise } from "../engine/contract.ts";
import type { Seat, Seats } from "./seat.ts";

/** Milliseconds between two parts of the renewal. */
const STEP = 1000;

/** Keeps presence leases alive, a part of the sessions at a time. */
export class Leases {
  /** Into how many parts the sessions are divided: each is renewed once in a third of a lease. */
  readonly slices: number;
  readonly #engine: Engine;
  readonly #ttl: number;
  readonly #failed: (error: unknown, stage: string) => void;
  #renewed: number | undefined;

  /** `ttl`: milliseconds a lease lasts. */
  constructor(engine: Engine, ttl: number, failed: (error: unknown, stage: string) => void) {
    this.#engine = engine;
    this.#ttl = ttl;
    this.#failed = failed;
    this.slices = Math.max(1, Math.floor(ttl / 3 / STEP));
  }

  /** The session is on `channel` now. */
  enter(seat: Seat, channel: string): void {
    seat.present.add(channel);
    this.#do(() => this.#engine.presenceEnter(channel, seat.entry(), this.#ttl));
  }

  /** The session is no longer on `channel`. */
  leave(seat: Seat, channel: string): void {
    seat.present.delete(channel);
    this.#do(() => this.#engine.presenceLeave(channel, seat.sessionId));
  }

  /** Renews the parts that have come due since the last call. */
  sweep(now: number, seats: Seats): void {
    const step = Math.floor(now / STEP);
    const from = Math.max((this.#renewed ?? step - 1) + 1, step - this.slices + 1);
    // After a step back of the clock it goes on from there.
    this.#renewed = step;
    for (let at = from; at <= step; at++) {
      for (const seat of seats.slice(at)) {
        for (const channel of seat.present) {
          this.#do(() => this.#engine.presenceEnter(channel, seat.entry(), this.#ttl));
        }
      }
    }
  }

  #do(act: () => MaybePromise<void>): void {
    try {
      const done = act();
      if (done instanceof Promise) done.catch((error) => this.#failed(error, "presence"));
    } catch (error) {
      this.#failed(error, "presence");
    }
  }
}
