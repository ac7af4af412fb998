/**
 * How much is left to a runtime that does not say when it has room again: a WebSocket, which has to be looked at. What is
 * left to it can not be overtaken any more, and when it is less than what leaves between two looks, the path stands idle.
 *
 * @module
 */

/** Bytes that may always be left to the runtime. */
export const LOW_MARK = 131_072;
/** Most bytes that ever are. Exported for tests. */
export const TOP_MARK = 4_194_304;
/** Milliseconds between two looks. */
export const LOOK = 5;

/**
 * The mark after a look: twice `mark` when all of it has left meanwhile, half of it when most of it has not. So it is
 * about what leaves within one or two looks, on a slow path as on a fast one.
 */
export function nextMark(mark: number, buffered: number): number {
  if (buffered === 0) return Math.min(TOP_MARK, mark * 2);
  return buffered > mark / 2 ? Math.max(LOW_MARK, mark / 2) : mark;
}
