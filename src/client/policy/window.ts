/**
 * How much of an upload may be on its way where all share one connection: what is acknowledged within a short while.
 * So a message of the user never waits for long behind a file, and a fast path is not held up by waiting.
 *
 * @module
 */

import { resized } from "./ranges.ts";

/** Bytes at the beginning. Exported for tests. */
export const FIRST_WINDOW = 262_144;
/** Milliseconds within which an acknowledgement is to come. */
const QUICK = 100;

/** The window of one upload. Times are milliseconds of any clock that goes on. */
export class UploadWindow {
  readonly #smallest: number;
  readonly #largest: number;
  #size: number;
  /** What is watched on its way: where it ends, and when it was sent. */
  #end = 0;
  #sentAt: number | undefined;

  /** Between `smallest`, which is a chunk, and `largest`, which is what the service allows. */
  constructor(smallest: number, largest: number) {
    this.#smallest = smallest;
    this.#largest = largest;
    this.#size = this.#bounded(FIRST_WINDOW);
  }

  /** Bytes that may be on their way. */
  get size(): number {
    return this.#size;
  }

  /** All bytes before `end` are sent. */
  sent(end: number, now: number): void {
    if (this.#sentAt !== undefined) return;
    this.#end = end;
    this.#sentAt = now;
  }

  /** All bytes before `end` are at the service. */
  acknowledged(end: number, now: number): void {
    if (this.#sentAt === undefined || end < this.#end) return;
    this.#size = this.#bounded(resized(this.#size, now - this.#sentAt, QUICK));
    this.#sentAt = undefined;
  }

  #bounded(size: number): number {
    return Math.max(this.#smallest, Math.min(this.#largest, size));
  }
}
