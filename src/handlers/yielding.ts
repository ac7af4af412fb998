/**
 * Reads of a long history that leave the event loop to others in between.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** Reads in a row before other work gets a turn of the event loop. */
const READS = 4;

/** To be awaited before each read: every fourth time it lets other work go first. */
export function yieldBetweenReads(): () => Promise<void> | undefined {
  let reads = 0;
  return () => ++reads % READS === 0 ? new Promise((resolve) => setImmediate(resolve)) : undefined;
}
