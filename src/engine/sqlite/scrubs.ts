/**
 * When the database is written anew.
 *
 * @module
 */

import type { Clock } from "../../async/clock.ts";

/** What writing anew needs. */
export interface ScrubsParts {
  readonly clock: Clock;
  /** Called before; what it does may take its time. */
  readonly prepare: () => Promise<void>;
  /** Writes the database anew; nothing else runs meanwhile. */
  readonly run: () => void;
  /** Told of each time: the milliseconds in which nothing else ran. @default not measured */
  readonly measured?: ((ms: number) => void) | undefined;
}

/**
 * Writes the database anew for those who ask. The whole process stands still meanwhile, some seconds for each hundred
 * megabytes: one time answers all who asked before it began, and after each time as long passes without one, so that many
 * who ask take half of the process at most.
 */
export class Scrubs {
  readonly #parts: ScrubsParts;
  /** The one that has not begun. */
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();
  #restUntil = -Infinity;
  #wake: (() => void) | undefined;

  constructor(parts: ScrubsParts) {
    this.#parts = parts;
  }

  /** Resolves once what was deleted before this call is overwritten. Rejects as `run` throws. */
  request(): Promise<void> {
    return this.#next ??= this.#later();
  }

  /** Nobody waits any longer: whoever asked hears at once that the database is closed. */
  close(): void {
    this.#restUntil = -Infinity;
    this.#wake?.();
  }

  async #later(): Promise<void> {
    await this.#running.catch(() => {});
    await this.#rest();
    // Whoever asks from now on may have deleted more.
    this.#next = undefined;
    await (this.#running = this.#run());
  }

  #rest(): Promise<void> | undefined {
    const { clock } = this.#parts;
    const left = this.#restUntil - clock.now();
    if (left <= 0) return undefined;
    return new Promise((resolve) => {
      const cancel = clock.after(left, resolve);
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
    try {
      run();
    } finally {
      const end = clock.now();
      this.#restUntil = end + (end - begun);
      measured?.(end - begun);
    }
  }
}
