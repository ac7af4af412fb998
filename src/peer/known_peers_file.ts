/**
 * Keeps known peers in a file.
 *
 * @module
 */

import type { KnownPeerStore } from "./known_peers.ts";

/** More than 256 peers with all their addresses and documents are no file of ours. */
const MAX_FILE = 8 * 1024 * 1024;

/**
 * The file at `path`, which only its user can read: it tells with whom one works. Written beside its place and renamed, so
 * that a process that is killed leaves the old one. For one process at a time.
 */
export function knownPeersFile(path: string): KnownPeerStore {
  return {
    async load(): Promise<string | undefined> {
      try {
        const { size } = await Deno.stat(path);
        if (size > MAX_FILE) throw new RangeError(`${path} holds ${size} bytes`);
        return await Deno.readTextFile(path);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
    async save(text: string): Promise<void> {
      const temporary = `${path}.new`;
      // One that was left behind could be a link, or readable by others.
      await Deno.remove(temporary).catch(() => {});
      await Deno.writeTextFile(temporary, text, { createNew: true, mode: 0o600 });
      await Deno.rename(temporary, path);
    },
  };
}
