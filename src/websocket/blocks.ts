/**
 * Memory in which large messages are put together, shared by all connections. The system gives memory of this size anew
 * each time and page by page, which costs more than copying a message into it.
 *
 * @module
 */

/** Bytes of the blocks that are kept. Smaller ones cost little, larger ones are seldom. */
const SIZES = [32_768, 65_536, 131_072] as const;
/** Blocks of each size that are kept. */
const KEPT = 8;

const free: Uint8Array[][] = SIZES.map(() => []);

/** Lends a block of at least `size` bytes, whose content is anything. */
export function borrowBlock(size: number): Uint8Array {
  if (size <= SIZES[0] / 2) return new Uint8Array(size);
  const at = SIZES.findIndex((bytes) => bytes >= size);
  return at < 0 ? new Uint8Array(size) : free[at]!.pop() ?? new Uint8Array(SIZES[at]!);
}

/** Takes a block back, once nothing reads it any more. Other memory is let go. */
export function returnBlock(block: Uint8Array): void {
  const at = SIZES.indexOf(block.length as typeof SIZES[number]);
  if (at >= 0 && free[at]!.length < KEPT) free[at]!.push(block);
}
