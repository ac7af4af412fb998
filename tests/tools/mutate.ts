/**
 * Measures what the tests notice: `deno run -A tests/tools/mutate.ts [--count 20] [--seed 1] [--room NAME ...]
 * [--at FILE:LINE ...] [--own] [--directory PATH] [--list]`.
 *
 * It puts one small fault at a time into a copy of the repository, runs the tests that import the source, and tells
 * whether one of them failed: first those of the room for all faults, then others for the faults that are left, each
 * time the fastest first. Failed means twice with the fault and not without it, or much slower than without it. Which
 * faults are tried is chosen by chance from the seed, `--count` in each room; `--at` tries all faults of a line
 * instead. `--own` leaves it at the room's own tests, which take minutes; the others take hours. The last lines are the
 * survivors and the share that was caught.
 *
 * With `--directory` the copy is kept there together with the results, and the same command goes on where it was
 * ended. Runs in different directories do not disturb one another, nor does what is edited meanwhile.
 *
 * @module
 */

import { appendLine, Copy, readLines } from "./mutant_copy.ts";
import { apply, findMutants, type Mutant } from "./mutants.ts";
import { sample } from "./sample.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** The rooms that are tried: where their sources are, and which tests may notice, in this order. */
const ROOMS: Readonly<Record<string, { readonly source: string; readonly tests: readonly string[] }>> = {
  session: { source: "src/session", tests: ["session", "client", "integration", "service"] },
  hub: { source: "src/hub", tests: ["hub", "handlers", "client", "integration", "service"] },
  engine: { source: "src/engine", tests: ["engine", "hub", "handlers", "files", "crash"] },
  client: { source: "src/client/session", tests: ["client", "documents", "integration"] },
  h3: { source: "src/quic/h3", tests: ["quic", "files/http3.test.ts", "integration"] },
};

interface Options {
  count: number;
  seed: number;
  rooms: string[];
  at: string[];
  own: boolean;
  list: boolean;
  directory: string | undefined;
}

interface Candidate {
  readonly room: string;
  readonly path: string;
  readonly mutant: Mutant;
}

/** What a directory of tests said of a fault; without `by` none of them noticed it. */
interface Tried {
  readonly name: string;
  readonly tests: string;
  readonly by?: string;
}

function readArguments(args: readonly string[]): Options {
  const options: Options = {
    count: 20,
    seed: 1,
    rooms: [],
    at: [],
    own: false,
    list: false,
    directory: undefined,
  };
  for (let i = 0; i < args.length; i++) {
    const name = args[i]!;
    const value = (): string => {
      const text = args[++i];
      if (text === undefined) throw new Error(`${name} wants a value`);
      return text;
    };
    if (name === "--list") options.list = true;
    else if (name === "--own") options.own = true;
    else if (name === "--count") options.count = Number(value());
    else if (name === "--seed") options.seed = Number(value());
    else if (name === "--room") options.rooms.push(value());
    else if (name === "--at") options.at.push(value());
    else if (name === "--directory") options.directory = value();
    else throw new Error(`no option ${name}`);
  }
  const stranger = options.rooms.find((room) => !(room in ROOMS));
  if (stranger !== undefined) {
    throw new Error(`no room ${stranger}; there are ${Object.keys(ROOMS).join(", ")}`);
  }
  if (options.rooms.length === 0) options.rooms = Object.keys(ROOMS);
  return options;
}

/** The faults to try: of the lines asked for, or the same number by chance in each room. */
async function choose(copy: Copy, options: Options): Promise<Candidate[]> {
  const chosen: Candidate[] = [];
  for (const room of options.rooms) {
    const candidates: Candidate[] = [];
    for (const path of await copy.files(ROOMS[room]!.source, ".ts")) {
      for (const mutant of findMutants(await copy.read(path))) candidates.push({ room, path, mutant });
    }
    chosen.push(
      ...options.at.length > 0
        ? candidates.filter(({ path, mutant }) => options.at.includes(`${path}:${mutant.line}`))
        : sample(candidates, ({ mutant }) => mutant.kind, options.count, options.seed),
    );
  }
  return chosen;
}

function nameOf({ path, mutant }: Candidate): string {
  return `${path}:${mutant.line}: ${mutant.kind}: ${mutant.change}`;
}

/** The test file of a directory that notices the fault; undefined when none does. */
async function findTest(
  copy: Copy,
  { path, mutant }: Candidate,
  directory: string,
): Promise<string | undefined> {
  return await copy.with(path, apply(await copy.read(path), mutant), async () => {
    for (const file of await copy.testsOf(directory, path)) {
      const result = await copy.try(file);
      if (result !== "ok") return result === "late" ? `${file.path} (too slow)` : file.path;
    }
    return undefined;
  });
}

/** Tries faults on one directory of tests after the other, and only those that are left; returns the survivors. */
async function tryAll(
  copy: Copy,
  chosen: readonly Candidate[],
  results: string,
  { own }: Options,
): Promise<Candidate[]> {
  const known = await readLines<Tried>(results);
  let left = chosen;
  const tiers = own ? 1 : Math.max(...Object.values(ROOMS).map(({ tests }) => tests.length));
  for (let tier = 0; tier < tiers; tier++) {
    const survivors: Candidate[] = [];
    for (const candidate of left) {
      const name = nameOf(candidate), tests = ROOMS[candidate.room]!.tests[tier];
      let tried = known.find((one) => one.name === name && (one.by !== undefined || one.tests === tests));
      if (tests !== undefined && tried === undefined) {
        const by = await findTest(copy, candidate, `tests/${tests}`);
        tried = { name, tests, ...by === undefined ? {} : { by } };
        await appendLine(results, tried);
        console.log(by === undefined ? `not by tests/${tests}: ${name}` : `caught: ${name} (by ${by})`);
      }
      if (tried?.by === undefined) survivors.push(candidate);
    }
    left = survivors;
  }
  return [...left];
}

function report(chosen: readonly Candidate[], survivors: readonly Candidate[]): void {
  console.log("\nsurvivors:");
  for (const survivor of survivors) console.log(`  ${nameOf(survivor)}`);
  const line = (title: string, all: number, alive: number): void =>
    console.log(`${title}: ${all - alive} of ${all} caught (${(100 * (all - alive) / all).toFixed(0)} %)`);
  for (const room of new Set(chosen.map((candidate) => candidate.room))) {
    const of = (list: readonly Candidate[]): number => list.filter((one) => one.room === room).length;
    line(room, of(chosen), of(survivors));
  }
  line("all", chosen.length, survivors.length);
}

async function main(): Promise<void> {
  const options = readArguments(Deno.args);
  const directory = options.directory ?? await Deno.makeTempDir({ prefix: "skein-mutants-" });
  const copy = await Copy.open(ROOT, directory);
  const clean = (): void => {
    copy.stop();
    if (options.directory === undefined) Deno.removeSync(directory, { recursive: true });
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      clean();
      Deno.exit(130);
    });
  }
  try {
    const chosen = await choose(copy, options);
    if (options.list) return chosen.forEach((candidate) => console.log(nameOf(candidate)));
    report(chosen, await tryAll(copy, chosen, `${directory}/results.jsonl`, options));
  } finally {
    clean();
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(2);
  }
}
