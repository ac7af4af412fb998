/**
 * A bounded queue that is read as an async iterable.
 *
 * @module
 */

/** A bounded queue with one consumer. */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #limit: number;
  readonly #drop: (item: T) => void;
  readonly #waiting: ((result: IteratorResult<T, undefined>) => void)[] = [];
  #items: T[] = [];
  #ended = false;

  /**
   * @param limit How many items are kept; with more the oldest is dropped.
   * @param drop Called with each item that is dropped.
   */
  constructor(limit: number, drop: (item: T) => void = () => {}) {
    this.#limit = limit;
    this.#drop = drop;
  }

  /** Adds an item; after `end` it is dropped. */
  push(item: T): void {
    if (this.#ended) return this.#drop(item);
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return waiting({ done: false, value: item });
    this.#items.push(item);
    if (this.#items.length > this.#limit) this.#drop(this.#items.shift()!);
  }

  /** Ends the iteration after what is queued; with `discard` at once. */
  end(discard = false): void {
    this.#ended = true;
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
    if (!discard) return;
    for (const item of this.#items) this.#drop(item);
    this.#items = [];
  }

  /** The next item; waits for it. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#items.length > 0) return Promise.resolve({ done: false, value: this.#items.shift()! });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return { next: () => this.next() };
  }
}
