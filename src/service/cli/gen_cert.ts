/**
 * `skein gen-cert`
 *
 * @module
 */

import { HELP } from "./arguments.ts";
import { type Command, EXIT, valueOf } from "./command.ts";

/** Makes the development certificate. */
export const genCert: Command = {
  usage: "[options]",
  text:
    "Makes a certificate for development: ECDSA on P-256, 13 days, so that browsers accept it by its hash.\n" +
    "One that is there and still good for 2 days stays. A server in development mode does this by itself.",
  options: [
    { name: "directory", value: "DIR", text: "Where it is kept. Default: certs." },
    {
      name: "names",
      value: "LIST",
      text: "Names and addresses beside localhost, 127.0.0.1 and ::1, with commas between.",
    },
    { name: "force", text: "Make a new one even if there is a good one." },
    HELP,
  ],
  settings: false,
  rest: 0,
  async run(args, io) {
    const { developmentCertificate, developmentPaths } = await import("../certificates/mod.ts");
    const directory = valueOf(args, "directory") ?? "certs";
    const names = (valueOf(args, "names") ?? "").split(",").map((name) => name.trim()).filter((name) =>
      name !== ""
    );
    const paths = developmentPaths(directory);
    try {
      if (args.options.has("force")) {
        for (const path of [paths.cert, paths.key]) await Deno.remove(path).catch(ignoreMissing);
      }
      const { certificate, made, notKept } = await developmentCertificate({ directory, names });
      if (notKept !== undefined) {
        io.err(`${directory}: cannot be written: ${notKept}\n`);
        return EXIT.failed;
      }
      io.out(
        `${made ? "made" : "kept"}: ${paths.cert}, ${paths.key}\n` +
          `names: ${certificate.names.join(", ")}\n` +
          `until: ${new Date(certificate.notAfter).toISOString()}\n` +
          `sha-256: ${certificate.hash.toBase64()}\n`,
      );
      return EXIT.ok;
    } catch (error) {
      io.err(`${error instanceof Error ? error.message : String(error)}\n`);
      return EXIT.failed;
    }
  },
};

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
