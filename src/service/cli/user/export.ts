/**
 * `skein user export`
 *
 * @module
 */

import type { ApiExport } from "../../../protocol/api/types.ts";
import { HELP, UsageError } from "../arguments.ts";
import { type Command, CONFIG, EXIT } from "../command.ts";
import { REMOTE, remoteOf } from "./remote.ts";

/** Prints what belongs to a user. */
export const userExport: Command = {
  usage: "[options] USER",
  text:
    "Prints what belongs to a user as lines of JSON: messages, read positions, documents they made, files with\n" +
    "their bytes (file_data, in base64). The last line says how many lines there were before it: without it the\n" +
    "export is not whole.",
  options: [...REMOTE, CONFIG, HELP],
  settings: true,
  rest: 1,
  async run(args, io) {
    const [user] = args.rest;
    if (user === undefined) throw new UsageError("USER: whose data?");
    const remote = await remoteOf(args, io);
    if (remote === undefined) return EXIT.failed;
    let cursor: string | undefined, lines = 0;
    try {
      do {
        const params = cursor === undefined ? { user } : { user, cursor };
        const { items, next } = await remote.call("user_export", params) as ApiExport;
        for (const item of items) io.out(`${JSON.stringify(item)}\n`);
        lines += items.length;
        cursor = next;
      } while (cursor !== undefined);
    } catch (error) {
      io.err(`${(error as Error).message}\n`);
      return EXIT.failed;
    }
    io.out(`${JSON.stringify({ kind: "end", user, lines })}\n`);
    return EXIT.ok;
  },
};
