/**
 * What a function finds in its global scope.
 *
 * @module
 */

import type { SendLine } from "./lines.ts";

/** Levels of the console, and what of the log they are. */
const LEVELS: Readonly<Record<string, string>> = {
  debug: "debug",
  trace: "debug",
  log: "info",
  info: "info",
  dir: "info",
  table: "info",
  warn: "warn",
  error: "error",
};

/**
 * What is taken away. Nothing here is needed to hold the function: it has no permissions. Without them a function that
 * reaches for the process fails in the line where it does so, and a stray write cannot break the frames.
 */
const HIDDEN = [
  "Deno",
  "process",
  "global",
  "nodeBootstrap",
  "Worker",
  "WebSocket",
  "EventSource",
  "BroadcastChannel",
  "caches",
  "close",
  "postMessage",
  "onmessage",
  "alert",
  "confirm",
  "prompt",
];

/** Most characters of a line. */
const MAX_LINE = 4096;

/** Gives the scope a console that calls `log`, and takes away what leads out of it. */
export function isolateGlobals(log: SendLine): void {
  const { inspect } = Deno;
  const format = (values: readonly unknown[]): string =>
    values.map((value) => typeof value === "string" ? value : inspect(value)).join(" ").slice(0, MAX_LINE);
  const silent = (): void => {};
  const console: Record<string, unknown> = {};
  for (const name of Object.keys(globalThis.console)) console[name] = silent;
  for (const [name, level] of Object.entries(LEVELS)) {
    console[name] = (...values: readonly unknown[]) => log(level, () => format(values));
  }
  console.assert = (holds: unknown, ...values: readonly unknown[]) => {
    if (!holds) log("error", () => `Assertion failed: ${format(values)}`);
  };
  const scope = globalThis as unknown as Record<string, unknown>;
  scope.console = console;
  for (const name of HIDDEN) {
    if (!(name in scope)) continue;
    if (!delete scope[name]) Object.defineProperty(scope, name, { value: undefined });
  }
  scope.fetch = () => Promise.reject(new TypeError("a function has no fetch: use context.fetch"));
}
