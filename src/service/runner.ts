/**
 * Runs the modules of a service: starts them in order, gives them new configurations, ends them in reverse order.
 *
 * @module
 */

import { deadline } from "../async/deadline.ts";
import type { Config } from "./config/mod.ts";
import type { Logger } from "./log/mod.ts";
import type { Series } from "./metrics/series.ts";
import type { Module } from "./module.ts";

/** Times in milliseconds. */
export interface RunnerOptions {
  readonly log: Pick<Logger, "error">;
  /** How long a module may take to apply a configuration. @default 30000 */
  readonly applyTimeout?: number;
  /** How long a module may take to close, and to end a drain whose deadline has passed. @default 10000 */
  readonly closeTimeout?: number;
  /** Time between two sweeps. @default 1000 */
  readonly sweepInterval?: number;
}

/** A module did not finish in its time. It may still do so later. */
class LateError extends Error {
  override readonly name = "LateError";
}

/** An ordered list of modules with one life. */
export class ModuleRunner {
  readonly #modules: readonly Module[];
  readonly #log: Pick<Logger, "error">;
  readonly #applyTimeout: number;
  readonly #closeTimeout: number;
  readonly #sweepInterval: number;
  /** Those whose `start` was called, in order. */
  readonly #running: Module[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(modules: readonly Module[], options: RunnerOptions) {
    this.#modules = modules;
    this.#log = options.log;
    this.#applyTimeout = options.applyTimeout ?? 30_000;
    this.#closeTimeout = options.closeTimeout ?? 10_000;
    this.#sweepInterval = options.sweepInterval ?? 1000;
  }

  /** Starts every module in order. When one rejects, closes those that were reached, in reverse order, and rejects. */
  async start(config: Config): Promise<void> {
    try {
      for (const module of this.#modules) {
        this.#running.push(module);
        await module.start?.(config);
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#timer = setInterval(() => this.sweep(Date.now()), this.#sweepInterval);
  }

  /**
   * Puts `next` in force. `changed` are the dotted keys that differ from `previous`. When a module rejects, those
   * that had applied `next` go back in reverse order, and this rejects.
   */
  async apply(next: Config, previous: Config, changed: readonly string[]): Promise<void> {
    const applied: Module[] = [];
    for (const module of this.#running) {
      if (module.apply === undefined || !concerns(module, changed)) continue;
      try {
        await inTime(module.apply(next, previous), this.#applyTimeout);
      } catch (error) {
        // A module that is late may still arrive: it has to go back as well.
        if (error instanceof LateError) applied.push(module);
        await this.#rollBack(applied, next, previous);
        throw new Error(`${module.name}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
      applied.push(module);
    }
  }

  async #rollBack(applied: readonly Module[], next: Config, previous: Config): Promise<void> {
    for (const module of applied.toReversed()) {
      await this.#attempt("module could not go back to the previous configuration", module, () => {
        return inTime(module.apply!(previous, next), this.#applyTimeout);
      });
    }
  }

  /** Lets every module keep its deadlines; one that throws does not keep the others from it. */
  sweep(now: number): void {
    for (const module of this.#running) {
      try {
        module.sweep?.(now);
      } catch (error) {
        this.#log.error("sweep failed", { module: module.name, error });
      }
    }
  }

  /**
   * Drains in reverse order; together the modules have `deadline` milliseconds. Never rejects: a module that fails
   * or hangs is logged, and the next one follows.
   */
  async drain(deadline: number): Promise<void> {
    const until = performance.now() + deadline;
    for (const module of this.#running.toReversed()) {
      if (module.drain === undefined) continue;
      await this.#attempt("module could not drain", module, () => {
        const left = Math.max(0, until - performance.now());
        return inTime(module.drain!(left), left + this.#closeTimeout);
      });
    }
  }

  /** Closes in reverse order, each module once. Never rejects, as `drain`. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (let module = this.#running.pop(); module !== undefined; module = this.#running.pop()) {
      const { close } = module;
      if (close === undefined) continue;
      await this.#attempt("module could not close", module, () => {
        return inTime(close.call(module), this.#closeTimeout);
      });
    }
  }

  /** The fields of all modules for `/stats`. */
  status(): Record<string, unknown> {
    const all: Record<string, unknown> = {};
    for (const module of this.#running) {
      for (const [name, value] of Object.entries(module.status?.() ?? {})) {
        const before = all[name];
        all[name] = isObject(before) && isObject(value) ? { ...before, ...value } : value;
      }
    }
    return all;
  }

  /** The metrics of all modules. */
  series(): readonly Series[] {
    return this.#running.flatMap((module) => module.series ?? []);
  }

  /** The first module's reason for which no client should be sent here now. */
  notReady(): string | undefined {
    for (const module of this.#running) {
      const reason = module.notReady?.();
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  async #attempt(event: string, module: Module, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#log.error(event, { module: module.name, error });
    }
  }
}

function inTime<T>(work: T | Promise<T>, ms: number): Promise<T> {
  return deadline(Promise.resolve(work), ms, () => new LateError(`not done within ${Math.round(ms)} ms`));
}

function concerns({ keys = [], everyReload }: Module, changed: readonly string[]): boolean {
  return everyReload === true ||
    changed.some((key) =>
      keys.some((own) => key === own || key.startsWith(`${own}.`) || own.startsWith(`${key}.`))
    );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
