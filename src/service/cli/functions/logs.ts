/**
 * `skein functions logs`
 *
 * @module
 */

import { delay } from "../../../async/deadline.ts";
import type { ApiResult } from "../../../protocol/api/types.ts";
import { HELP, type Option, UsageError } from "../arguments.ts";
import { type Command, CONFIG, EXIT } from "../command.ts";
import { REMOTE, remoteOf } from "../user/remote.ts";

const FOLLOW: Option = { name: "follow", text: "Go on with what it prints from now on." };
/** Milliseconds between two looks. */
const PAUSE = 1000;

/** Prints what a function printed last. */
export const functionsLogs: Command = {
  usage: "[options] NAME",
  text: "Prints the last 200 lines of a function of the running service: its console, and how it failed.",
  options: [FOLLOW, ...REMOTE, CONFIG, HELP],
  settings: true,
  rest: 1,
  async run(args, io) {
    const [name] = args.rest;
    if (name === undefined) throw new UsageError("functions logs: needs the NAME of a function");
    const remote = await remoteOf(args, io);
    if (remote === undefined) return EXIT.failed;
    let after = 0;
    try {
      while (true) {
        const { lines, last } = await remote.call("function_logs", { function: name, after }) as ApiResult<
          "function_logs"
        >;
        for (const { at, level, text } of lines) {
          io.out(`${new Date(at).toISOString()} ${level.padEnd(5)} ${text}\n`);
        }
        if (!args.options.has(FOLLOW.name)) return EXIT.ok;
        after = last;
        await delay(PAUSE);
      }
    } catch (error) {
      io.err(`${(error as Error).message}\n`);
      return EXIT.failed;
    }
  },
};
