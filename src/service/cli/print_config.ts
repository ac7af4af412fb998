/**
 * `skein print-config`
 *
 * @module
 */

import { HELP } from "./arguments.ts";
import { type Command, CONFIG, EXIT, loadFor, reportProblems } from "./command.ts";

/** Prints the effective configuration. */
export const printConfigCommand: Command = {
  usage: "[options] [--KEY VALUE ...]",
  text: "Prints the effective configuration, each value with where it came from. Secrets are replaced.",
  options: [CONFIG, { name: "json", text: "As a list of {key, value, source}." }, HELP],
  settings: true,
  rest: 0,
  async run(args, io) {
    const { config, problems, sources } = await loadFor(args, io);
    if (config === undefined) {
      reportProblems(problems, io);
      return EXIT.failed;
    }
    const { printConfig, printedValues } = await import("../config/print.ts");
    if (args.options.has("json")) io.out(`${JSON.stringify(printedValues(config, sources), null, 2)}\n`);
    else io.out(printConfig(config, sources));
    return EXIT.ok;
  },
};
