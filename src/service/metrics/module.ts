/**
 * Metrics as a module: sampling of the process begins and ends with the service.
 *
 * @module
 */

import type { Module } from "../module.ts";
import type { ServiceObserver } from "./mod.ts";

/** Samples the process while the service runs. */
export function metricsModule(observer: ServiceObserver): Module {
  return { name: "metrics", start: () => observer.start(), close: () => observer.stop() };
}
