/**
 * Cuts lists to what fits an answer.
 *
 * @module
 */

import { utf8Length } from "../protocol/mod.ts";

/** Bytes kept for the envelope and the fields around a list. */
const AROUND = 1024;

/**
 * The first `entries` that fit a message of `room` bytes in JSON, but at least one: an answer adds some bytes to a message
 * that fitted when it was sent.
 */
export function fitting<T>(entries: readonly T[], room: number): T[] {
  let left = room - AROUND;
  let count = 0;
  for (const entry of entries) {
    left -= utf8Length(JSON.stringify(entry)) + 1;
    if (left < 0 && count > 0) break;
    count++;
  }
  return entries.slice(0, count);
}
