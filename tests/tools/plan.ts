/**
 * The pure part of the test command: which files run side by side, what they need, and how the output of `deno test` is
 * read.
 *
 * @module
 */

/** One test file to run. */
export interface TestFile {
  readonly path: string;
  /** It starts servers, browsers or many connections: nothing else runs beside it. */
  readonly alone: boolean;
  /** Programs that it declares to need. */
  readonly needs: readonly string[];
  /** Milliseconds after which it is taken to hang. */
  readonly limit: number;
}

/** Time for a file that runs beside others, in milliseconds. */
export const UNIT_LIMIT = 90_000;
/** Time for a file that runs alone, in milliseconds. */
export const ALONE_LIMIT = 240_000;

const ALONE = /^tests\/(attack|integration|browsers?|crash|e2e)\//;

/** Plans one file by its path from the root and its source. */
export function plan(path: string, source: string): TestFile {
  const needs = new Set<string>();
  for (const [, list] of source.matchAll(/\btestWith\(\s*\[([^\]]*)\]/g)) {
    for (const [, need] of list!.matchAll(/["']([\w-]+)["']/g)) needs.add(need!);
  }
  const alone = needs.size > 0 || ALONE.test(path);
  return { path, alone, needs: [...needs].sort(), limit: alone ? ALONE_LIMIT : UNIT_LIMIT };
}

/** The result of one file. */
export interface FileResult {
  readonly passed: number;
  readonly failed: number;
  /** Names of the tests that were left out. */
  readonly ignored: readonly string[];
}

/**
 * Reads the output of `deno test` without colours. Returns undefined when it has no summary: the process ended
 * before it could give one.
 */
export function readOutput(output: string): FileResult | undefined {
  const summary = [
    ...output.matchAll(
      /^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?/gm,
    ),
  ].at(-1);
  if (summary === undefined) return undefined;
  const ignored = [...output.matchAll(/^(\S.*?) \.\.\. ignored \(.*?\)$/gm)].map((match) => match[1]!);
  return { passed: Number(summary[1]), failed: Number(summary[2]), ignored };
}

/** Counts of a whole run. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The last line of the test command: `N passed, N failed`, and `, N skipped` when some were left out. */
export function lastLine({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed` + (skipped > 0 ? `, ${skipped} skipped` : "");
}

/** What the command line of the test command asks for. */
export interface Options {
  /** Test files or directories, from the root; empty is all of `tests/`. */
  readonly paths: readonly string[];
  readonly filter: string | undefined;
  /** Shows all output, not only that of failures. */
  readonly verbose: boolean;
  /** Installs what is missing, where it may. */
  readonly install: boolean;
}

/** Reads the command line. Throws with one line for the user when it makes no sense. */
export function readArguments(args: readonly string[]): Options {
  const paths: string[] = [];
  let filter: string | undefined, verbose = false, install = true;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--verbose") verbose = true;
    else if (arg === "--no-install") install = false;
    else if (arg === "--filter") {
      filter = args[++i];
      if (filter === undefined) throw new Error("--filter wants a word or a /regular expression/");
    } else if (arg.startsWith("--filter=")) filter = arg.slice("--filter=".length);
    else if (arg.startsWith("-")) {
      throw new Error(`no option ${arg}; there are --filter TEXT, --verbose, --no-install, and paths`);
    } else paths.push(arg.replace(/^\.\//, "").replace(/\/$/, ""));
  }
  return { paths, filter, verbose, install };
}
