/**
 * `skein functions list`
 *
 * @module
 */

import type { ApiFunction, ApiResult } from "../../../protocol/api/types.ts";
import { HELP } from "../arguments.ts";
import { type Command, CONFIG, EXIT } from "../command.ts";
import { REMOTE, remoteOf } from "../user/remote.ts";

/** Prints the functions of the running service. */
export const functionsList: Command = {
  usage: "[options]",
  text:
    "Prints the functions of the running service: versions, calls, commands, and what is wrong with a file.",
  options: [...REMOTE, CONFIG, HELP],
  settings: true,
  rest: 0,
  async run(args, io) {
    const remote = await remoteOf(args, io);
    if (remote === undefined) return EXIT.failed;
    try {
      const { functions } = await remote.call("functions", {}) as ApiResult<"functions">;
      io.out(functions.length === 0 ? "no functions\n" : functions.map(describe).join(""));
      return EXIT.ok;
    } catch (error) {
      io.err(`${(error as Error).message}\n`);
      return EXIT.failed;
    }
  },
};

function describe({ name, version, problem, commands, alive, memory, calls }: ApiFunction): string {
  const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
  const failed = total - (calls.ok ?? 0);
  const facts = [
    version ?? "not loaded",
    alive ? `running, ${Math.round(memory / 1024 ** 2)} MiB` : "idle",
    `${total} calls${failed === 0 ? "" : `, ${failed} failed`}`,
  ];
  const lines = [`${name}  ${facts.join("  ")}`, ...commands.map((usage) => `  ${usage}`)];
  if (problem !== undefined) lines.push(`  problem: ${problem}`);
  return lines.map((line) => `${line}\n`).join("");
}
