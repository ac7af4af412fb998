/**
 * How the process of an isolate is started: by the executable that runs the service.
 *
 * @module
 */

import { ISOLATE_COMMAND } from "./child/exits.ts";

/** Variables that a runtime needs to find its cache; an isolate gets no other. */
const PASSED_ON = ["HOME", "DENO_DIR", "XDG_CACHE_HOME"] as const;

/**
 * The service may run its own executable and no other program: `--allow-run=/proc/self/exe`. Elsewhere than on Linux there
 * is no such name, and the permission has to name the path.
 */
const EXECUTABLE = Deno.build.os === "linux" ? "/proc/self/exe" : Deno.execPath();

const FOLDER = new URL("./child/", import.meta.url);

/** The command that starts an isolate of at most `memory` resident bytes. */
export function isolateCommand(memory: number): Deno.Command {
  const args = Deno.build.standalone ? [ISOLATE_COMMAND] : [
    "run",
    "--quiet",
    "--no-prompt",
    "--no-config",
    "--no-lock",
    "--no-remote",
    "--no-npm",
    "--unstable-worker-options",
    `--allow-read=${decodeURIComponent(FOLDER.pathname)}`,
    decodeURIComponent(new URL("./supervisor.ts", FOLDER).pathname),
  ];
  return new Deno.Command(EXECUTABLE, {
    args: [...args, String(memory)],
    clearEnv: true,
    env: passedOn(),
    cwd: "/",
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
}

function passedOn(): Record<string, string> {
  const env: Record<string, string> = { NO_COLOR: "1" };
  for (const name of PASSED_ON) {
    const value = Deno.env.get(name);
    if (value !== undefined) env[name] = value;
  }
  return env;
}
