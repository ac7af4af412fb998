/**
 * Values that may be there at once.
 *
 * @module
 */

/** A value now, or later. */
export type Maybe<T> = T | Promise<T>;

/** Calls `use` with the value: at once when it is there, so that a fast path costs no promise. */
export function when<T, U>(value: Maybe<T>, use: (value: T) => Maybe<U>): Maybe<U> {
  return value instanceof Promise ? value.then(use) : use(value);
}
