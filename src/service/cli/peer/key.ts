/**
 * The key of this device: made once, kept in a file that only its user can read.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { PeerIdentity } from "../../../client/peer.ts";
import { type Arguments, UsageError } from "../arguments.ts";
import { type Io, valueOf } from "../command.ts";
import { CommandError } from "./errors.ts";
import { KEY } from "./options.ts";

/** Longer than any PKCS #8 file of Ed25519. */
const MAX_KEY = 4096;
const PEM = /-----BEGIN PRIVATE KEY-----\s*([A-Za-z0-9+/=\s]+?)\s*-----END PRIVATE KEY-----/;

/** Where the key is. Throws UsageError when the environment names no place. */
export function keyPath(args: Arguments, { env }: Pick<Io, "env">): string {
  const named = valueOf(args, KEY.name);
  if (named !== undefined) return named;
  const base = env["XDG_CONFIG_HOME"] ||
    (Deno.build.os === "windows" ? env["APPDATA"] : env["HOME"] && join(env["HOME"], ".config"));
  if (!base) throw new UsageError("--key FILE is needed: there is no home directory");
  return join(base, "skein", "peer.key");
}

/** Where the peers are kept that the device of this key has met. */
export function knownPeersPath(key: string): string {
  return `${key.replace(/\.key$/, "")}.known.json`;
}

/** Reads the key, or makes it. Rejects with CommandError. */
export async function loadKey(path: string): Promise<{ identity: PeerIdentity; made: boolean }> {
  const known = await readKey(path);
  if (known !== undefined) return { identity: known, made: false };
  const { identity, pkcs8 } = await PeerIdentity.generate();
  const pem = `-----BEGIN PRIVATE KEY-----\n${pkcs8.toBase64()}\n-----END PRIVATE KEY-----\n`;
  try {
    await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
    // Never over a key that another process has made meanwhile.
    await Deno.writeTextFile(path, pem, { createNew: true, mode: 0o600 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return await loadKey(path);
    throw new CommandError(`the key cannot be kept in ${path}: ${(error as Error).message}`);
  }
  return { identity, made: true };
}

/**
 * Holds the key for this process, because the service reaches a peer in one place only: two processes would take it from
 * each other. Rejects with CommandError when another process has it.
 */
export async function holdKey(path: string): Promise<Disposable> {
  const file = await Deno.open(path, { read: true });
  if (!await file.tryLock(true)) {
    file.close();
    throw new CommandError(
      `another \`skein peer\` runs with ${path}: end it, or give this one a key of its own with --key FILE`,
    );
  }
  return { [Symbol.dispose]: () => file.close() };
}

async function readKey(path: string): Promise<PeerIdentity | undefined> {
  let text: string;
  try {
    const { mode, size } = await Deno.stat(path);
    // An interrupted first run may leave an empty file; nothing that holds no key is overwritten all the same.
    if (size > MAX_KEY) throw new CommandError(`${path} is not a key of \`skein peer id\``);
    if (mode !== null && (mode & 0o077) !== 0) {
      throw new CommandError(`${path} may be read by others: chmod 600 ${path}`);
    }
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`);
  }
  const body = PEM.exec(text)?.[1];
  try {
    return await PeerIdentity.load(Uint8Array.fromBase64(body ?? ""));
  } catch {
    throw new CommandError(`${path} is not a key of \`skein peer id\`: remove it to get another id`);
  }
}
