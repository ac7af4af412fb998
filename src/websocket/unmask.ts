/**
 * The mask of a client's frames (RFC 6455 §5.3).
 *
 * @module
 */

import { xorBlock } from "./blocks.ts";

/** Payloads up to this many bytes are unmasked byte by byte; longer ones by words. */
const SHORT = 64;

/** Unmasks `part` in place; `phase` is how many bytes of its frame came before it. */
export function unmask(part: Uint8Array, mask: Uint8Array, phase: number): void {
  const length = part.length;
  let i = length > SHORT ? xorBlock(part, wordAt(mask, phase)) : 0;
  if (length - i > SHORT) {
    while (((part.byteOffset + i) & 3) !== 0) {
      part[i] = part[i]! ^ mask[(phase + i) & 3]!;
      i++;
    }
    const words = (length - i) >>> 2;
    xorWords(new Int32Array(part.buffer, part.byteOffset + i, words), wordAt(mask, phase + i));
    i += words * 4;
  }
  for (; i < length; i++) part[i] = part[i]! ^ mask[(phase + i) & 3]!;
}

/** The mask from byte `at` on. Little-endian, as every machine that Deno runs on: the first byte of a word is its lowest. */
function wordAt(mask: Uint8Array, at: number): number {
  return mask[at & 3]! | mask[(at + 1) & 3]! << 8 | mask[(at + 2) & 3]! << 16 | mask[(at + 3) & 3]! << 24;
}

/** Eight at a time, because the loop costs more than the XOR. */
function xorWords(words: Int32Array, word: number): void {
  let at = 0;
  for (const last = words.length - 8; at <= last; at += 8) {
    words[at] = words[at]! ^ word;
    words[at + 1] = words[at + 1]! ^ word;
    words[at + 2] = words[at + 2]! ^ word;
    words[at + 3] = words[at + 3]! ^ word;
    words[at + 4] = words[at + 4]! ^ word;
    words[at + 5] = words[at + 5]! ^ word;
    words[at + 6] = words[at + 6]! ^ word;
    words[at + 7] = words[at + 7]! ^ word;
  }
  for (; at < words.length; at++) words[at] = words[at]! ^ word;
}
