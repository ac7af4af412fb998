/**
 * The contract of a subcommand, and what it gets from the process.
 *
 * @module
 */

import { type Accepts, type Arguments, type Option, UsageError } from "./arguments.ts";
import { CONFIG_VARIABLE } from "../config/environment.ts";
import { loadConfig, type LoadResult } from "../config/load.ts";
import { type Problem, problemLine } from "../config/problem.ts";

/** Exit codes. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** What a command gets from the process. */
export interface Io {
  readonly env: Readonly<Record<string, string>>;
  /** Writes to standard output, as it is. */
  out(text: string): void;
  /** Writes to standard error, as it is. */
  err(text: string): void;
  /** All of standard input. */
  input(): Promise<string>;
}

/** A subcommand. */
export interface Command extends Accepts {
  /** The arguments after the command's name in the help: `[options] USER`. */
  readonly usage: string;
  /** What it does, some lines. */
  readonly text: string;
  /** Resolves with the exit code. Throws UsageError for arguments that contradict each other. */
  run(args: Arguments, io: Io): Promise<number>;
}

/** Where the configuration is. */
export const CONFIG: Option = {
  name: "config",
  value: "FILE",
  text: `The configuration file. Default: ${CONFIG_VARIABLE}, else skein.jsonc here, if there is one.`,
};

const DEFAULT_FILE = "skein.jsonc";

/** An option's text; `undefined` when it was not given. */
export function valueOf(args: Arguments, name: string): string | undefined {
  const value = args.options.get(name);
  return typeof value === "string" ? value : undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

/** The configuration file of a command line; `undefined` when there is none. */
async function configPath(args: Arguments, io: Io): Promise<string | undefined> {
  const named = valueOf(args, CONFIG.name) ?? io.env[CONFIG_VARIABLE];
  if (named !== undefined && named !== "") return named;
  if (valueOf(args, CONFIG.name) === "") throw new UsageError("--config: needs a value, FILE");
  return await exists(DEFAULT_FILE) ? DEFAULT_FILE : undefined;
}

/** Problems on standard error, one line each. */
export function reportProblems(problems: readonly Problem[], io: Io): void {
  for (const problem of problems) io.err(`${problemLine(problem)}\n`);
}

/** Loads the configuration of a command line. */
export async function loadFor(
  args: Arguments,
  io: Io,
): Promise<LoadResult & { readonly path: string | undefined }> {
  const path = await configPath(args, io);
  return { ...await loadConfig({ path, env: io.env, flags: args.flags }), path };
}
