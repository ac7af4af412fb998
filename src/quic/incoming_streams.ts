/**
 * Streams that the peer opens, as they reach the application.
 *
 * @module
 */

/** Counts the peer's open streams, so that the application gets no more of them at once than it allows. */
export class StreamSlots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(slots: number) {
    this.#free = slots;
  }

  /** Takes a slot; a promise only when one has to wait for it. */
  acquire(): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free--;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Gives a slot back. */
  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }

  /** Lets everybody pass: the connection has ended. */
  open(): void {
    this.#free = Infinity;
    for (const next of this.#waiting.splice(0)) next();
  }
}

/**
 * The items of a W3C stream, each passed through `wrap`. Ends quietly when the stream fails, because `closed` tells how
 * a connection ended. Leaving a loop early leaves the rest for a later one.
 */
export class IncomingStreams<T, U> implements AsyncIterable<U> {
  readonly #open: () => ReadableStream<T>;
  readonly #wrap: (item: T) => U;
  readonly #slots: StreamSlots | undefined;
  #reader: ReadableStreamDefaultReader<T> | undefined;
  #pending: Promise<ReadableStreamReadResult<T>> | undefined;

  /**
   * @param open Called at first use.
   * @param slots A slot is taken for each item; `wrap` has to see that it is given back.
   */
  constructor(open: () => ReadableStream<T>, wrap: (item: T) => U, slots?: StreamSlots) {
    this.#open = open;
    this.#wrap = wrap;
    this.#slots = slots;
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
    const slot = this.#slots?.acquire();
    if (slot !== undefined) await slot;
    try {
      const pending = this.#pending ?? this.#read();
      this.#pending = undefined;
      const { done, value } = await pending;
      if (!done) return { done: false, value: this.#wrap(value) };
    } catch {
      // The connection has ended.
    }
    this.#slots?.release();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): AsyncIterator<U, undefined> {
    return { next: () => this.#next() };
  }
}
