/**
 * Group commit: collects items that are committed in one transaction.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";

/** How groups are formed. */
export interface GroupOptions {
  /** A group of this size is committed at once, by the caller of `add`: so nobody can add faster than is committed. */
  readonly most: number;
  /** Milliseconds that a group waits at most while more items keep coming. */
  readonly hold: number;
}

/**
 * A group has the items of one turn of the event loop, and of the next turns as long as each of them brings more. A single
 * item is committed at the end of its turn; many items share the cost of one commit.
 */
export class Group<T> {
  readonly #options: GroupOptions;
  readonly #commit: (group: readonly T[]) => void;
  #waiting: T[] = [];
  #timer: ReturnType<typeof setImmediate> | undefined;
  /** How many items there were at the last look, and the time of the first look, in milliseconds. */
  #seen = 0;
  #since = 0;
  #busy = false;

  /** `commit` must not throw. */
  constructor(options: GroupOptions, commit: (group: readonly T[]) => void) {
    this.#options = options;
    this.#commit = commit;
  }

  /** Adds an item to the next group. */
  add(item: T): void {
    if (this.#waiting.push(item) >= this.#options.most && !this.#busy) return this.flush();
    if (this.#timer !== undefined || this.#busy) return;
    this.#seen = this.#waiting.length;
    this.#since = 0;
    this.#timer = setImmediate(this.#look);
  }

  /** Commits all items that wait, now. */
  flush(): void {
    if (this.#timer !== undefined) clearImmediate(this.#timer);
    this.#timer = undefined;
    if (this.#busy) return;
    this.#busy = true;
    try {
      // The callbacks of a commit may add items.
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
