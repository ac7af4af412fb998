/**
 * All fast checks in one command, `deno task ok`: format, lint with the table of rooms, types, documentation of the
 * public modules, and the rules for files. Prints one line for each check and the output of those that fail; the exit
 * code is 1 when one fails. `--fix` first corrects the format, the README's table of settings and the lock files.
 *
 * @module
 */

import { CLIENT_TYPES, CLOSES, ERRORS, SERVER_TYPES } from "../../src/protocol/mod.ts";
import { gzipped } from "../../src/service/http/compression.ts";
import { EXCEPTIONS, withoutExceptions } from "./exceptions.ts";
import { importCircles, readModules, roomCircles, unusedExports } from "./modules.ts";
import { isPortable } from "./rooms.ts";
import { packagesOf, reduceLock } from "./lock.ts";
import * as repository from "./repository.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
/** Milliseconds after which a check is taken to hang: types of everything take minutes on a machine with much other work. */
const DEADLINE = 600_000;

interface Check {
  readonly name: string;
  /** Resolves with what is wrong; with an empty text when nothing is. */
  run(): Promise<string>;
}

interface Outcome {
  readonly name: string;
  readonly problem: string;
  readonly ms: number;
}

async function deno(...args: string[]): Promise<{ ok: boolean; stdout: string; output: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(DEADLINE),
  });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  const out = decoder.decode(stdout);
  return { ok: success, stdout: out, output: (out + decoder.decode(stderr)).trim() };
}

function tool(name: string, ...args: string[]): Check {
  return {
    name,
    async run() {
      const { ok, output } = await deno(...args);
      return ok
        ? ""
        : output || `deno ${args.slice(0, 3).join(" ")} ... failed without a word, or took too long`;
    },
  };
}

function rule(name: string, find: () => string[] | Promise<string[]>): Check {
  return { name, run: async () => (await find()).join("\n") };
}

/** The README with its table of settings as the schema says. */
async function generatedReadme(readme: string): Promise<string> {
  const command = ["run", "--no-prompt", "--quiet", "-P=server", "main.ts", "config-schema", "--markdown"];
  const { ok, stdout, output } = await deno(...command);
  if (!ok) throw new Error(output);
  return repository.withConfiguration(readme, stdout);
}

const API_PAGE = "src/service/http/API.md";

/** The page of the server API with its methods as the table says. */
async function generatedApiPage(page: string): Promise<string> {
  const { methodsMarkdown } = await import("./api_page.ts");
  return repository.withGenerated(page, "methods", await methodsMarkdown());
}

/** Where the module graphs begin that a server and the pages it serves are made of. */
const PRODUCT = [
  "main.ts",
  "src/client/mod.ts",
  "src/client/build/yjs.ts",
  "src/client/groups.ts",
  "src/service/build/api_viewer.ts",
];
const LOCK = "deno.lock", TEST_LOCK = "tests/deno.lock";

/** `deno.lock` as it should be: the part of the tests' lock file that the product needs. */
async function generatedLock(): Promise<string> {
  const graphs = await Promise.all(PRODUCT.map(async (entry) => {
    const { ok, stdout, output } = await deno("info", "--json", `--lock=${TEST_LOCK}`, entry);
    if (!ok) throw new Error(output);
    return packagesOf(stdout);
  }));
  const lock = reduceLock(JSON.parse(await Deno.readTextFile(ROOT + TEST_LOCK)), graphs.flat());
  return JSON.stringify(lock, null, 2) + "\n";
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(ROOT + path).then(() => true, () => false);
}

/** Files under version control or about to be, with their text; binary ones are left out. */
async function readFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const walk = async (directory: string): Promise<void> => {
    for await (const entry of Deno.readDir(ROOT + directory)) {
      const path = directory + entry.name;
      if (entry.isDirectory) {
        const isOurs = directory === ""
          ? repository.TOP_LEVEL.includes(entry.name)
          : entry.name !== "node_modules";
        if (isOurs && path !== "certs") await walk(path + "/");
      } else if (
        /\.([cm]?[jt]sx?|md|jsonc?|html|css|ya?ml|sh)$/.test(entry.name) || path.startsWith(".ci/")
      ) {
        files.set(path, await Deno.readTextFile(ROOT + path));
      }
    }
  };
  await walk("");
  return files;
}

