/**
 * Errors that nothing caught: they are logged and counted, and the process goes on serving.
 *
 * @module
 */

import type { Logger } from "../log/mod.ts";

/**
 * Keeps the process alive on unhandled rejections and on errors thrown in event handlers; `counted` is called for
 * each. Returns a function that removes the guard.
 */
export function guardProcess(log: Logger, counted: () => void): () => void {
  const rejected = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    counted();
    log.error("unhandled rejection", { error: event.reason });
  };
  const thrown = (event: ErrorEvent) => {
    event.preventDefault();
    counted();
    log.error("uncaught error", { error: event.error ?? event.message });
  };
  globalThis.addEventListener("unhandledrejection", rejected);
  globalThis.addEventListener("error", thrown);
  return () => {
    globalThis.removeEventListener("unhandledrejection", rejected);
    globalThis.removeEventListener("error", thrown);
  };
}
