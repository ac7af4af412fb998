/**
 * Memory in which large messages are put together, shared by all connections. The system gives memory of this size anew
 * each time and page by page, which costs more than copying a message into it.
 *
 * @module
 */

import { type XorMemory, xorMemory } from "./xor_memory.ts";

/** Bytes of the blocks that are kept. Smaller ones cost little, larger ones are seldom. */
const SIZES = [32_768, 65_536, 131_072] as const;
/** Blocks of each size that are kept. */
const KEPT = 8;
const PAGES = KEPT * SIZES.reduce((sum, size) => sum + size, 0) / 65_536;

/** The kept blocks, made for the first large message. */
class Kept {
  readonly memory: XorMemory = xorMemory(PAGES);
  readonly free: readonly Uint8Array[][];

  constructor() {
    let at = 0;
    this.free = SIZES.map((size) =>
      Array.from({ length: KEPT }, () => new Uint8Array(this.memory.buffer, (at += size) - size, size))
    );
  }
}

let kept: Kept | undefined;

/** Lends a block of at least `size` bytes, whose content is anything. */
export function borrowBlock(size: number): Uint8Array {
  if (size <= SIZES[0] / 2) return new Uint8Array(size);
  const at = SIZES.findIndex((bytes) => bytes >= size);
  if (at < 0) return new Uint8Array(size);
  return (kept ??= new Kept()).free[at]!.pop() ?? new Uint8Array(SIZES[at]!);
}

/** Takes a block back, once nothing reads it any more. Other memory is let go. */
export function returnBlock(block: Uint8Array): void {
  if (block.buffer !== kept?.memory.buffer) return;
  kept.free[SIZES.indexOf(block.length as typeof SIZES[number])]!.push(block);
}

/**
 * XORs `part`, a piece of a block, with a word of four bytes as far as that can be done sixteen bytes at a time. Returns
 * how many bytes from its beginning on that was.
 */
export function xorBlock(part: Uint8Array, word: number): number {
  if (kept?.memory.xor === undefined || part.buffer !== kept.memory.buffer) return 0;
  const from = part.byteOffset, size = part.length & ~15;
  if (size > 0) kept.memory.xor(from, from + size, word);
  return size;
}
