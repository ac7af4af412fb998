/**
 * The Huffman code of HPACK and QPACK (RFC 7541 Appendix B). It is canonical (codes grow with their length, then with
 * the symbol), so all codes follow from their lengths.
 *
 * @module
 */

// deno-fmt-ignore: sixteen a line, as the appendix counts them
/** Bits of each symbol's code, 0 to 255; the end-of-string symbol has 30. */
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const EOS = 256;

interface Codes {
  /** Code of each symbol, right-aligned. */
  readonly code: Uint32Array;
  /** Symbols in order of their codes. */
  readonly symbols: Uint16Array;
  /** For each length: its first code, how many codes it has, and where they begin in `symbols`. */
  readonly first: Uint32Array;
  readonly count: Uint16Array;
  readonly start: Uint16Array;
}

function build(): Codes {
  const lengths = [...LENGTHS, 30];
  const code = new Uint32Array(257);
  const symbols = new Uint16Array(257);
  const first = new Uint32Array(32);
  const count = new Uint16Array(32);
  const start = new Uint16Array(32);
  let next = 0;
  let placed = 0;
  for (let length = 1; length <= 30; length++) {
    next *= 2;
    first[length] = next;
    start[length] = placed;
    for (let symbol = 0; symbol <= EOS; symbol++) {
      if (lengths[symbol] !== length) continue;
      code[symbol] = next++;
      symbols[placed++] = symbol;
      count[length]!++;
    }
  }
  return { code, symbols, first, count, start };
}

const CODES = build();

/** Bytes that `bytes` would take encoded. */
export function huffmanSize(bytes: Uint8Array): number {
  let bits = 0;
  for (const byte of bytes) bits += LENGTHS[byte]!;
  return Math.ceil(bits / 8);
}

/** Encodes; the last byte is padded with ones. */
export function huffmanEncode(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(huffmanSize(bytes));
  let at = 0;
  let free = 8;
  for (const byte of bytes) {
    const code = CODES.code[byte]!;
    let left = LENGTHS[byte]!;
    while (left > 0) {
      const take = Math.min(left, free);
      out[at]! |= ((code >>> (left - take)) & ((1 << take) - 1)) << (free - take);
      left -= take;
      free -= take;
      if (free === 0) {
        at++;
        free = 8;
      }
    }
  }
  if (free < 8) out[at]! |= (1 << free) - 1;
  return out;
}

/**
 * Decodes. Throws RangeError on the end-of-string symbol and on padding that is longer than 7 bits or not all ones
 * (RFC 7541 §5.2). The result is at most 8/5 as long as `bytes`.
 */
export function huffmanDecode(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(Math.floor((bytes.length * 8) / 5));
  let at = 0;
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = ((code << 1) | ((byte >> bit) & 1)) >>> 0;
      length++;
      const index = code - CODES.first[length]!;
      if (index >= 0 && index < CODES.count[length]!) {
        const symbol = CODES.symbols[CODES.start[length]! + index]!;
        if (symbol === EOS) throw new RangeError("end-of-string symbol in a Huffman string");
        out[at++] = symbol;
        code = 0;
        length = 0;
      } else if (length >= 30) {
        throw new RangeError("no such Huffman code");
      }
    }
  }
  if (length > 7 || code !== (1 << length) - 1) throw new RangeError("bad Huffman padding");
  return out.subarray(0, at);
}
