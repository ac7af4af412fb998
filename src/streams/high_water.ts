/**
 * How many bytes to hand to a WebSocket that does not tell when it has room again, so that `bufferedAmount` is read at
 * intervals. Too many: messages of a higher priority cannot overtake them. Too few: the path idles between two readings.
 *
 * @module
 */

/** Bytes that may always be handed over. */
export const LOW_MARK = 131_072;
/** Most bytes that are handed over at once. Exported for tests. */
export const TOP_MARK = 4_194_304;
/** Milliseconds between two readings. */
export const LOOK = 5;

/**
 * The bound after a reading: twice `mark` when everything has left, half of it when more than half still waits. It
 * settles at what leaves within one or two readings, on slow paths and on fast ones.
 */
export function nextMark(mark: number, buffered: number): number {
  if (buffered === 0) return Math.min(TOP_MARK, mark * 2);
  return buffered > mark / 2 ? Math.max(LOW_MARK, mark / 2) : mark;
}
