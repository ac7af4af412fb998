/**
 * `deno task bench [--only TEXT] [--rounds N] [--json FILE] [--markdown FILE] [--list]`: measures Skein, the bare runtime
 * and other libraries with the same work, in turns, and prints the medians of the rounds as a table and as JSON.
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

interface Options {
  readonly only: string | undefined;
  readonly rounds: number;
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  readonly list: boolean;
}

function readArguments(args: readonly string[]): Options {
  let only: string | undefined, json: string | undefined, markdown: string | undefined;
  let rounds = 5, list = false;
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
    else if (name === "--list") list = true;
    else {throw new Error(
        `no option ${name}; there are --only TEXT, --rounds N, --json FILE, --markdown FILE, --list`,
      );}
  }
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds wants a whole number from 1");
  return { only, rounds, json, markdown, list };
}

async function measure(scenario: Scenario, side: Side): Promise<Measure> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "--no-check", "-A", "tests/bench/one.ts", scenario.name, side],
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdout: "piped",
    stderr: "inherit",
    signal: AbortSignal.timeout(LIMIT),
  }).output();
  if (code !== 0) throw new Error(`${scenario.name}, ${side}: the measurement failed`);
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

async function run(scenario: Scenario, rounds: number): Promise<Result> {
  const measured: Record<Side, Measure[]> = { bare: [], skein: [], ws: [], "socket.io": [] };
  for (let round = 0; round < rounds; round++) {
    // In turns, so that other load of the machine hits all sides alike.
    for (const side of SIDES) if (scenario[side]) measured[side].push(await measure(scenario, side));
  }
  return summarise(scenario, measured);
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
async function refresh(path: string, results: readonly Result[], rounds: number): Promise<void> {
  const { deno, cores, cpu } = machine();
  const date = new Date().toISOString().slice(0, 10);
  const [load] = Deno.loadavg();
  const shared = load! > 1.5 * Number(cores)
    ? ` The machine was shared with others (load ${load!.toFixed(0)}).`
    : "";
  const about =
    `Measured last on ${date}: ${cpu}, ${cores} cores, loopback, client and server on the same cores, ` +
    `Deno ${deno}, medians of ${rounds} rounds.${shared}`;
  const page = await Deno.readTextFile(path);
  const names = SCENARIOS.map(({ name }) => name);
  await Deno.writeTextFile(path, withTable(page, results, { date, about, names }));
}

async function main(): Promise<void> {
  const options = readArguments(Deno.args);
  const chosen = SCENARIOS.filter(({ name }) => `${name} `.includes(options.only ?? ""));
  if (chosen.length === 0) throw new Error(`no scenario's name has "${options.only}" in it; see --list`);
  if (options.list) return console.log(chosen.map(({ name }) => name).join("\n"));
  const results: Result[] = [];
  let failed = 0;
  for (const [at, scenario] of chosen.entries()) {
    console.error(`${at + 1}/${chosen.length} ${scenario.name}`);
    try {
      results.push(await run(scenario, options.rounds));
    } catch (error) {
      // The others are measured all the same: all of them together take an hour.
      console.error(error instanceof Error ? error.message : error);
      failed++;
      continue;
    }
    if (options.markdown !== undefined) await refresh(options.markdown, results, options.rounds);
  }
  console.log(table(results));
  if (failed > 0) Deno.exitCode = 1;
  if (options.json !== undefined) {
    const report = { date: new Date().toISOString(), machine: machine(), rounds: options.rounds, results };
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
