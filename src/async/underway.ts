/**
 * Work that nobody waits for but the end of its owner.
 *
 * @module
 */

/** What is under way. An owner that adds to it all it begins without waiting can say when nothing of it goes on. */
export class Underway {
  readonly #work = new Set<Promise<void>>();

  /** How much of it there is. */
  get size(): number {
    return this.#work.size;
  }

  /** Notes work, and returns it. A rejection that nobody else handles is not reported: the work has to tell of its failures. */
  add<T>(work: Promise<T>): Promise<T> {
    const done = (): void => void this.#work.delete(over);
    const over = work.then(done, done);
    this.#work.add(over);
    return work;
  }

  /** Resolves when nothing is under way, what is added meanwhile included. */
  async over(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }
}
