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
/** Milliseconds within which a range is to come. */
const QUICK = 250;

/** Bytes to ask for after a range of `bytes` came within `ms`; Infinity: it did not come. */
export function nextRange(bytes: number, ms: number): number {
  return Math.max(SMALLEST, Math.min(LARGEST, resized(bytes, ms, QUICK)));
}

/** Twice `bytes` after they took less than `quick` ms, half of them after more than twice that. */
export function resized(bytes: number, ms: number, quick: number): number {
  if (ms < quick) return bytes * 2;
  return ms > quick * 2 ? bytes / 2 : bytes;
}
