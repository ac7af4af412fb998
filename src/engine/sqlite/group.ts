/**
 * Collects what is to be committed together.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";

/** How groups are formed. */
export interface GroupOptions {
  /** A group is committed at once when it has this many: who adds more than can be committed has to wait. */
  readonly most: number;
  /** Milliseconds a group is held back at most while more keeps coming. */
  readonly hold: number;
}

/**
 * Groups of what comes in one turn of the event loop, and in the turns after it as long as each brings more: one alone
 * is not held back, and many share the cost of a commit.
 */
export class Group<T> {
  readonly #options: GroupOptions;
  readonly #commit: (group: readonly T[]) => void;
  #waiting: T[] = [];
  #timer: ReturnType<typeof setImmediate> | undefined;
  /** How many waited at the last look, and when the first look was, in milliseconds. */
  #seen = 0;
  #since = 0;
  #busy = false;

  /** `commit` must not throw. */
  constructor(options: GroupOptions, commit: (group: readonly T[]) => void) {
    this.#options = options;
    this.#commit = commit;
  }

  /** Puts one into the next group. */
  add(item: T): void {
    if (this.#waiting.push(item) >= this.#options.most && !this.#busy) return this.flush();
    if (this.#timer !== undefined || this.#busy) return;
    this.#seen = this.#waiting.length;
    this.#since = 0;
    this.#timer = setImmediate(this.#look);
  }

  /** Commits all that wait, now. */
  flush(): void {
    if (this.#timer !== undefined) clearImmediate(this.#timer);
    this.#timer = undefined;
    if (this.#busy) return;
    this.#busy = true;
    try {
      // What is told of a commit may add more.
      while (this.#waiting.length > 0) this.#commit(this.#waiting.splice(0, this.#options.most));
    } finally {
      this.#busy = false;
    }
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    const count = this.#waiting.length;
    if (count > this.#seen) {
      const now = performance.now();
      if (this.#since === 0) this.#since = now;
      if (now - this.#since < this.#options.hold) {
        this.#seen = count;
        this.#timer = setImmediate(this.#look);
        return;
      }
    }
    this.flush();
  };
}
