/**
 * What functions say of themselves, kept beside the messages.
 *
 * @module
 */

import type { Values } from "../../engine/contract.ts";
import type { KnownManifests } from "./set.ts";

/** Milliseconds for which it is kept after a version was loaded: versions come and go. */
const KEPT = 90 * 86_400_000;

/** A cache in the engine: what fails there is loaded anew. */
export function knownManifests(values: Values): KnownManifests {
  const encoder = new TextEncoder(), decoder = new TextDecoder();
  return {
    async get(hash) {
      try {
        const found = await values.get(keyOf(hash));
        return found?.data === undefined ? undefined : JSON.parse(decoder.decode(found.data));
      } catch {
        return undefined;
      }
    },
    async put(hash, said) {
      try {
        await values.put(keyOf(hash), { data: encoder.encode(JSON.stringify(said)) }, { ttl: KEPT });
      } catch {
        // It is only a cache.
      }
    },
  };
}

function keyOf(hash: string): { name: string } {
  return { name: `fn-manifest/${hash}` };
}
