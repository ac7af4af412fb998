/**
 * `skein check-config`
 *
 * @module
 */

import { HELP } from "./arguments.ts";
import { type Command, CONFIG, EXIT, loadFor, reportProblems } from "./command.ts";

/** Says everything that is wrong with the configuration. */
export const checkConfig: Command = {
  usage: "[options] [--KEY VALUE ...]",
  text: "Checks the configuration as `serve` would, with the keys and certificates it names.\n" +
    "Prints one line for each problem on standard error and exits with 1, or with 0 when there is none.",
  options: [CONFIG, HELP],
  settings: true,
  rest: 0,
  async run(args, io) {
    const { config, problems, path } = await loadFor(args, io);
    if (config === undefined) {
      reportProblems(problems, io);
      return EXIT.failed;
    }
    const { materialProblems } = await import("../config/check.ts");
    const more = await materialProblems(config);
    reportProblems(more, io);
    if (more.length > 0) return EXIT.failed;
    io.out(`ok: ${path ?? "no file, defaults"} (${config.env})\n`);
    return EXIT.ok;
  },
};
