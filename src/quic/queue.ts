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
   * @param limit How many items are kept; with more the oldest goes.
   * @param drop Told of each item that nobody will get.
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

/**
 * The items of a stream, each passed through `wrap`. Ends quietly when the stream fails, because the failure of a
 * connection is told by `closed`. Leaving a loop early leaves the rest for a later one.
 */
export class IncomingStreams<T, U> implements AsyncIterable<U> {
  readonly #open: () => ReadableStream<T>;
  readonly #wrap: (item: T) => U;
  #reader: ReadableStreamDefaultReader<T> | undefined;
  #pending: Promise<ReadableStreamReadResult<T>> | undefined;

  /** @param open Called at first use. */
  constructor(open: () => ReadableStream<T>, wrap: (item: T) => U) {
    this.#open = open;
    this.#wrap = wrap;
  }

  /** Resolves when there is an item to take, or at the end; takes nothing. */
  async arrival(): Promise<boolean> {
    try {
      return !(await (this.#pending ??= this.#read())).done;
    } catch {
      return false;
    }
  }

  #read(): Promise<ReadableStreamReadResult<T>> {
    this.#reader ??= this.#open().getReader();
    return this.#reader.read();
  }

  async #next(): Promise<IteratorResult<U, undefined>> {
    try {
      const pending = this.#pending ?? this.#read();
      this.#pending = undefined;
      const { done, value } = await pending;
      if (!done) return { done: false, value: this.#wrap(value) };
    } catch {
      // The connection has ended.
    }
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): AsyncIterator<U, undefined> {
    return { next: () => this.#next() };
  }
}
