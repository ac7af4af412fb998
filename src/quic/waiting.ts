/**
 * Waiting: for the event loop, and as long as a connection lives.
 *
 * @module
 */

import { QuicError } from "./errors.ts";

/** What can end. */
interface Ending {
  readonly closed: Promise<unknown>;
}

/** Resolves like `work`. Rejects with QuicError `timeout` after `ms` milliseconds, and when `connection` ends before. */
export async function within<T>(ms: number, connection: Ending, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new QuicError("timeout", `not within ${ms} ms`)), ms);
  });
  const ended = connection.closed.then(() => {
    throw new QuicError("connection_ended", "the connection has ended");
  });
  try {
    return await Promise.race([work, late, ended]);
  } finally {
    clearTimeout(timer);
    ended.catch(() => {});
    work.catch(() => {});
  }
}

/** Resolves after `ms` milliseconds, or earlier when `connection` ends. */
export async function pause(ms: number, connection: Ending): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([new Promise((resolve) => timer = setTimeout(resolve, ms)), connection.closed]);
  clearTimeout(timer);
}

/** Calls `then` when the event loop has turned: what was sent before has left by then. */
export function afterTurn(then: () => void): void {
  // Deno has it, its types do not. A timer of 0 ms takes 2 ms there.
  const { setImmediate } = globalThis as { setImmediate?: (then: () => void) => unknown };
  if (setImmediate === undefined) setTimeout(then, 0);
  else setImmediate(then);
}
