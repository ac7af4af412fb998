/**
 * The pure part of the test command: which files run side by side, what they need, and how the output of `deno test` is
 * read.
 *
 * @module
 */

/**
 * What a file asks of the machine. `light`: a core at most. `heavy`: it starts browsers, networks or whole services, and
 * waits more than it computes. `exclusive`: it uses up the machine, or measures it.
 */
export type Weight = "light" | "heavy" | "exclusive";

/** One test file to run. */
export interface TestFile {
  readonly path: string;
  readonly weight: Weight;
  /** Programs that it declares to need. */
  readonly needs: readonly string[];
  /** Milliseconds after which it is taken to hang. */
  readonly limit: number;
}

/** Milliseconds after which a file is taken to hang: several times what it takes on a loaded machine. */
export const LIMITS: Readonly<Record<Weight, number>> = {
  light: 480_000,
  heavy: 720_000,
  exclusive: 720_000,
};

const EXCLUSIVE = /^tests\/attack\//;
/** Among them the packages of the SDK, which are installed, checked and bundled in projects of their own. */
const HEAVY = /^tests\/(integration\/|browsers\/|crash\/|client\/npm\.)/;

/** Plans one file by its path from the root and its source. */
export function plan(path: string, source: string): TestFile {
  const needs = new Set<string>();
  for (const [, list] of source.matchAll(/\btestWith\(\s*\[([^\]]*)\]/g)) {
    for (const [, need] of list!.matchAll(/["']([\w-]+)["']/g)) needs.add(need!);
  }
  const isHeavy = needs.size > 0 || HEAVY.test(path);
  const weight = EXCLUSIVE.test(path) ? "exclusive" : isHeavy ? "heavy" : "light";
  return { path, weight, needs: [...needs].sort(), limit: LIMITS[weight] };
}

/**
 * Which file runs next: light ones one more than there are cores, because some of them wait, and beside them one heavy
 * one. Heavy files that are left then run side by side, and exclusive ones come last, each alone.
 */
export class Schedule {
  readonly #most: number;
  readonly #waiting: Record<Weight, TestFile[]> = { light: [], heavy: [], exclusive: [] };
  readonly #running: Record<Weight, number> = { light: 0, heavy: 0, exclusive: 0 };

  constructor(files: readonly TestFile[], cores: number) {
    this.#most = Math.max(1, cores) + 1;
    for (const file of files) this.#waiting[file.weight].push(file);
  }

  /** The file to start now, or undefined when one has to end first, or none is left. */
  next(): TestFile | undefined {
    const { light, heavy, exclusive } = this.#running;
    if (exclusive > 0) return undefined;
    const { light: lightWaits, heavy: heavyWaits } = this.#waiting;
    const heavyAtOnce = lightWaits.length > 0 ? 1 : Math.max(1, this.#most - light);
    if (heavyWaits.length > 0 && heavy < heavyAtOnce) return this.#start("heavy");
    if (lightWaits.length > 0) return light < this.#most ? this.#start("light") : undefined;
    return heavyWaits.length + light + heavy === 0 ? this.#start("exclusive") : undefined;
  }

  /** A file that was started has ended. */
  ended({ weight }: TestFile): void {
    this.#running[weight]--;
  }

  #start(weight: Weight): TestFile | undefined {
    const file = this.#waiting[weight].shift();
    if (file !== undefined) this.#running[weight]++;
    return file;
  }
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
