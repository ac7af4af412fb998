/**
 * The SHA-256 of a file that does not have to be in memory at once.
 *
 * @module
 */

import { delay } from "../../async/deadline.ts";
import { Sha256 } from "./sha256.ts";

/** Bytes hashed at once: a few milliseconds. */
const SLICE = 1_048_576;
/** Milliseconds after which others have their turn. */
const TURN = 12;

/**
 * The hash of a blob, read slice by slice. `told` is called with the bytes hashed so far: what it throws ends it.
 * Rejects also with what reading rejects with.
 */
export async function hashBlob(blob: Blob, told: (bytes: number) => void): Promise<string> {
  const hash = new Sha256();
  let rested = performance.now();
  for (let at = 0; at < blob.size;) {
    hash.update(new Uint8Array(await blob.slice(at, at + SLICE).arrayBuffer()));
    at = Math.min(at + SLICE, blob.size);
    // Reading may be done in microtasks: timers and clicks want a turn of their own.
    if (performance.now() - rested >= TURN) {
      await delay(0);
      rested = performance.now();
    }
    told(at);
  }
  return hash.end();
}
