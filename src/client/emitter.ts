/**
 * Typed events, and async iterables over them.
 *
 * @module
 */

import { deferred } from "../async/deferred.ts";
import { SkeinError } from "./errors.ts";

/** Called with what happened. */
export type Listener<T> = (event: T) => void;

/** Events by name. A listener that throws harms neither the others nor the connection. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Calls `listener` at each `event`; returns what takes it off again. */
  on<E extends keyof Events>(event: E, listener: Listener<Events[E]>): () => void {
    let listeners = this.#listeners.get(event);
    if (listeners === undefined) this.#listeners.set(event, listeners = new Set());
    listeners.add(listener as Listener<never>);
    return () => this.off(event, listener);
  }

  /** Takes a listener off. */
  off<E extends keyof Events>(event: E, listener: Listener<Events[E]>): void {
    this.#listeners.get(event)?.delete(listener as Listener<never>);
  }

  /** Tells everybody who listens. */
  emit<E extends keyof Events>(event: E, value: Events[E]): void {
    const listeners = this.#listeners.get(event);
    if (listeners === undefined) return;
    for (const listener of [...listeners]) call(listener as Listener<Events[E]>, value);
  }

  /** Whether somebody listens. */
  has(event: keyof Events): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  /** Takes all listeners off. */
  clear(): void {
    this.#listeners.clear();
  }
}

/** Calls an application's function; what it throws goes to the console, because it is nobody else's business. */
export function call<T>(listener: Listener<T>, value: T): void {
  try {
    listener(value);
  } catch (error) {
    console.error("a Skein listener threw", error);
  }
}

/** An async iterable that is fed; ends with `return` or `end`. One consumer. */
export class Feed<T> implements AsyncIterableIterator<T> {
  readonly #max: number;
  readonly #onEnd: () => void;
  #items: T[] = [];
  #waiting: ((result: IteratorResult<T> | Promise<IteratorResult<T>>) => void)[] = [];
  #failure: unknown;
  #ended = false;

  /** Holds at most `max` items; a reader that falls further behind gets `slow_reader`. `onEnd` is called once. */
  constructor(max: number, onEnd: () => void) {
    this.#max = max;
    this.#onEnd = onEnd;
  }

  /** Gives an item to whoever reads. */
  push(item: T): void {
    if (this.#ended) return;
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return waiting({ value: item, done: false });
    if (this.#items.length >= this.#max) {
      this.#failure = new SkeinError("slow_reader", `more than ${this.#max} messages wait to be read`);
      return this.end();
    }
    this.#items.push(item);
  }

  /** Nothing more comes; what waits can still be read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const resolve of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
    this.#onEnd();
  }

  /** Nothing more comes, because of `error`: the reader gets it after what waits. */
  fail(error: unknown): void {
    if (this.#ended) return;
    if (this.#waiting.length > 0) {
      const { promise, reject } = deferred<IteratorResult<T>>();
      reject(error);
      promise.catch(() => {});
      this.#waiting.shift()!(promise);
    } else this.#failure = error;
    this.end();
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#items.length > 0) return Promise.resolve({ value: this.#items.shift()!, done: false });
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      return Promise.reject(failure);
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<T>> {
    this.#items = [];
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
