/**
 * Watching the configuration file, as a module. It is the last one: everything runs before anything can change.
 *
 * @module
 */

import type { Logger } from "../log/mod.ts";
import { counters, gauge, type Series } from "../metrics/series.ts";
import type { Module } from "../module.ts";
import { needsRestart } from "./diff.ts";
import type { Flags } from "./flags.ts";
import { type Problem, problemLine } from "./problem.ts";
import { type ConfigWatch, watchConfig } from "./reload.ts";
import type { Config } from "./schema.ts";

/** Where the configuration comes from, and who takes a new one. */
export interface ConfigModuleOptions {
  /** The file. @default none, and nothing is watched */
  readonly path: string | undefined;
  /** Environment and flags that override the file at each reload. */
  readonly env: Readonly<Record<string, string>> | undefined;
  readonly flags: Flags | undefined;
  /** Puts a configuration in force; when it rejects, the previous one is in force. */
  readonly apply: (next: Config, previous: Config, changed: readonly string[]) => Promise<void>;
  readonly log: Logger;
}

/** Reads the configuration again when its file changes. */
export class ConfigModule implements Module {
  readonly name = "configuration";
  readonly series: readonly Series[] = [
    counters(
      "skein_config_reloads_total",
      "Configurations read again.",
      ["result"],
      () => [[["ok"], this.#ok], [["failed"], this.#failed]],
    ),
    gauge(
      "skein_config_last_reload_success",
      "1 when the configuration last read was taken.",
      () => this.#lastOk ? 1 : 0,
    ),
  ];
  readonly #options: ConfigModuleOptions;
  #ok = 0;
  #failed = 0;
  #watch: ConfigWatch | undefined;
  #lastReload: { at: number; ok: boolean; problems: readonly string[] } | null = null;

  constructor(options: ConfigModuleOptions) {
    this.#options = options;
  }

  async start(config: Config): Promise<void> {
    const { path, env, flags, apply } = this.#options;
    if (path === undefined) return;
    this.#watch = await watchConfig({
      path,
      env,
      flags,
      current: config,
      onChange: async (next, previous, changed) => {
        await apply(next, previous, changed);
        const later = changed.filter(needsRestart);
        this.#taken({ changed, ...(later.length === 0 ? {} : { afterRestart: later }) });
      },
      onUnchanged: async (current) => {
        await apply(current, current, []);
        this.#taken({ changed: [] });
      },
      onProblems: (problems) => this.#refused(problems),
    });
  }

  /** Reads the file now; says whether what it found is in force. */
  reload(): Promise<boolean> {
    if (this.#watch === undefined) {
      this.#options.log.warn("nothing to reload: there is no configuration file");
    }
    return this.#watch?.reload() ?? Promise.resolve(false);
  }

  /** While the service drains, the configuration does not change any more. */
  async drain(): Promise<void> {
    await this.#watch?.close();
  }

  async close(): Promise<void> {
    await this.#watch?.close();
  }

  status(): Record<string, unknown> {
    const configReloads = { ok: this.#ok, failed: this.#failed, lastOk: this.#lastOk };
    return { lastReload: this.#lastReload, configReloads };
  }

  /** The configuration at the start counts as taken. */
  get #lastOk(): boolean {
    return this.#lastReload?.ok ?? true;
  }

  #taken(fields: Record<string, unknown>): void {
    this.#ok++;
    this.#lastReload = { at: Date.now(), ok: true, problems: [] };
    this.#options.log.info("configuration in force", fields);
  }

  #refused(problems: readonly Problem[]): void {
    const lines = problems.map((problem) => problemLine(problem));
    this.#failed++;
    this.#lastReload = { at: Date.now(), ok: false, problems: lines };
    this.#options.log.error("configuration refused, the last good one stays", {
      path: this.#options.path,
      problems: lines,
    });
  }
}
