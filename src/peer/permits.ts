/**
 * Questions to relays whether they let an address in. A refusal may be a lost packet: without another question the path
 * would never be tried.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";

/** A relay that has not agreed is asked again after this many ms; the pause grows each time. */
const PAUSE = 1_000;
/** Refused so often it is not asked any more. */
const MAX_QUESTIONS = 5;

/** The questions of one agent. */
export class Permits {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Asks until the relay agrees, and calls `onAllowed` then. @param isWanted Whether it still matters. */
  ask(permit: () => Promise<boolean>, isWanted: () => boolean, onAllowed: () => void, question = 1): void {
    void permit().then((allowed) => {
      if (this.#closed || !isWanted()) return;
      if (allowed) return onAllowed();
      if (question === MAX_QUESTIONS) return;
      const cancel = this.#clock.after(PAUSE * question, () => {
        this.#waiting.delete(cancel);
        this.ask(permit, isWanted, onAllowed, question + 1);
      });
      this.#waiting.add(cancel);
    });
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#waiting) cancel();
  }
}
