/**
 * A bound on waiting.
 *
 * @module
 */

/** Something did not end in time. */
export class LateError extends Error {
  override readonly name = "LateError";
}

/** The result of `work`; rejects with LateError when there is none after `ms` milliseconds. `work` itself goes on. */
export async function within<T>(work: T | Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LateError(`not done within ${Math.round(ms)} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
