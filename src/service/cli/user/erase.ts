/**
 * `skein user erase`
 *
 * @module
 */

import type { ApiErased } from "../../../protocol/api/types.ts";
import { HELP, UsageError } from "../arguments.ts";
import { type Command, CONFIG, EXIT } from "../command.ts";
import { REMOTE, remoteOf } from "./remote.ts";

/** Erases what belongs to a user. */
export const userErase: Command = {
  usage: "[options] USER --yes",
  text:
    "Erases what belongs to a user: messages (a mark without content stays in channels), the inbox, read positions,\n" +
    "documents they made, files. Ends their sessions and refuses the tokens they have. Cannot be undone; the service\n" +
    "stands still while it writes its database anew. Backups that were made before keep what they hold.",
  options: [{ name: "yes", text: "Needed: nothing brings it back." }, ...REMOTE, CONFIG, HELP],
  settings: true,
  rest: 1,
  async run(args, io) {
    const [user] = args.rest;
    if (user === undefined) throw new UsageError("USER: whose data?");
    if (!args.options.has("yes")) throw new UsageError("--yes: nothing brings it back; export it before");
    const remote = await remoteOf(args, io);
    if (remote === undefined) return EXIT.failed;
    try {
      for (;;) {
        const { done, messages, documents, files } = await remote.call("user_erase", { user }) as ApiErased;
        if (!done) continue;
        io.out(`erased: ${messages} messages, ${documents} documents, ${files} files\n`);
        return EXIT.ok;
      }
    } catch (error) {
      io.err(`${(error as Error).message}\n`);
      return EXIT.failed;
    }
  },
};
