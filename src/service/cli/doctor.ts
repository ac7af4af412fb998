/**
 * `skein doctor`
 *
 * @module
 */

import { HELP } from "./arguments.ts";
import { type Command, CONFIG, EXIT, loadFor, reportProblems } from "./command.ts";

/** Finds out whether this machine can serve with its configuration. */
export const doctor: Command = {
  usage: "[options] [--KEY VALUE ...]",
  text:
    "Looks at ports, UDP buffers, certificates, keys and limits, and sends bytes through QUIC and a WebSocket\n" +
    "on this machine. Changes nothing. Exits with 1 when something would keep the service from working.",
  options: [CONFIG, { name: "json", text: "As JSON." }, HELP],
  settings: true,
  rest: 0,
  async run(args, io) {
    const { config, problems } = await loadFor(args, io);
    if (config === undefined) {
      reportProblems(problems, io);
      return EXIT.failed;
    }
    const { formatDoctor, runDoctor } = await import("../doctor/mod.ts");
    const report = await runDoctor({ config });
    io.out(args.options.has("json") ? `${JSON.stringify(report, null, 2)}\n` : formatDoctor(report));
    return report.ok ? EXIT.ok : EXIT.failed;
  },
};
