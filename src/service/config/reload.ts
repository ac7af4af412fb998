/**
 * Follows the configuration file. When it cannot be used, the last good configuration stays in force.
 *
 * @module
 */

import { materialProblems } from "./check.ts";
import { completeText } from "./complete.ts";
import { diffConfig } from "./diff.ts";
import { loadConfig, type LoadOptions } from "./load.ts";
import type { Problem } from "./problem.ts";
import type { Config } from "./schema.ts";
import { type FileWatch, watchFile, type WatchOptions } from "./watch.ts";

/** Options of `watchConfig`. */
export interface ConfigWatchOptions
  extends Pick<LoadOptions, "env" | "flags">, Pick<WatchOptions, "quiet" | "poll"> {
  readonly path: string;
  /** Milliseconds that a file which is empty, half written or gone may stay so before it is refused. @default 1000 */
  readonly patience?: number;
  /** The configuration in force. */
  readonly current: Config;
  /**
   * Called with a valid configuration that differs from `current`. Calls never overlap. When it rejects, `onProblems` is
   * called and `current` stays.
   */
  readonly onChange: (next: Config, previous: Config, changed: readonly string[]) => void | Promise<void>;
  /** Called with at least one problem when the configuration cannot be used; once for each version of the file. */
  readonly onProblems: (problems: readonly Problem[]) => void;
  /**
   * Called when the configuration is valid and the same as before; files that it names may have other content. When it
   * rejects, `onProblems` is called. @default nothing
   */
  readonly onUnchanged?: (current: Config) => void | Promise<void>;
}

/** A configuration that is being watched. */
export interface ConfigWatch {
  /** The last good configuration. */
  readonly current: Config;
  /** Loads now, whether the file has changed or not (SIGHUP). Resolves with whether what it found is good. */
  reload(): Promise<boolean>;
  /** Ends watching; no callback begins afterwards. */
  close(): Promise<void>;
}

/** Watches a configuration's file, with the same environment and flags over it as at the start. */
export async function watchConfig(options: ConfigWatchOptions): Promise<ConfigWatch> {
  const { path, env, flags, patience = 1000, onChange, onProblems, onUnchanged } = options;
  let current = options.current;
  let closed = false;
  let turn: Promise<unknown> = Promise.resolve();

  const load = async (): Promise<boolean> => {
    if (closed) return false;
    const text = await completeText(path, { patience, ended: () => closed });
    if (closed) return false;
    const result = await loadConfig({ path, text, env, flags });
    const problems = result.config === undefined
      ? result.problems
      : await problemsInForce(result.config, current, path);
    if (closed) return false;
    if (result.config === undefined || problems.length > 0) {
      onProblems(problems);
      return false;
    }
    const changed = diffConfig(current, result.config);
    try {
      if (changed.length === 0) await onUnchanged?.(current);
      else await onChange(result.config, current, changed);
    } catch (error) {
      const message = `cannot be put in force: ${error instanceof Error ? error.message : String(error)}`;
      onProblems([{ key: changed.join(", ") || "keys", message, where: path }]);
      return false;
    }
    current = result.config;
    return true;
  };
  const reload = (): Promise<boolean> => {
    const result = turn.then(load);
    turn = result.catch(() => {});
    return result;
  };

  const watch: FileWatch = await watchFile(path, {
    onChange: async () => void await reload(),
    ...options.quiet === undefined ? {} : { quiet: options.quiet },
    ...options.poll === undefined ? {} : { poll: options.poll },
  });
  return {
    get current() {
      return current;
    },
    reload,
    async close() {
      closed = true;
      await watch.close();
      await turn;
    },
  };
}

/** What keeps a valid configuration from taking the place of `current`. */
async function problemsInForce(next: Config, current: Config, path: string): Promise<readonly Problem[]> {
  if (current.env === "production" && next.env !== "production") {
    const message = `"${next.env}" is refused while the service runs in production; it needs a restart`;
    return [{ key: "env", message, where: path }];
  }
  return await materialProblems(next);
}
