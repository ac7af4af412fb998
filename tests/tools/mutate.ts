/**
 * Measures what the tests notice: `deno run -A tests/tools/mutate.ts [--count 100] [--seed 1] [--room NAME ...]
 * [--at FILE:LINE ...] [--list] [--out FILE]`.
 *
 * It puts one small fault at a time into a copy of the repository, runs the tests of the room, and tells whether one
 * of them failed. Which faults are tried is chosen by chance from the seed, the same number in each room. Test files
 * run one at a time, the fastest first, until one fails twice; a file that takes much longer than without the fault
 * counts as failed. `--at` tries all faults of a line. The last lines are the survivors and the share that was caught.
 *
 * @module
 */

import { apply, findMutants, type Mutant } from "./mutants.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** The rooms that are tried: where their sources are, and which tests are theirs. */
const ROOMS: Readonly<Record<string, { readonly source: string; readonly tests: readonly string[] }>> = {
  session: {
    source: "src/session",
    tests: ["tests/session", "tests/client", "tests/integration", "tests/service"],
  },
  hub: {
    source: "src/hub",
    tests: ["tests/hub", "tests/handlers", "tests/client", "tests/integration", "tests/service"],
  },
  engine: { source: "src/engine", tests: ["tests/engine", "tests/hub", "tests/handlers", "tests/crash"] },
  client: { source: "src/client/session", tests: ["tests/client", "tests/integration", "tests/documents"] },
  h3: { source: "src/quic/h3", tests: ["tests/quic", "tests/files/http3.test.ts", "tests/integration"] },
};