/** The names at the top level that git knows; without git, all names that are there. */
async function topLevel(): Promise<string[]> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["ls-files", "--cached", "--others", "--exclude-standard"],
      cwd: ROOT,
      stderr: "null",
    }).output();
    if (success) return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
  } catch {
    // No git: fall through to the directory itself.
  }
  const ignored = [".git", "data", "dist", "coverage", "node_modules"];
  return (await Array.fromAsync(Deno.readDir(ROOT), ({ name }) => name)).filter((name) =>
    !ignored.includes(name)
  );
}

/**
 * Modules that the SDK loads in a browser although the linter does not check that they run there. The module that dials
 * native QUIC does not count: it is imported dynamically, and only where `Deno` exists.
 */
async function unportable(): Promise<string[]> {
  if (!await exists("src/client/mod.ts")) return [];
  const { ok, stdout, output } = await deno("info", "--json", "src/client/mod.ts");
  if (!ok) return [output];
  interface Dependency {
    readonly code?: { readonly specifier?: string };
    readonly isDynamic?: boolean;
  }
  const graph = JSON.parse(stdout) as { modules: { specifier: string; dependencies?: Dependency[] }[] };
  const modules = new Map(graph.modules.map((module) => [module.specifier, module]));
  const source = new URL("../../src/", import.meta.url).href;
  const found: string[] = [];
  const seen = new Set<string>();
  const visit = (specifier: string, by: string): void => {
    if (seen.has(specifier) || !specifier.startsWith(source)) return;
    seen.add(specifier);
    const file = decodeURIComponent(specifier.slice(source.length));
    if (!isPortable(file)) found.push(`src/${file}, imported by src/${by}, is not held to run in browsers`);
    for (const { code, isDynamic } of modules.get(specifier)?.dependencies ?? []) {
      const isNative = isDynamic && code?.specifier?.endsWith("/native.ts");
      if (code?.specifier && !isNative) visit(code.specifier, file);
    }
  };
  visit(source + "client/mod.ts", "client/mod.ts");
  return found;
}

/** Bytes of the compressed SDK, with room for the line that names its source map. */
const MOST_OF_SDK = 40 * 1024 - 48;

/** Whether the SDK is larger than its bound; its test says more. */
async function oversizedSdk(build: string): Promise<string[]> {
  const [, ...args] = build.split(" && ")[0]!.replace(/ -o \S+| --sourcemap\S*/g, "").split(" ");
  const { ok, stdout, output } = await deno(...args);
  if (!ok) return [output];
  const { length } = gzipped(new TextEncoder().encode(stdout));
  return length <= MOST_OF_SDK ? [] : [`the SDK has ${length} bytes compressed, at most ${MOST_OF_SDK}`];
}

