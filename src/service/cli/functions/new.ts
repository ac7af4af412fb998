/**
 * `skein functions new`
 *
 * @module
 */

import ASSISTANT from "../../../functions/examples/assistant.ts" with { type: "text" };
import HELLO from "../../../functions/examples/hello.ts" with { type: "text" };
import MODERATION from "../../../functions/examples/moderation.ts" with { type: "text" };
import POLL from "../../../functions/examples/poll.ts" with { type: "text" };
import REMIND from "../../../functions/examples/remind.ts" with { type: "text" };
import { TYPES_FILE } from "../../../functions/mod.ts";
import { HELP as HELP_BOT } from "../../../hub/mod.ts";
import { HELP, type Option, UsageError } from "../arguments.ts";
import { type Command, CONFIG, EXIT, loadFor, reportProblems, valueOf } from "../command.ts";

/** What a new function may begin as, by name. */
const EXAMPLES: Readonly<Record<string, string>> = {
  hello: HELLO,
  poll: POLL,
  remind: REMIND,
  moderation: MODERATION,
  assistant: ASSISTANT,
};
/** Where functions are made when the configuration names no folder. */
const FOLDER = "functions";
const NAME = /^[a-z][a-z0-9_-]{0,31}$/;

const FROM: Option = {
  name: "from",
  value: "EXAMPLE",
  text: `What it begins as: ${
    Object.keys(EXAMPLES).join(", ")
  }. Default: the example of its name, else hello.`,
};

/** Writes the file of a function, and the types beside it. */
export const functionsNew: Command = {
  usage: "[options] NAME [--KEY VALUE ...]",
  text:
    "Makes the function NAME in the folder of functions (functions.directory, else ./functions, which is made), and\n" +
    "skein.ts beside it, from which your editor knows the types. NAME is also the name of its bot: /NAME in a chat.",
  options: [FROM, CONFIG, HELP],
  settings: true,
  rest: 1,
  async run(args, io) {
    const [name] = args.rest;
    if (name === undefined || !NAME.test(name) || `${name}.ts` === TYPES_FILE.name) {
      throw new UsageError("functions new: needs a NAME of lower case letters, digits, - and _, at most 32");
    }
    if (name === HELP_BOT) throw new UsageError(`functions new: /${name} is the service's own`);
    const from = valueOf(args, FROM.name) ?? (Object.hasOwn(EXAMPLES, name) ? name : "hello");
    if (!Object.hasOwn(EXAMPLES, from)) {
      throw new UsageError(`--from: one of ${Object.keys(EXAMPLES).join(", ")}`);
    }
    const { config, problems } = await loadFor(args, io);
    if (config === undefined) {
      reportProblems(problems, io);
      return EXIT.failed;
    }
    const folder = config.functions.directory ?? FOLDER;
    const path = `${folder}/${name}.ts`;
    try {
      await Deno.mkdir(folder, { recursive: true });
      const text = from === "hello" ? EXAMPLES.hello!.replaceAll("/hello", `/${name}`) : EXAMPLES[from]!;
      await Deno.writeTextFile(path, text, { createNew: true });
      // Always as this version has it: the service brings its own.
      await Deno.writeTextFile(`${folder}/${TYPES_FILE.name}`, TYPES_FILE.text);
    } catch (error) {
      const why = error instanceof Deno.errors.AlreadyExists
        ? "it is there already"
        : (error as Error).message;
      io.err(`${path}: ${why}\n`);
      return EXIT.failed;
    }
    io.out(`ok: ${path}\n`);
    if (config.functions.directory === null) {
      io.out(`start the service with --functions.directory ${folder}\n`);
    }
    return EXIT.ok;
  },
};
