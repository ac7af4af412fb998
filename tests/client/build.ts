/**
 * The SDK in one file, built as the service serves it.
 *
 * @module
 */

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** Runs Deno in the project's folder. Rejects with what it says when it fails. */
export async function runDeno(args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(60_000),
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** Runs the task that builds the SDK, into a directory of its own. */
export async function buildSdk(): Promise<{ code: string; map: string }> {
  const tasks = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)).tasks as Record<string, string>;
  const directory = await Deno.makeTempDir();
  try {
    // What pages with documents load besides is built after it.
    const [command] = tasks["build:client"]!.split(" && ") as [string];
    const [program, ...args] = command.split(" ").map((part) =>
      part === "dist/skein.js" ? `${directory}/skein.js` : part
    );
    if (program !== "deno") throw new Error(`build:client runs ${program}`);
    await runDeno(args);
    return {
      code: await Deno.readTextFile(`${directory}/skein.js`),
      map: await Deno.readTextFile(`${directory}/skein.js.map`),
    };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
