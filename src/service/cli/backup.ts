/**
 * `skein backup`
 *
 * @module
 */

import { HELP, UsageError } from "./arguments.ts";
import { type Command, CONFIG, EXIT, loadFor, reportProblems } from "./command.ts";

/** Copies the database while the service runs. */
export const backup: Command = {
  usage: "[options] FILE [--KEY VALUE ...]",
  text:
    "Copies the database (engine.sqlite.path) to FILE, which must not exist yet, while the service runs. The copy is one\n" +
    "file of one moment, and is checked. To go back to it: stop the service, put it in the place of engine.sqlite.path,\n" +
    "remove the files beside it that end in -wal and -shm, start. Clients learn that their channels' history is\n" +
    "another one.",
  options: [CONFIG, HELP],
  settings: true,
  rest: 1,
  async run(args, io) {
    const [file] = args.rest;
    if (file === undefined || file === "") throw new UsageError("backup: needs the FILE to write");
    const { config, problems } = await loadFor(args, io);
    if (config === undefined) {
      reportProblems(problems, io);
      return EXIT.failed;
    }
    if (config.engine.kind !== "sqlite") {
      io.err(`engine.kind is "${config.engine.kind}": there is no database to copy\n`);
      return EXIT.failed;
    }
    const { backupDatabase } = await import("../../engine/sqlite/backup.ts");
    try {
      const bytes = await backupDatabase(config.engine.sqlite.path, file);
      io.out(
        `ok: ${file} (${bytes < 1024 ** 2 ? `${bytes} bytes` : `${Math.round(bytes / 1024 ** 2)} MiB`})\n`,
      );
      return EXIT.ok;
    } catch (error) {
      io.err(`${error instanceof Error ? error.message : error}\n`);
      return EXIT.failed;
    }
  },
};
