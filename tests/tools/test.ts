/**
 * The test command, `deno task test [--filter TEXT] [--verbose] [--no-install] [path ...]`.
 *
 * Every test file runs in a process of its own with a time limit: a file that hangs or crashes fails by its name, and
 * the others go on. The programs that tests need (`tests/support/needs.ts`) are installed from Debian where that is
 * allowed. Elsewhere the tests that lack one are listed, and with CI=true they count as failures.
 * The last line is `N passed, N failed`.
 *
 * @module
 */

import { find, type Need, NEEDS } from "../support/needs.ts";
import { lastLine, type Options, plan, readArguments, readOutput, Schedule, type TestFile } from "./plan.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
const INSTALL_LIMIT = 600_000;
const children = new Set<Deno.ChildProcess>();

interface Outcome {
  readonly file: TestFile;
  readonly passed: number;
  readonly failed: number;
  readonly ignored: readonly string[];
  /** What to show when it failed. */
  readonly output: string;
  readonly ms: number;
}

async function findFiles(paths: readonly string[]): Promise<TestFile[]> {
  const files: TestFile[] = [];
  const add = async (path: string): Promise<void> => {
    files.push(plan(path, await Deno.readTextFile(ROOT + path)));
  };
  const walk = async (directory: string): Promise<void> => {
    for await (const entry of Deno.readDir(ROOT + directory)) {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory) await walk(path);
      else if (entry.name.endsWith(".test.ts")) await add(path);
    }
  };
  for (const path of paths.length === 0 ? ["tests"] : paths) {
    const stat = await Deno.stat(ROOT + path).catch(() => undefined);
    if (stat === undefined) throw new Error(`no such file or directory: ${path}`);
    await (stat.isDirectory ? walk(path) : add(path));
  }
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Ends a child and everything it started: it leads a process group of its own. */
function end(child: Deno.ChildProcess): void {
  try {
    Deno.kill(-child.pid, "SIGKILL");
  } catch {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }
}

interface Ran {
  readonly code: number;
  readonly output: string;
  readonly timedOut: boolean;
}

/** Runs a command with both outputs in one text, bounded in time. */
async function run(command: string, args: readonly string[], limit: number, env = {}): Promise<Ran> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  children.add(child);
  let output = "", timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    end(child);
  }, limit);
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (
      const text of stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    ) {
      // Only the end of a very long output is kept: it has the failure.
      output = (output + text).slice(-4_000_000);
    }
  };
  const streams = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const { code } = await child.status;
  // Processes that the test left behind would keep the pipes open.
  end(child);
  await streams;
  clearTimeout(timer);
  children.delete(child);
  return { code, output, timedOut };
}

async function runFile(file: TestFile, options: Options): Promise<Outcome> {
  const start = performance.now();
  // All permissions: a browser's driver reads below /proc, and tests start servers and browsers.
  const args = ["test", "--no-check", "--lock=tests/deno.lock", "--frozen", "-A"];
  if (options.filter !== undefined) args.push(`--filter=${options.filter}`);
  const { code, output, timedOut } = await run(Deno.execPath(), [...args, file.path], file.limit);
  const ms = performance.now() - start;
  const result = readOutput(output) ?? { passed: 0, failed: 0, ignored: [] };
  if (timedOut) {
    const note = `${file.path} did not end within ${file.limit / 1000} s`;
    return { file, ...result, failed: result.failed + 1, output: `${output}\n${note}`, ms };
  }
  // A process that fails without a failed test died of something else: a leak at its end, a crash.
  const failed = code !== 0 && result.failed === 0 ? 1 : result.failed;
  return { file, ...result, failed, output, ms };
}

function report({ file, passed, failed, ignored, output, ms }: Outcome, verbose: boolean): void {
  if (failed > 0 || verbose) console.log(`\n--- ${file.path}\n${output.trim()}\n`);
  const counts = lastLine({ passed, failed, skipped: ignored.length });
  console.log(`${failed > 0 ? "FAILED" : "ok    "} ${file.path}: ${counts} (${(ms / 1000).toFixed(1)} s)`);
}

