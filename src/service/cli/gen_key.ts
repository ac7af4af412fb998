/**
 * `skein gen-key`
 *
 * @module
 */

import { HELP, UsageError } from "./arguments.ts";
import { type Command, EXIT, valueOf } from "./command.ts";

const KID = /^[!-~]{1,64}$/;

/** Makes a key pair for tokens. */
export const genKey: Command = {
  usage: "[options]",
  text:
    "Makes an Ed25519 key pair for tokens (EdDSA). The back end signs with the private key; the service has the\n" +
    "public one alone, so that whoever reads its configuration can make no tokens. Keys that are there stay.",
  options: [
    { name: "directory", value: "DIR", text: "Where the files are written. Default: here." },
    { name: "kid", value: "ID", text: "The key id, and the name of the files. Default: skein-token." },
    HELP,
  ],
  settings: false,
  rest: 0,
  async run(args, io) {
    const { generateKeyPairSync } = await import("node:crypto");
    const directory = valueOf(args, "directory") ?? ".";
    const kid = valueOf(args, "kid") ?? "skein-token";
    if (!KID.test(kid) || kid.includes("/")) {
      throw new UsageError("--kid: 1 to 64 printable ASCII characters without spaces and /");
    }
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const paths = { private: `${directory}/${kid}.key.pem`, public: `${directory}/${kid}.pub.pem` };
    try {
      await Deno.mkdir(directory, { recursive: true });
      const secret = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
      await Deno.writeTextFile(paths.private, secret, { createNew: true, mode: 0o600 });
      const open = publicKey.export({ type: "spki", format: "pem" }) as string;
      await Deno.writeTextFile(paths.public, open, { createNew: true });
    } catch (error) {
      io.err(`${error instanceof Error ? error.message : String(error)}\n`);
      return EXIT.failed;
    }
    io.out(
      `private key, for the back end: ${paths.private}\npublic key, for the service: ${paths.public}\n\n` +
        `"auth": { "keys": [${JSON.stringify({ alg: "EdDSA", kid, publicKey: paths.public })}] }\n`,
    );
    return EXIT.ok;
  },
};
