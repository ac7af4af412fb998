/**
 * Something a component shows: a value that changes, and what keeps it fresh while somebody looks.
 *
 * @module
 */

/** A value as `useSyncExternalStore` reads it. Making one has no effect; `open` has. */
export interface View<T> {
  /** The value now, the same object until it changes. */
  get(): T;
  /** Calls `listener` at each change; returns what stops that. */
  subscribe(listener: () => void): () => void;
  /** Keeps the value fresh until the function it returns is called. May be opened again. */
  open(): () => void;
}

/** Keeps a view's value fresh; `set` changes it, and does nothing after the end. Returns what ends it. */
export type Source<T> = (set: (change: Partial<T>) => void, get: () => T) => () => void;

/** Makes a view. */
export function viewOf<T extends object>(initial: T, source: Source<T>): View<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    open() {
      let isOpen = true;
      const set = (change: Partial<T>): void => {
        if (!isOpen) return;
        value = { ...value, ...change };
        for (const listener of [...listeners]) listener();
      };
      const end = source(set, () => value);
      return () => {
        isOpen = false;
        end();
      };
    },
  };
}