/** Installs what is missing where that is allowed; says what it does. */
async function install(files: readonly TestFile[], mayInstall: boolean): Promise<void> {
  const wanted = new Set(files.flatMap((file) => file.needs)).values().filter((need) => need in NEEDS);
  const absent = [...wanted as IteratorObject<Need>].filter((need) => find(need) === undefined);
  if (absent.length === 0) return;
  const packages = absent.map((need) => NEEDS[need].debian);
  const without = `tests that need ${absent.join(", ")} are left out`;
  if (!mayInstall) return console.log(`--no-install: ${without}`);
  const aptGet = "/usr/bin/apt-get";
  const isDebian = await Deno.stat(aptGet).then(() => true, () => false);
  if (!isDebian || Deno.uid() !== 0) {
    const hint = `apt-get install ${packages.join(" ")}`;
    return console.log(`not ${isDebian ? "root" : "Debian"}: ${without} (as root on Debian: ${hint})`);
  }
  console.log(`installing ${packages.join(", ")} from Debian`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const update = await run(aptGet, ["update", "-qq"], INSTALL_LIMIT, env);
  if (update.code !== 0) console.log(`apt-get update failed:\n${update.output.trim()}`);
  const args = ["install", "-y", "-qq", "--no-install-recommends"];
  const result = await run(aptGet, [...args, ...packages], INSTALL_LIMIT, env);
  if (result.code === 0) return;
  console.log(`apt-get install failed${result.timedOut ? " (too slow)" : ""}:\n${result.output.trim()}`);
  console.log(without);
}

async function main(): Promise<number> {
  const options = readArguments(Deno.args);
  const files = await findFiles(options.paths);
  await install(files, options.install);
  // Downloads what the tests import, so that it does not count against their time limits.
  const cache = await run(
    Deno.execPath(),
    ["cache", "--lock=tests/deno.lock", "--frozen", ...files.map(({ path }) => path)],
    INSTALL_LIMIT,
  );
  if (cache.code !== 0) console.log(cache.output.trim());

  const outcomes: Outcome[] = [];
  const schedule = new Schedule(files, navigator.hardwareConcurrency);
  const running = new Set<Promise<void>>();
  const start = async (file: TestFile): Promise<void> => {
    const outcome = await runFile(file, options);
    schedule.ended(file);
    outcomes.push(outcome);
    report(outcome, options.verbose);
  };
  for (;;) {
    for (let file = schedule.next(); file !== undefined; file = schedule.next()) {
      const run = start(file).finally(() => running.delete(run));
      running.add(run);
    }
    if (running.size === 0) break;
    await Promise.race(running);
  }

  const isCi = Deno.env.get("CI") === "true";
  const leftOut = outcomes.flatMap(({ file, ignored }) => ignored.map((name) => `  ${file.path}: ${name}`));
  if (leftOut.length > 0) {
    console.log(
      `\nleft out${isCi ? ", which counts as failed because CI=true" : ""}:\n${leftOut.join("\n")}`,
    );
  }
  const broken = outcomes.filter(({ failed }) => failed > 0).map(({ file }) => `  ${file.path}`);
  if (broken.length > 0) console.log(`\nfailed:\n${broken.join("\n")}`);
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0) + (isCi ? leftOut.length : 0);
  const isEmpty = passed + failed + leftOut.length === 0;
  if (isEmpty) console.log("\nno test was run");
  console.log(`\n${lastLine({ passed, failed, skipped: isCi ? 0 : leftOut.length })}`);
  return failed > 0 || isEmpty ? 1 : 0;
}

if (import.meta.main) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      for (const child of children) end(child);
      Deno.exit(130);
    });
  }
  try {
    Deno.exit(await main());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(2);
  }
}
