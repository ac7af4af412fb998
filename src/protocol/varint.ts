/**
 * QUIC variable-length integers (RFC 9000 §16), up to 2^53 - 1, which is as far as a number is exact.
 *
 * @module
 */

/** How many bytes a varint takes, told by its first byte: 1, 2, 4 or 8. */
export function varintLength(first: number): 1 | 2 | 4 | 8 {
  return (1 << (first >> 6)) as 1 | 2 | 4 | 8;
}

/** How many bytes `value` takes. Throws RangeError when it is negative, fractional or above 2^53 - 1. */
export function varintSize(value: number): 1 | 2 | 4 | 8 {
  if (value < 0 || !Number.isSafeInteger(value)) throw new RangeError(`not a varint: ${value}`);
  return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x40000000 ? 4 : 8;
}

/**
 * Reads the varint at `at`. Returns -1 when the bytes end before it does: ask for more. Throws RangeError
 * when it is above 2^53 - 1. Its length is `varintLength(bytes[at])`.
 */
export function readVarint(bytes: Uint8Array, at: number, end: number = bytes.length): number {
  if (at >= end) return -1;
  const first = bytes[at]!;
  const length = varintLength(first);
  if (at + length > end) return -1;
  let value = first & 0x3f;
  for (let i = 1; i < length; i++) value = value * 256 + bytes[at + i]!;
  if (!Number.isSafeInteger(value)) throw new RangeError("varint above 2^53 - 1");
  return value;
}

/** Writes `value` at `at` and returns the place after it. There must be room for `varintSize(value)` bytes. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  const size = varintSize(value);
  let rest = value;
  for (let i = size - 1; i > 0; i--) {
    bytes[at + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  bytes[at] = rest | (size === 1 ? 0 : size === 2 ? 0x40 : size === 4 ? 0x80 : 0xc0);
  return at + size;
}
