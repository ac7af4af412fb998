/**
 * Timers of one connection, so that none outlives it.
 *
 * @module
 */

/** A set of timers that end together. */
export class Deadlines {
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #over = false;

  /** Calls `late` after `ms` milliseconds, unless the returned function or `end` is called before. */
  set(ms: number, late: () => void): () => void {
    if (this.#over) return () => {};
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      late();
    }, ms);
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
      clearTimeout(timer);
    };
  }

  /** Stops all timers; later ones never fire. */
  end(): void {
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
