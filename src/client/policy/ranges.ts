/**
 * How much of a file is asked for at once: what arrives in a short while. So nothing waits for long behind a file where
 * all share one connection, a fast path is not held up by asking, and no more is in memory than the reader takes.
 *
 * @module
 */

/** Bytes of the first range. */
export const FIRST_RANGE = 262_144;
const SMALLEST = 16_384;
const LARGEST = 4_194_304;
/** Milliseconds: a range that came faster is followed by one of twice its size, */
const QUICK = 250;
/** and one that took longer by one of half of it. */
const SLOW = 500;

/** Bytes to ask for after a range of `bytes` came within `ms`; Infinity: it did not come. */
export function nextRange(bytes: number, ms: number): number {
  if (ms < QUICK) return Math.min(LARGEST, bytes * 2);
  return ms > SLOW ? Math.max(SMALLEST, bytes / 2) : bytes;
}