/** A test file may take so many times as long as without a fault, and so many milliseconds more. */
const PATIENCE = { times: 3, more: 15_000 };
/** Test files that take longer than this without a fault are left out, in milliseconds. */
const TOO_LONG = 120_000;
/** Browsers are slow, and say little about one line. */
const LEFT_OUT = /testWith\(/;

interface Options {
  count: number;
  seed: number;
  rooms: string[];
  at: string[];
  list: boolean;
  out: string | undefined;
}

interface Candidate {
  readonly room: string;
  readonly path: string;
  readonly mutant: Mutant;
}

interface TestFile {
  readonly path: string;
  readonly ms: number;
  /** Sources it imports, directly or not; undefined: it starts programs, which may load anything. */
  readonly sources: ReadonlySet<string> | undefined;
}

function readArguments(args: readonly string[]): Options {
  const options: Options = { count: 100, seed: 1, rooms: [], at: [], list: false, out: undefined };
  for (let i = 0; i < args.length; i++) {
    const name = args[i]!;
    const value = (): string => {
      const text = args[++i];
      if (text === undefined) throw new Error(`${name} wants a value`);
      return text;
    };
    if (name === "--list") options.list = true;
    else if (name === "--count") options.count = Number(value());
    else if (name === "--seed") options.seed = Number(value());
    else if (name === "--room") options.rooms.push(value());
    else if (name === "--at") options.at.push(value());
    else if (name === "--out") options.out = value();
    else throw new Error(`no option ${name}`);
  }
  const stranger = options.rooms.find((room) => !(room in ROOMS));
  if (stranger !== undefined) {
    throw new Error(`no room ${stranger}; there are ${Object.keys(ROOMS).join(", ")}`);
  }
  if (options.rooms.length === 0) options.rooms = Object.keys(ROOMS);
  return options;
}

async function* walk(directory: string, ending: string): AsyncGenerator<string> {
  const stat = await Deno.stat(ROOT + directory);
  if (stat.isFile) return yield directory;
  for await (const entry of Deno.readDir(ROOT + directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* walk(path, ending);
    else if (entry.name.endsWith(ending)) yield path;
  }
}

/** Numbers by chance that are the same each time (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The faults to try: of the lines asked for, or the same number by chance in each room. */
async function choose(options: Options): Promise<Candidate[]> {
  const random = seeded(options.seed);
  const chosen: Candidate[] = [];
  for (const [n, room] of options.rooms.entries()) {
    const candidates: Candidate[] = [];
    const paths = await Array.fromAsync(walk(ROOMS[room]!.source, ".ts"));
    for (const path of paths.sort()) {
      for (const mutant of findMutants(await Deno.readTextFile(ROOT + path))) {
        candidates.push({ room, path, mutant });
      }
    }
    if (options.at.length > 0) {
      chosen.push(...candidates.filter(({ path, mutant }) => options.at.includes(`${path}:${mutant.line}`)));
      continue;
    }
    const wanted = Math.floor(options.count * (n + 1) / options.rooms.length) -
      Math.floor(options.count * n / options.rooms.length);
    for (let i = 0; i < wanted && candidates.length > 0; i++) {
      // First the kind, so that tables of numbers do not take all places.
      const kinds = [...new Set(candidates.map(({ mutant }) => mutant.kind))];
      const kind = kinds[Math.floor(random() * kinds.length)]!;
      const ofKind = candidates.filter(({ mutant }) => mutant.kind === kind);
      const one = ofKind[Math.floor(random() * ofKind.length)]!;
      candidates.splice(candidates.indexOf(one), 1);
      chosen.push(one);
    }
  }
  return chosen;
}

/** Runs a command with low priority in a process group of its own, which ends with it. */
async function run(cwd: string, args: readonly string[], limit: number): Promise<"ok" | "failed" | "late"> {
  const child = new Deno.Command("nice", {
    args: ["-n", "10", Deno.execPath(), ...args],
    cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  const end = (): void => {
    try {
      Deno.kill(-child.pid, "SIGKILL");
    } catch {
      // Nothing of it is left.
    }
  };
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end();
  }, limit);
  running = end;
  const { code } = await child.status;
  running = undefined;
  end();
  clearTimeout(timer);
  return late ? "late" : code === 0 ? "ok" : "failed";
}

let running: (() => void) | undefined;

function runTest(copy: string, path: string, limit: number): Promise<"ok" | "failed" | "late"> {
  const args = [
    "test",
    "--no-check",
    "--lock=tests/deno.lock",
    "--frozen",
    "--fail-fast",
    "-A",
    "--v8-flags=--max-old-space-size=2048",
  ];
  return run(copy, [...args, path], limit);
}

/** Runs each test file once without a fault: how long it takes, and whether it can be relied on. */
async function measure(copy: string, rooms: readonly string[]): Promise<Map<string, TestFile>> {
  const files = new Map<string, TestFile>();
  for (const path of new Set(rooms.flatMap((room) => ROOMS[room]!.tests))) {
    for (const file of (await Array.fromAsync(walk(path, ".test.ts"))).sort()) {
      const text = await Deno.readTextFile(ROOT + file);
      if (files.has(file) || LEFT_OUT.test(text)) continue;
      const sources = await sourcesOf(copy, file);
      // One that knows nothing of the rooms is not run at all.
      const isOf = rooms.some((room) =>
        sources === undefined || [...sources].some((source) => source.startsWith(`${ROOMS[room]!.source}/`))
      );
      if (!isOf) continue;
      const begun = performance.now();
      const result = await runTest(copy, file, TOO_LONG);
      const ms = performance.now() - begun;
      if (result === "ok") files.set(file, { path: file, ms, sources });
      else console.log(`left out, ${result === "late" ? "too slow" : "fails"} without a fault: ${file}`);
    }
  }
  return files;
}

/** What a test file imports of `src/`, directly or not. */
async function sourcesOf(copy: string, path: string): Promise<Set<string> | undefined> {
  if (/new Deno\.Command|startServer\(/.test(await Deno.readTextFile(ROOT + path))) return undefined;
  const command = new Deno.Command(Deno.execPath(), { args: ["info", "--json", path], cwd: copy });
  const { stdout } = await command.output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: { local?: string }[] };
  const inside = modules.map(({ local }) => local ?? "").filter((local) => local.startsWith(copy));
  return new Set(inside.map((local) => local.slice(copy.length)));
}

/** The tests that may notice a fault in `path`, the fastest first. */
function testsOf(files: Iterable<TestFile>, { room, path }: Candidate): TestFile[] {
  const of = (test: string): boolean =>
    ROOMS[room]!.tests.some((own) => test === own || test.startsWith(`${own}/`));
  return [...files].filter((test) => of(test.path) && (test.sources?.has(path) ?? true))
    .sort((a, b) => a.ms - b.ms);
}

/** Copies what git knows of, as it stands now. */
async function makeCopy(): Promise<string> {
  const copy = `${await Deno.makeTempDir({ prefix: "skein-mutants-" })}/`;
  const list = new Deno.Command("git", {
    args: ["ls-files", "--cached", "--others", "--exclude-standard"],
    cwd: ROOT,
  });
  const { stdout } = await list.output();
  for (const path of new TextDecoder().decode(stdout).split("\n")) {
    if (path === "" || !await Deno.stat(ROOT + path).then(() => true, () => false)) continue;
    await Deno.mkdir(copy + path.replace(/[^/]*$/, ""), { recursive: true });
    await Deno.copyFile(ROOT + path, copy + path);
  }
  return copy;
}

async function main(): Promise<void> {
  const options = readArguments(Deno.args);
  const chosen = await choose(options);
  const name = ({ path, mutant }: Candidate): string =>
    `${path}:${mutant.line}: ${mutant.kind}: ${mutant.change}`;
  if (options.list) return chosen.forEach((candidate) => console.log(name(candidate)));
  const log = (line: string): void => {
    console.log(line);
    if (options.out !== undefined) Deno.writeTextFileSync(options.out, `${line}\n`, { append: true });
  };
  const copy = await makeCopy();
  const clean = (): void => {
    running?.();
    Deno.removeSync(copy, { recursive: true });
  };
  Deno.addSignalListener("SIGINT", () => {
    clean();
    Deno.exit(130);
  });
  try {
    const rooms = options.rooms.filter((room) => chosen.some((candidate) => candidate.room === room));
    const files = await measure(copy, rooms);
    log(`${chosen.length} faults, ${files.size} test files, seed ${options.seed}`);
    const survivors: Candidate[] = [];
    for (const candidate of chosen) {
      const source = await Deno.readTextFile(ROOT + candidate.path);
      await Deno.writeTextFile(copy + candidate.path, apply(source, candidate.mutant));
      let caught: string | undefined;
      for (const { path, ms } of testsOf(files.values(), candidate)) {
        const limit = ms * PATIENCE.times + PATIENCE.more;
        if (await runTest(copy, path, limit) === "ok") continue;
        // Once may have been the machine.
        const result = await runTest(copy, path, limit);
        if (result === "ok") continue;
        caught = result === "late" ? `${path} (too slow)` : path;
        break;
      }
      await Deno.writeTextFile(copy + candidate.path, source);
      if (caught === undefined) survivors.push(candidate);
      log(
        `${caught === undefined ? "SURVIVED" : "caught  "} ${name(candidate)}${
          caught === undefined ? "" : ` (by ${caught})`
        }`,
      );
    }
    log("\nsurvivors:");
    for (const survivor of survivors) log(`  ${name(survivor)}`);
    for (const room of rooms) {
      const all = chosen.filter((candidate) => candidate.room === room).length;
      log(`${room}: ${all - survivors.filter((each) => each.room === room).length} of ${all} caught`);
    }
    const caught = chosen.length - survivors.length;
    log(`${caught} of ${chosen.length} caught (${(100 * caught / chosen.length).toFixed(0)} %)`);
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
