/**
 * `skein peer id`
 *
 * @module
 */

import { HELP } from "../arguments.ts";
import { type Command, EXIT } from "../command.ts";
import { reported } from "./errors.ts";
import { keyPath, loadKey } from "./key.ts";
import { KEY } from "./options.ts";

/** Prints the id of this device. */
export const peerId: Command = {
  usage: "[options]",
  text:
    "Prints the id of this device, under which others reach it, and makes its key first when there is none.\n" +
    "The id is the public key: give it to whom you like. The key stays in its file, readable by you alone.",
  options: [KEY, HELP],
  settings: false,
  rest: 0,
  run: (args, io) =>
    reported(io, async () => {
      const path = keyPath(args, io);
      const { identity, made } = await loadKey(path);
      if (made) io.err(`made a key: ${path}\n`);
      io.out(`${identity.id}\n`);
      return EXIT.ok;
    }),
};
