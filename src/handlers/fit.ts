/**
 * Answers that must fit a message.
 *
 * @module
 */

import { utf8Length } from "../protocol/mod.ts";

/** Bytes kept for the envelope and the fields around a list. */
const AROUND = 1024;

/**
 * As many of the first `entries` as fit into a message of `room` bytes as JSON, at least one: a single message may
 * be a little larger in an answer than it was when it was sent.
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
