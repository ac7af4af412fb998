/**
 * Waiting: for the event loop, and as long as a connection lives.
 *
 * @module
 */

import { deadline, settles } from "../async/deadline.ts";
import { QuicError } from "./errors.ts";

/** What can end. */
interface Ending {
  readonly closed: Promise<unknown>;
}

/** Resolves like `work`. Rejects with QuicError `timeout` after `ms` milliseconds, and when `connection` ends before. */
export function within<T>(ms: number, connection: Ending, work: Promise<T>): Promise<T> {
  const ended = connection.closed.then(() => {
    throw new QuicError("connection_ended", "the connection has ended");
  });
  return deadline(Promise.race([work, ended]), ms, () => new QuicError("timeout", `not within ${ms} ms`));
}

/** Resolves after `ms` milliseconds, or earlier when `connection` ends. */
export async function pause(ms: number, connection: Ending): Promise<void> {
  await settles(connection.closed, ms);
}

/** Calls `then` when the event loop has turned: what was sent before has left by then. */
export function afterTurn(then: () => void): void {
  // Deno has it, its types do not. A timer of 0 ms takes 2 ms there.
  const { setImmediate } = globalThis as { setImmediate?: (then: () => void) => unknown };
  if (setImmediate === undefined) setTimeout(then, 0);
  else setImmediate(then);
}
