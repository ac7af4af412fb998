/**
 * The log as a module: it follows `log`.
 *
 * @module
 */

import type { Module } from "../module.ts";
import type { Logger } from "./mod.ts";

/** Keeps the level and the format of `log` as the configuration says. */
export function logModule(log: Logger): Module {
  return { name: "log", keys: ["log"], apply: (next) => log.configure(next.log) };
}
