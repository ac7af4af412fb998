/**
 * The engine as a module.
 *
 * @module
 */

import type { Engine } from "../../engine/contract.ts";
import type { Config } from "../config/mod.ts";
import type { Logger } from "../log/mod.ts";
import { Histogram } from "../metrics/histogram.ts";
import { gauge, histograms, type Series } from "../metrics/series.ts";
import { type Module, started } from "../module.ts";
import { type OpenEngine, openEngine } from "./open.ts";

/** Upper bounds, in seconds, of the time of a transaction. */
const TIME_BOUNDS: readonly number[] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1];
/** Upper bounds, in seconds, of the time in which the database is written anew. */
const SCRUB_BOUNDS: readonly number[] = [0.1, 1, 5, 15, 60, 300, 1800];
/** Upper bounds of how much is committed together. */
const SIZE_BOUNDS: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200];

/** Opens the engine that `engine` asks for; a change of `engine` needs a restart. */
export class EngineModule implements Module {
  readonly name = "engine";
  readonly #failed: (error: unknown, stage: string) => void;
  readonly #commitTime = new Histogram(TIME_BOUNDS);
  readonly #commitSize = new Histogram(SIZE_BOUNDS);
  readonly #scrubTime = new Histogram(SCRUB_BOUNDS);
  readonly #scrubSlice = new Histogram(TIME_BOUNDS);
  readonly series: readonly Series[] = [
    histograms(
      "skein_engine_commit_seconds",
      "Time of a transaction of the engine, in which the event loop waits.",
      [],
      TIME_BOUNDS,
      () => [[[], this.#commitTime]],
    ),
    histograms(
      "skein_engine_commit_records",
      "Messages and values that a transaction of the engine held.",
      [],
      SIZE_BOUNDS,
      () => [[[], this.#commitSize]],
    ),
    histograms(
      "skein_engine_scrub_seconds",
      "Time in which the database was written anew after a user was erased, a little at a time.",
      [],
      SCRUB_BOUNDS,
      () => [[[], this.#scrubTime]],
    ),
    histograms(
      "skein_engine_scrub_slice_seconds",
      "Of each time that the database was written anew the longest slice, in which the event loop waited.",
      [],
      TIME_BOUNDS,
      () => [[[], this.#scrubSlice]],
    ),
    gauge(
      "skein_engine_channels",
      "Channels that the engine has in memory.",
      () => this.#engine?.status().channels,
    ),
    gauge(
      "skein_engine_bytes",
      "Bytes of the database in use: engine.sqlite.maxSize is their limit. Only with an engine that has a disk.",
      () => this.#engine?.status().bytes,
    ),
  ];
  readonly #open: OpenEngine;
  readonly #log: Logger | undefined;
  #engine: Engine | undefined;

  /** `failed` is told of failures that nobody waits for. `open`: how the engine is opened. */
  constructor(
    failed: (error: unknown, stage: string) => void,
    open: OpenEngine = openEngine,
    log?: Logger,
  ) {
    this.#failed = failed;
    this.#open = open;
    this.#log = log;
  }

  /** The open engine. */
  get engine(): Engine {
    return started(this.#engine, this.name);
  }

  async start(config: Config): Promise<void> {
    this.#engine = await this.#open(config, this.#failed, (count, ms) => {
      this.#commitTime.observe(ms / 1000);
      this.#commitSize.observe(count);
    }, ({ ms, worked, longest }) => {
      this.#scrubTime.observe(ms / 1000);
      this.#scrubSlice.observe(longest / 1000);
      const [of, most] = [worked, longest].map(Math.round);
      this.#log?.info("database written anew", {
        ms: Math.round(ms),
        worked: of,
        longest: most,
        bytes: this.#engine?.status().bytes,
      });
    });
  }

  sweep(): void {
    this.#engine?.sweep();
  }

  async close(): Promise<void> {
    await this.#engine?.close();
  }

  status(): Record<string, unknown> {
    return { engine: { name: this.engine.name, ...this.engine.status() } };
  }

  notReady(): string | undefined {
    return this.engine.healthy() ? undefined : "engine";
  }
}
