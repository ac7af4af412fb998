/**
 * Which messages were published lately, in bounded memory.
 *
 * @module
 */

/**
 * Remembers a key for at least `window` milliseconds and less than twice that, in two generations: when the younger
 * one is a window old or half the cap is reached, the older one is forgotten as a whole.
 */
export class DedupeWindow {
  readonly #window: number;
  readonly #half: number;
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  readonly #now: () => number;
  /** Since when keys go to the younger generation. */
  #since: number;

  /** `window`: milliseconds; `most`: keys kept at most; `now`: milliseconds of a clock that never steps back. */
  constructor(window: number, most: number, now: () => number) {
    this.#window = window;
    this.#half = Math.max(1, Math.floor(most / 2));
    this.#now = now;
    this.#since = now();
  }

  /** The offset remembered for `key`. */
  get(key: string): number | undefined {
    return this.#young.get(key) ?? (this.#old.size === 0 ? undefined : this.#old.get(key));
  }

  /** Remembers `key`. */
  set(key: string, offset: number): void {
    if (this.#young.size >= this.#half) this.#turn(this.#now());
    this.#young.set(key, offset);
  }

  /** Forgets what is past the window. */
  sweep(now: number): void {
    if (now - this.#since < this.#window) return;
    this.#turn(now);
  }

  /** Forgets the keys that begin with `prefix`. */
  forget(prefix: string): void {
    for (const keys of [this.#young, this.#old]) {
      for (const key of keys.keys()) if (key.startsWith(prefix)) keys.delete(key);
    }
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  #turn(now: number): void {
    this.#since = now;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
