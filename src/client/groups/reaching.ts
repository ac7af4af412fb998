/**
 * Waiting until the group has gone on to an epoch.
 *
 * @module
 */

import { settles } from "../../async/deadline.ts";
import { type Deferred, deferred } from "../../async/deferred.ts";
import type { Clock } from "../clock.ts";

/** After a wait in vain there is none for so many times as long. */
const PAUSE = 5;

/** Those who wait for a later epoch. */
export class Reaching {
  readonly #clock: Clock;
  readonly #patience: number;
  readonly #waiting = new Map<Deferred<void>, number>();
  #pausedUntil = -Infinity;
  #hasEnded = false;

  /** `patience`: milliseconds that somebody waits at most. */
  constructor(clock: Clock, patience: number) {
    this.#clock = clock;
    this.#patience = patience;
  }

  /** Resolves with whether the group has reached `epoch` in time. */
  async reach(epoch: number): Promise<boolean> {
    if (this.#hasEnded) return false;
    const waiting = deferred<void>();
    this.#waiting.set(waiting, epoch);
    const isInTime = await settles(waiting.promise, this.#patience, { timers: this.#clock });
    this.#waiting.delete(waiting);
    return isInTime && !this.#hasEnded;
  }

  /**
   * As `reach`, for an epoch that a message says it is of. Whoever may write can say any: after one wait in vain the next
   * messages are not waited for until the group goes on, or a while has passed, so that a document does not stand still.
   * `isLive`: whether the log is read as it grows; a wait without it is no fault of the message.
   */
  async expect(epoch: number, isLive: () => boolean): Promise<boolean> {
    if (this.#clock.now() < this.#pausedUntil) return false;
    const isReached = await this.reach(epoch);
    if (!isReached && isLive()) this.#pausedUntil = this.#clock.now() + PAUSE * this.#patience;
    return isReached;
  }

  /** The group is in `epoch` now. */
  reached(epoch: number): void {
    this.#pausedUntil = -Infinity;
    for (const [waiting, wanted] of this.#waiting) if (wanted <= epoch) waiting.resolve();
  }

  /** Nothing is reached any more. */
  end(reason: unknown): void {
    this.#hasEnded = true;
    for (const waiting of this.#waiting.keys()) waiting.reject(reason);
  }
}
