/**
 * The process as a module: version, uptime, memory, lag of the event loop, and errors that nothing caught.
 *
 * @module
 */

import type { Logger } from "../log/mod.ts";
import { counter, gauge, gauges, type Series } from "../metrics/series.ts";
import type { Module } from "../module.ts";
import { readDescriptors } from "./descriptors.ts";
import { guardProcess } from "./guard.ts";
import { ProcessSampler } from "./sampler.ts";

/** Measures the process, and keeps it alive when nothing catches an error. */
export class ProcessModule implements Module {
  readonly name = "process";
  readonly series: readonly Series[];
  readonly #node: string;
  readonly #version: string;
  readonly #log: Logger;
  readonly #sampler = new ProcessSampler();
  readonly #startedAt = Date.now();
  #unhandled = 0;
  #unguard: (() => void) | undefined;

  /** `node` is the name of this node, `version` the one of the service. */
  constructor(node: string, version: string, log: Logger) {
    this.#node = node;
    this.#version = version;
    this.#log = log;
    this.series = [
      counter(
        "skein_unhandled_rejections_total",
        "Rejections that nothing had caught.",
        () => this.#unhandled,
      ),
      gauges(
        "skein_build_info",
        "Always 1; the labels say what runs.",
        ["version", "deno"],
        () => [[[version, Deno.version.deno], 1]],
      ),
      ...processSeries(this.#sampler),
    ];
  }

  start(): void {
    this.#unguard = guardProcess(this.#log, () => this.#unhandled++);
    this.#sampler.start();
  }

  close(): void {
    this.#sampler.stop();
    this.#unguard?.();
  }

  status(): Record<string, unknown> {
    return {
      node: this.#node,
      version: this.#version,
      deno: Deno.version.deno,
      startedAt: this.#startedAt,
      process: this.#sampler.read(),
      // What the process may not see is left out.
      descriptors: readDescriptors(),
      unhandledRejections: this.#unhandled,
    };
  }
}

function processSeries(sampler: ProcessSampler): readonly Series[] {
  return [
    gauge("skein_process_resident_memory_bytes", "Resident memory.", () => sampler.read().residentBytes),
    gauge("skein_process_heap_bytes", "JavaScript heap in use.", () => sampler.read().heapUsedBytes),
    gauge(
      "skein_process_heap_reserved_bytes",
      "JavaScript heap in use and reserved.",
      () => sampler.read().heapTotalBytes,
    ),
    gauge(
      "skein_process_external_bytes",
      "Memory that JavaScript objects hold outside of the heap.",
      () => sampler.read().externalBytes,
    ),
    gauge(
      "skein_event_loop_lag_seconds",
      "How late the last timer came.",
      () => sampler.read().lagSeconds,
    ),
    gauge(
      "skein_event_loop_lag_max_seconds",
      "How late the latest timer of the last minute came.",
      () => sampler.read().lagMaxSeconds,
    ),
    counter(
      "skein_process_cpu_seconds_total",
      "Time of processors that the process took, in user mode and in the kernel.",
      () => sampler.read().cpuSeconds,
    ),
    gauge(
      "skein_process_open_descriptors",
      "Open file descriptors; left out where the process may not read /proc.",
      () => readDescriptors().open,
    ),
    gauge(
      "skein_process_max_descriptors",
      "File descriptors that may be open; left out where the process may not read /proc.",
      () => readDescriptors().limit,
    ),
    gauge(
      "skein_process_lowest_free_descriptor",
      "The lowest number that no descriptor has: all below it are open, and near the limit hardly any is left.",
      () => readDescriptors().lowestFree,
    ),
    gauge("skein_process_uptime_seconds", "Time since the start.", () => sampler.read().uptimeSeconds),
    gauge(
      "skein_process_start_time_seconds",
      "When the process started, in seconds since the epoch.",
      () => sampler.read().startedAt / 1000,
    ),
  ];
}

/** The name of this machine. */
export function hostname(): string {
  try {
    return Deno.hostname();
  } catch {
    return "skein";
  }
}
