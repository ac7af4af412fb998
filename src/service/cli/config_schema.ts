/**
 * `skein config-schema`
 *
 * @module
 */

import { HELP } from "./arguments.ts";
import { type Command, EXIT } from "./command.ts";

/** Prints what may be configured. */
export const configSchema: Command = {
  usage: "[options]",
  text: "Prints a JSON Schema of the configuration file, for editors and for checks elsewhere.",
  options: [{ name: "markdown", text: "A table of all settings instead." }, HELP],
  settings: false,
  rest: 0,
  async run(args, io) {
    const { configJsonSchema, configMarkdown } = await import("../config/document.ts");
    if (args.options.has("markdown")) io.out(configMarkdown());
    else io.out(`${JSON.stringify(await configJsonSchema(), null, 2)}\n`);
    return EXIT.ok;
  },
};
