/**
 * QUIC variable-length integers (RFC 9000 §16) as numbers, up to 2^53 - 1.
 *
 * @module
 */

/** The whole length of a varint, told by its first byte: 1, 2, 4 or 8. */
export function varintLength(first: number): number {
  return 1 << (first >> 6);
}

/** The length `value` takes: 1, 2, 4 or 8. Throws RangeError when it is no integer from 0 to 2^53 - 1. */
export function varintSize(value: number): number {
  if (value < 0 || !Number.isSafeInteger(value)) throw new RangeError(`not a varint: ${value}`);
  return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x40000000 ? 4 : 8;
}

/**
 * Reads the varint at `at`; -1 when `end` comes before its last byte. Values above 2^53 - 1 lose their low bits, which
 * matters to nobody: identifiers that are compared and lengths that are accepted are far below.
 */
export function readVarint(bytes: Uint8Array, at = 0, end: number = bytes.length): number {
  if (at >= end) return -1;
  const length = varintLength(bytes[at]!);
  if (at + length > end) return -1;
  let value = bytes[at]! & 0x3f;
  for (let i = 1; i < length; i++) value = value * 256 + bytes[at + i]!;
  return value;
}

/** Writes `value` at `at`; returns the index after it. */
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

/** All `values` one after the other. */
export function encodeVarints(...values: number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(values.reduce((sum, value) => sum + varintSize(value), 0));
  let at = 0;
  for (const value of values) at = writeVarint(bytes, at, value);
  return bytes;
}
