/**
 * The last lines of a function, for whoever asks for them.
 *
 * @module
 */

import type { LogLine } from "../../functions/mod.ts";

/** Lines that are kept of one function. */
const MOST = 200;
/** Longest line, in characters; the log has it whole. */
const LONGEST = 1024;

/** A line and when it was printed. */
export interface KeptLine extends LogLine {
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The last lines of one function. Lines are counted from 1. */
export class KeptLines {
  readonly #lines: KeptLine[] = [];
  #last = 0;

  /** Adds a line. */
  add({ level, text }: LogLine): void {
    this.#last++;
    this.#lines.push({ at: Date.now(), level, text: text.slice(0, LONGEST) });
    if (this.#lines.length > MOST) this.#lines.shift();
  }

  /** The lines behind the line `last`, and the number of the last one. */
  after(last: number): { readonly lines: readonly KeptLine[]; readonly last: number } {
    // A number of an earlier run of the service may be beyond the end.
    const missed = last > this.#last ? this.#lines.length : Math.min(this.#lines.length, this.#last - last);
    return { lines: missed === 0 ? [] : this.#lines.slice(-missed), last: this.#last };
  }
}
