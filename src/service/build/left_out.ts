/**
 * Prints what `deno task compile` has to leave out of the program: the directory of test data in the package
 * `bintrees`, which prom-client needs by way of tdigest. `deno compile` (2.9) takes every file of a package for a
 * module, and its parser overflows its stack on that one, 100,000 numbers without a semicolon.
 *
 * @module
 */

const ROOT = decodeURIComponent(new URL("../../../", import.meta.url).pathname);

async function deno(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(300_000),
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Directories in a directory; none when it is not there. */
async function directories(path: string): Promise<string[]> {
  try {
    return await Array.fromAsync(Deno.readDir(path), ({ name }) => `${path}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw error;
  }
}

/**
 * The test data of `bintrees` in the package cache. Throws when there is none; then remove this file.
 * Exported for tests.
 */
export async function leftOut(): Promise<string> {
  // Nothing is in the cache of a machine that has not run the service yet.
  await deno("cache", "--quiet", "main.ts");
  const { npmCache } = JSON.parse(await deno("info", "--json")) as { npmCache: string };
  for (const registry of await directories(npmCache)) {
    for (const version of await directories(`${registry}/bintrees`)) {
      for (const path of await directories(version)) if (path.endsWith("/test")) return path;
    }
  }
  throw new Error("there is no bintrees any more: --exclude can go from the task");
}

if (import.meta.main) console.log(await leftOut());
