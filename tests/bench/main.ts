/**
 * `deno task bench [--only TEXT] [--rounds N] [--within MINUTES] [--json FILE] [--markdown FILE] [--list]`: measures Skein,
 * the bare runtime and other libraries with the same work, in turns, and prints the medians of the rounds as a table and
 * as JSON. `--within` ends the run in time: a round of all scenarios, and as many more as there is time for.
 * `--markdown` puts the table into a page, between its two marks; rows that were not measured stay as they are.
 *
 * @module
 */

import { withTable } from "./page.ts";
import { type Measure, type Result, type Scenario, type Side, SIDES, summarise, table } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
/** Milliseconds after which a measurement is taken to hang. */
const LIMIT = 300_000;
/** Milliseconds a measurement gets at least: none is begun with less to go. */
const LEAST = 15_000;

interface Options {
  readonly only: string | undefined;
  readonly rounds: number;
  /** Milliseconds the run may take. */
  readonly within: number;
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  readonly list: boolean;
}

function readArguments(args: readonly string[]): Options {
  let only: string | undefined, json: string | undefined, markdown: string | undefined;
  let rounds = 5, within = Infinity, list = false;
  for (let i = 0; i < args.length; i++) {
    const [name, inline] = args[i]!.split("=", 2) as [string, string | undefined];
    const value = (): string => {
      const given = inline ?? args[++i];
      if (given === undefined) throw new Error(`${name} wants a value`);
      return given;
    };
    if (name === "--only") only = value();
    else if (name === "--json") json = value();
    else if (name === "--markdown") markdown = value();
    else if (name === "--rounds") rounds = Number(value());
    else if (name === "--within") within = Number(value()) * 60_000;
    else if (name === "--list") list = true;
    else {throw new Error(
        `no option ${name}; there are --only TEXT, --rounds N, --within MINUTES, --json FILE, --markdown FILE, --list`,
      );}
  }
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds wants a whole number from 1");
  if (!(within > 0)) throw new Error("--within wants a number of minutes");
  return { only, rounds, within, json, markdown, list };
}

async function measure(scenario: Scenario, side: Side, limit: number): Promise<Measure> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "--no-check", "-A", "tests/bench/one.ts", scenario.name, side],
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    signal: AbortSignal.timeout(limit),
  }).output();
  if (code !== 0) throw new Error(`${scenario.name}, ${side}: the measurement failed`);
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

/** What was measured, round by round: all scenarios, then all of them again. */
class Run {
  readonly #measured = new Map<Scenario, Record<Side, Measure[]>>();
  readonly #scenarios: readonly Scenario[];
  readonly #end: number;
  /** Milliseconds of one measurement at most: one that hangs must not take the time of all others. */
  readonly #limit: number;
  /** Measurements that failed. The others are made all the same. */
  readonly failed = new Set<string>();

  constructor(scenarios: readonly Scenario[], within: number) {
    this.#scenarios = scenarios.toSorted((a, b) => Number(a.slow ?? false) - Number(b.slow ?? false));
    this.#end = performance.now() + within;
    this.#limit = Math.min(LIMIT, within / 10);
  }

  /** Results of what was measured so far. */
  results(): Result[] {
    return [...this.#measured].map(([scenario, measured]) => summarise(scenario, measured));
  }

  /** One more measurement of each scenario. False: there is no time left. */
  async round(name: string, each: () => Promise<void>): Promise<boolean> {
    for (const [at, scenario] of this.#scenarios.entries()) {
      if (this.#end - performance.now() < LEAST) return false;
      if (this.failed.has(scenario.name)) continue;
      console.error(`${name}, ${at + 1}/${this.#scenarios.length} ${scenario.name}`);
      try {
        await this.#take(scenario);
        await each();
      } catch (error) {
        console.error(error instanceof Error ? error.message : error);
        this.failed.add(scenario.name);
      }
    }
    return true;
  }

  /** All sides or none: a ratio needs both of one round. In turns, so that other load of the machine hits them alike. */
  async #take(scenario: Scenario): Promise<void> {
    const taken: [Side, Measure][] = [];
    for (const side of SIDES) {
      if (!scenario[side]) continue;
      const limit = Math.max(LEAST, Math.min(this.#limit, this.#end - performance.now()));
      taken.push([side, await measure(scenario, side, limit)]);
    }
    let measured = this.#measured.get(scenario);
    if (measured === undefined) {
      this.#measured.set(scenario, measured = { bare: [], skein: [], ws: [], "socket.io": [] });
    }
    for (const [side, value] of taken) measured[side].push(value);
  }
}

function machine(): Record<string, unknown> {
  const cpu = /^model name\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1];
  return {
    deno: Deno.version.deno,
    cores: navigator.hardwareConcurrency,
    cpu,
    memory: Deno.systemMemoryInfo().total,
    kernel: Deno.osRelease(),
  };
}

/** Puts the results into a page. */
async function refresh(path: string, results: readonly Result[]): Promise<void> {
  const { deno, cores, cpu } = machine();
  const date = new Date().toISOString().slice(0, 10);
  const [load] = Deno.loadavg();
  const shared = load! > 1.5 * Number(cores)
    ? ` The machine was shared with others (load ${load!.toFixed(0)}).`
    : "";
  const counts = results.map(({ rounds }) => rounds);
  const least = Math.min(...counts), most = Math.max(...counts);
  const about =
    `Measured last on ${date}: ${cpu}, ${cores} cores, loopback, client and server on the same cores, ` +
    `Deno ${deno}, ${least === most ? most : `${least} to ${most}`} ${
      most === 1 ? "round" : "rounds"
    }.${shared}`;
  const page = await Deno.readTextFile(path);
  const names = SCENARIOS.map(({ name }) => name);
  await Deno.writeTextFile(path, withTable(page, results, { date, about, names }));
}

async function main(): Promise<void> {
  const options = readArguments(Deno.args);
  const chosen = SCENARIOS.filter(({ name }) => `${name} `.includes(options.only ?? ""));
  if (chosen.length === 0) throw new Error(`no scenario's name has "${options.only}" in it; see --list`);
  if (options.list) return console.log(chosen.map(({ name }) => name).join("\n"));
  const run = new Run(chosen, options.within);
  for (let round = 1; round <= options.rounds; round++) {
    const goesOn = await run.round(`round ${round}`, async () => {
      if (options.markdown !== undefined) await refresh(options.markdown, run.results());
    });
    if (!goesOn) break;
  }
  const results = run.results();
  console.log(table(results));
  if (run.failed.size > 0) Deno.exitCode = 1;
  if (options.json !== undefined) {
    const report = { date: new Date().toISOString(), machine: machine(), results };
    await Deno.writeTextFile(options.json, JSON.stringify(report, undefined, 2) + "\n");
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
