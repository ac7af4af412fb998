/**
 * Collects what is to be committed together.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";

/** How groups are formed. */
export interface GroupOptions {
  /** A group is committed when it has this many, so that no turn of the event loop gets long. */
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

  /** `commit` must not throw. */
  constructor(options: GroupOptions, commit: (group: readonly T[]) => void) {
    this.#options = options;
    this.#commit = commit;
  }

  /** Puts one into the next group. */
  add(item: T): void {
    this.#waiting.push(item);
    if (this.#timer !== undefined) return;
    this.#seen = this.#waiting.length;
    this.#since = 0;
    this.#timer = setImmediate(this.#look);
  }

  /** Commits all that wait, now. */
  flush(): void {
    if (this.#timer !== undefined) clearImmediate(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0) this.#take();
  }

  readonly #look = (): void => {
    const count = this.#waiting.length;
    const { most, hold } = this.#options;
    if (count < most && count > this.#seen) {
      const now = performance.now();
      if (this.#since === 0) this.#since = now;
      if (now - this.#since < hold) {
        this.#seen = count;
        this.#timer = setImmediate(this.#look);
        return;
      }
    }
    this.#timer = undefined;
    this.#take();
    // The rest has waited long enough.
    if (this.#waiting.length > 0 && this.#timer === undefined) this.#timer = setImmediate(this.#look);
  };

  #take(): void {
    const { most } = this.#options;
    const group = this.#waiting.length <= most ? this.#waiting : this.#waiting.slice(0, most);
    this.#waiting = group === this.#waiting ? [] : this.#waiting.slice(most);
    this.#seen = this.#waiting.length;
    this.#commit(group);
  }
}
