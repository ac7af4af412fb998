/**
 * A promise and what settles it: `Promise.withResolvers` for runtimes that have none yet (Node 20, older Safari).
 *
 * @module
 */

/** A promise together with what settles it. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason: unknown) => void;
}

/** A new promise that is settled by its `resolve` or `reject`. */
export function deferred<T>(): Deferred<T> {
  let resolve!: Deferred<T>["resolve"], reject!: Deferred<T>["reject"];
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** The promise itself; when it rejects and nobody waits for it, that is not reported as unhandled. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Runs `run` at once; what it throws is a rejection. Nobody has to look at the promise. */
export function attempt<T>(run: () => T | PromiseLike<T>): Promise<T> {
  return handled((async () => await run())());
}

/** As `deferred`; a rejection that nobody waits for is not reported as unhandled. */
export function quietDeferred<T>(): Deferred<T> {
  const made = deferred<T>();
  handled(made.promise);
  return made;
}
