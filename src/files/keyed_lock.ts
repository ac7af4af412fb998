/**
 * One after the other: whoever begins an upload anew waits until all before have left its file.
 *
 * @module
 */

/** A queue for each key. */
export class KeyedLock {
  readonly #last = new Map<string, Promise<void>>();

  /** Waits for all who came to `key` before, and then for `leave`, which never rejects. Without any of them at once. */
  async enter(key: string, leave: (() => Promise<void>) | undefined): Promise<void> {
    const earlier = this.#last.get(key);
    if (earlier === undefined && leave === undefined) return;
    const gate = (earlier ?? Promise.resolve()).then(() => leave?.());
    this.#last.set(key, gate);
    await gate;
    if (this.#last.get(key) === gate) this.#last.delete(key);
  }
}
