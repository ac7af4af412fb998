/**
 * How many isolates may be alive: the one that was idle for longest makes room for another.
 *
 * @module
 */

import { type Deferred, quietDeferred } from "../async/deferred.ts";
import { FunctionError } from "./contract.ts";

/** A place for one isolate. */
export class Slot {
  readonly #release: (slot: Slot) => void;
  #released = false;
  /** Since when it is idle; undefined: it is not. */
  idleSince: () => number | undefined = () => undefined;
  /** Ends its isolate, which releases it. */
  stop: () => void = () => {};

  constructor(release: (slot: Slot) => void) {
    this.#release = release;
  }

  /** From now on its isolate may be stopped to make room. */
  holdIdle(idleSince: () => number | undefined, stop: () => void): void {
    this.idleSince = idleSince;
    this.stop = stop;
  }

  /** The isolate is gone. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#release(this);
  }
}

/** The places there are. */
export class Slots {
  readonly #most: () => number;
  readonly #taken = new Set<Slot>();
  readonly #waiting: Deferred<Slot>[] = [];

  /** @param most How many isolates may be alive. */
  constructor(most: () => number) {
    this.#most = most;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#taken.size;
  }

  /**
   * Takes one. Rejects with FunctionError `busy` when none became free within `patience` milliseconds, and with the reason
   * of `signal`.
   */
  async acquire(patience: number, signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted();
    if (this.#taken.size < this.#most()) return this.#take();
    const turn = quietDeferred<Slot>();
    this.#waiting.push(turn);
    this.makeRoom();
    const giveUp = (error: unknown): void => {
      const at = this.#waiting.indexOf(turn);
      if (at >= 0) this.#waiting.splice(at, 1);
      turn.reject(error);
    };
    const late = () => new FunctionError("busy", `${this.#most()} isolates are at work already`);
    const timer = setTimeout(() => giveUp(late()), patience);
    const aborted = () => giveUp(signal.reason);
    signal.addEventListener("abort", aborted);
    try {
      return await turn.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
    }
  }

  /** Stops idle isolates when others wait. To be called when one may have become idle. */
  makeRoom(): void {
    if (this.#waiting.length === 0) return;
    const idle = [...this.#taken]
      .map((slot) => ({ slot, since: slot.idleSince() }))
      .filter(({ since }) => since !== undefined)
      .sort((a, b) => a.since! - b.since!);
    for (const { slot } of idle.slice(0, this.#waiting.length)) {
      slot.idleSince = () => undefined;
      slot.stop();
    }
  }

  #take(): Slot {
    const slot = new Slot((released) => {
      this.#taken.delete(released);
      if (this.#taken.size < this.#most()) this.#waiting.shift()?.resolve(this.#take());
    });
    this.#taken.add(slot);
    return slot;
  }
}
