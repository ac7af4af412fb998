/**
 * A project of its own with the npm package in it, as a user of the SDK has one.
 *
 * @module
 */

import assert from "node:assert/strict";
import { packForNpm } from "../../src/client/build/npm.ts";

/** A directory with installed packages. */
export interface NpmProject {
  readonly directory: string;
  /** Runs a program there; resolves with what it wrote to its output, and fails with all it wrote. */
  run(program: string, ...args: string[]): Promise<string>;
  /** As `run`; the second text is what it wrote to its error output. */
  runBoth(program: string, ...args: string[]): Promise<[stdout: string, stderr: string]>;
}

/** What npm installs beside the SDK, by name. */
export type Packages = Readonly<Record<string, string>>;

/** Packs the SDK, writes `files`, installs packages, and removes all of it afterwards. */
export async function withNpmProject(
  { packages, files }: { packages: Packages; files: Readonly<Record<string, string>> },
  test: (project: NpmProject) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-npm-project-" });
  const runBoth = async (program: string, ...args: string[]): Promise<[string, string]> => {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args,
      cwd: directory,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(180_000),
    }).output();
    const [text, errors] = [new TextDecoder().decode(stdout), new TextDecoder().decode(stderr)];
    assert.ok(success, `${program} ${args.join(" ")}\n${text}${errors}`);
    return [text, errors];
  };
  const run = async (program: string, ...args: string[]): Promise<string> =>
    (await runBoth(program, ...args))[0];
  try {
    const tarball = await packForNpm(directory);
    const dependencies = { "@skein/client": `file:${tarball}`, ...packages };
    const manifest = { private: true, type: "module", dependencies };
    await Deno.writeTextFile(`${directory}/package.json`, JSON.stringify(manifest));
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${directory}/${name}`, text);
    await run("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--silent");
    await test({ directory, run, runBoth });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
