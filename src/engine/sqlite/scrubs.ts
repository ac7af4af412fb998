/**
 * When the database is written anew.
 *
 * @module
 */

import type { Clock } from "../../async/clock.ts";
import type { IsSpent } from "./scrub_slices.ts";

/** What one time came to, in milliseconds. */
export interface Scrubbed {
  /** From its beginning to its end. */
  readonly ms: number;
  /** Of these those in which nothing else ran, */
  readonly worked: number;
  /** and how many of them at most were one after another. */
  readonly longest: number;
}

/** What writing anew needs. */
export interface ScrubsParts {
  readonly clock: Clock;
  /** Called before; what it does may take its time. */
  readonly prepare: () => Promise<void>;
  /** Writes the database anew: done once the generator is. Others may run between two steps. */
  readonly run: (isSpent: IsSpent) => Iterator<void>;
  /** Told of each time that came to its end. @default not measured */
  readonly measured?: ((scrubbed: Scrubbed) => void) | undefined;
}

/**
 * Milliseconds that a slice takes, about, and for how many times as long others then have the process to themselves, and
 * for how long at least.
 */
const SLICE = 6, PAUSE = { share: 2, least: 4 };

/**
 * Writes the database anew for those who ask, in slices with a pause after each. One time answers all who asked before it
 * began, and after each time as long passes without one as it worked.
 */
export class Scrubs {
  readonly #parts: ScrubsParts;
  /** The one that has not begun. */
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();
  #restUntil = -Infinity;
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor(parts: ScrubsParts) {
    this.#parts = parts;
  }

  /** Resolves once what was deleted before this call is overwritten. Rejects as `run` throws. */
  request(): Promise<void> {
    return this.#next ??= this.#later();
  }

  /** Nobody waits any longer: whoever asked hears at once that the database is closed. Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake?.();
    await Promise.allSettled([this.#next, this.#running]);
  }

  async #later(): Promise<void> {
    await this.#running.catch(() => {});
    await this.#wait(this.#restUntil - this.#parts.clock.now());
    // Whoever asks from now on may have deleted more.
    this.#next = undefined;
    await (this.#running = this.#run());
  }

  #wait(ms: number): Promise<void> | undefined {
    if (ms <= 0 || this.#isClosed) return undefined;
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  async #run(): Promise<void> {
    const { clock, prepare, run, measured } = this.#parts;
    await prepare();
    const begun = clock.now();
    let worked = 0, longest = 0, since = begun;
    const steps = run(() => clock.now() - since >= SLICE);
    try {
      for (;;) {
        const { done } = steps.next();
        const ms = clock.now() - since;
        if (!done && ms < SLICE) continue;
        worked += ms;
        longest = Math.max(longest, ms);
        if (done) {
          measured?.({ ms: clock.now() - begun, worked, longest });
          break;
        }
        await this.#wait(Math.max(PAUSE.least, ms * PAUSE.share));
        since = clock.now();
      }
    } finally {
      this.#restUntil = clock.now() + worked;
    }
  }
}