async function checks(): Promise<Check[]> {
  const files = await readFiles();
  const code = [...files.keys()].filter((path) => /\.tsx?$/.test(path));
  const project = JSON.parse(files.get("deno.json")!) as {
    exports: Record<string, string>;
    tasks: Record<string, string>;
  };
  const exported = Object.values(project.exports);
  const modules = readModules(files);
  // Build steps and import maps name modules, too.
  const named = [...files].filter(([path]) => path.endsWith(".json"));
  const doors = named.flatMap(([path, text]) =>
    [...text.matchAll(/(?<=[\s"])(?:\.\.?\/)*([\w./-]+\.ts)\b/g)].map(([specifier]) =>
      decodeURIComponent(new URL(specifier, `file:///${path}`).pathname.slice(1))
    )
  );
  const there = new Map<string, boolean>();
  const { stdout } = await deno("--version");
  const all: Check[] = [
    tool("format", "fmt", "--check"),
    tool("types", "check", "--quiet", `--lock=${TEST_LOCK}`, "--frozen", ...code),
    tool("lint", "lint", "--quiet"),
    rule("documentation", async () => {
      const { ok, output } = await deno("doc", "--lint", ...exported);
      if (ok) return [];
      return /^error\[/m.test(output) ? repository.documentationProblems(output, files, ROOT) : [output];
    }),
    rule("import circles", () => withoutExceptions(importCircles(modules), EXCEPTIONS.circles)),
    rule("room circles", () => roomCircles(modules)),
    rule("unused exports", () => withoutExceptions(unusedExports(modules, doors), EXCEPTIONS.unused)),
    rule("size of files", () => withoutExceptions(repository.tooLong(files), EXCEPTIONS.length)),
    rule("unfinished work", () => repository.unfinished(files)),
    rule("property tests", () => [
      ...repository.badProperties(files),
      ...repository.untestedProperties(files),
    ]),
    rule("test names", () => withoutExceptions(repository.badTestNames(files), EXCEPTIONS.testNames)),
    rule("foreign hosts", () => repository.foreignHosts(files)),
    rule("top level", async () => repository.strayTopLevel(await topLevel())),
    rule("what browsers import", unportable),
    rule("size of the SDK", () => oversizedSdk(project.tasks["build:client"]!)),
    rule("configuration table", async () => {
      const readme = files.get("README.md") ?? "";
      return await generatedReadme(readme) === readme
        ? []
        : ["README.md is not what `deno task ok --fix` makes it"];
    }),
    rule("methods of the API", async () => {
      const page = files.get(API_PAGE) ?? "";
      return await generatedApiPage(page) === page
        ? []
        : [`${API_PAGE} is not what \`deno task ok --fix\` makes it`];
    }),
    rule(
      "packages of the product",
      async () =>
        await generatedLock() === await Deno.readTextFile(ROOT + LOCK)
          ? []
          : [`${LOCK} is not what \`deno task ok --fix\` makes it; run tests by \`deno task test\``],
    ),
    rule("links", async () => {
      // Two rounds, because `exists` is asynchronous: the first one collects the paths to look up.
      repository.brokenLinks(files, (path) => !!there.set(path, false));
      for (const path of there.keys()) there.set(path, await exists(path));
      return repository.brokenLinks(files, (path) => there.get(path) === true);
    }),
    rule("deno version", () => {
      const pinned = new Set<string>();
      for (const [path, text] of files) {
        if (path.startsWith("tests/tools/")) continue;
        for (const [, version] of text.matchAll(/\bdeno@(\d+\.\d+\.\d+)/g)) pinned.add(version!);
      }
      const running = /deno (\S+)/.exec(stdout)?.[1] ?? "unknown";
      const others = [...pinned].filter((version) => version !== running);
      return others.map((version) => `deno ${version} is named somewhere, this is ${running}`);
    }),
  ];
  if (Deno.env.get("CI") === "true") {
    // The other checks have updated the lock file by now: it differs when that was not committed.
    all.push(rule("lock file", async () => {
      const options: Deno.CommandOptions = { args: ["diff", "--quiet", "--", LOCK, TEST_LOCK], cwd: ROOT };
      // Without git there is nothing to compare with.
      const code = await new Deno.Command("git", options).output().then((result) => result.code, () => 0);
      return code === 1 ? [`${LOCK} or ${TEST_LOCK} as committed does not hold what is imported`] : [];
    }));
  }
  const protocol = files.get("src/protocol/PROTOCOL.md");
  if (protocol !== undefined) {
    const names = [CLIENT_TYPES, SERVER_TYPES, ERRORS, CLOSES].flatMap(Object.keys);
    all.push(rule("protocol document", () => repository.undocumented(new Set(names), protocol)));
  }
  return all;
}

/** Corrects what a program can correct: the format, the README's table of settings, the lock files. */
async function fix(): Promise<void> {
  const readme = await Deno.readTextFile(ROOT + "README.md");
  const made = await generatedReadme(readme);
  if (made !== readme) await Deno.writeTextFile(ROOT + "README.md", made);
  const page = await Deno.readTextFile(ROOT + API_PAGE);
  await Deno.writeTextFile(ROOT + API_PAGE, await generatedApiPage(page));
  const code = [...(await readFiles()).keys()].filter((path) => /\.tsx?$/.test(path));
  const cached = await deno("cache", "--quiet", `--lock=${TEST_LOCK}`, ...code);
  if (!cached.ok) throw new Error(cached.output);
  await Deno.writeTextFile(ROOT + LOCK, await generatedLock());
  await deno("fmt", "--quiet");
}

async function main(): Promise<void> {
  if (Deno.args.includes("--fix")) await fix();
  const begun = performance.now();
  const queue = await checks();
  const failed: Outcome[] = [];
  const total = queue.length;
  const work = async (): Promise<void> => {
    for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
      const start = performance.now();
      const problem = await check.run().catch((error: unknown) => String(error));
      const outcome = { name: check.name, problem, ms: performance.now() - start };
      console.log(
        `${problem === "" ? "ok    " : "FAILED"} ${check.name} (${(outcome.ms / 1000).toFixed(1)} s)`,
      );
      if (problem !== "") failed.push(outcome);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, navigator.hardwareConcurrency) }, work));
  for (const { name, problem } of failed) console.log(`\n--- ${name}\n${problem}`);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`\n${total - failed.length} of ${total} checks passed in ${seconds} s`);
  if (failed.length > 0) Deno.exitCode = 1;
}

if (import.meta.main) await main();
