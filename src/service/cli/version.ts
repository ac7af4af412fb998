/**
 * `skein version`
 *
 * @module
 */

import { HELP } from "./arguments.ts";
import { type Command, EXIT, type Io } from "./command.ts";
import { VERSION } from "./version_number.ts";

/** Prints the version and what it runs on. */
export const version: Command = {
  usage: "",
  text: "Prints the version, and what it runs on.",
  options: [HELP],
  settings: false,
  rest: 0,
  run(_args, io: Io) {
    const { deno, v8 } = Deno.version;
    io.out(`skein ${VERSION} (deno ${deno}, v8 ${v8}, ${Deno.build.target})\n`);
    return Promise.resolve(EXIT.ok);
  },
};
