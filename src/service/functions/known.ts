/**
 * What functions say of themselves, kept beside the messages.
 *
 * @module
 */

import type { Values } from "../../engine/contract.ts";

/** Remembers what versions say of themselves, so that a restart need not start all of them. */
export interface KnownManifests {
  get(hash: string): Promise<unknown>;
  /** What the version of a function said that was in force last, on whatever node. */
  last(name: string): Promise<unknown>;
  /** A version is in force. */
  put(name: string, hash: string, said: unknown): Promise<void>;
}

/** Milliseconds for which it is kept after a version was put in force: versions and functions come and go. */
const KEPT = 90 * 86_400_000;

/** A cache in the engine: what fails there is loaded anew. */
export function knownManifests(values: Values): KnownManifests {
  const encoder = new TextEncoder(), decoder = new TextDecoder();
  const read = async (key: { name: string }): Promise<unknown> => {
    try {
      const found = await values.get(key);
      return found?.data === undefined ? undefined : JSON.parse(decoder.decode(found.data));
    } catch {
      return undefined;
    }
  };
  return {
    get: (hash) => read(ofVersion(hash)),
    last: (name) => read(ofFunction(name)),
    async put(name, hash, said) {
      try {
        const data = encoder.encode(JSON.stringify(said));
        for (const key of [ofVersion(hash), ofFunction(name)]) await values.put(key, { data }, { ttl: KEPT });
      } catch {
        // It is only a cache.
      }
    },
  };
}

function ofVersion(hash: string): { name: string } {
  return { name: `fn-manifest/${hash}` };
}

function ofFunction(name: string): { name: string } {
  return { name: `fn-last/${name}` };
}
