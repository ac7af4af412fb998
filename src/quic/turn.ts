/**
 * Waiting for the event loop.
 *
 * @module
 */

/** Calls `then` when the event loop has turned: what was sent before has left by then. */
export function afterTurn(then: () => void): void {
  // Deno has it, its types do not. A timer of 0 ms takes 2 ms there.
  const { setImmediate } = globalThis as { setImmediate?: (then: () => void) => unknown };
  if (setImmediate === undefined) setTimeout(then, 0);
  else setImmediate(then);
}
