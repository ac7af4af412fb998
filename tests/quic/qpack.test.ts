/** The limits of the QPACK decoder: each side of each limit. */

import assert from "node:assert/strict";
import { H3, Http3Error, MessageError } from "../../src/quic/h3/errors.ts";
import {
  checkEncoderStream,
  decodeSection,
  encodeSection,
  MAX_SECTION_LINES,
  MAX_SECTION_SIZE,
} from "../../src/quic/h3/qpack.ts";

function failsWith(h3Code: number): (error: unknown) => boolean {
  return (error) => error instanceof Http3Error && error.h3Code === h3Code;
}
const TOO_LARGE = (error: unknown): boolean => error instanceof MessageError && error.status === 431;

/** A section of static entry 17, `:method: GET`, so many times. */
function repeated(lines: number): Uint8Array {
  return Uint8Array.of(0, 0, ...new Array<number>(lines).fill(0xd1));
}

Deno.test("qpack: 256 lines are taken and 257 are not", () => {
  assert.equal(MAX_SECTION_LINES, 256);
  assert.equal(decodeSection(repeated(256)).length, 256);
  assert.throws(() => decodeSection(repeated(257)), TOO_LARGE);
});

Deno.test("qpack: a section of 32 KiB is taken and one of a byte more is not", () => {
  // A line counts its name, its value and 32 bytes more (RFC 9114 §4.2.2).
  const value = "v".repeat(MAX_SECTION_SIZE - 32 - 1);
  assert.equal(MAX_SECTION_SIZE, 32 * 1024);
  assert.deepEqual(decodeSection(encodeSection([["n", value]])), [["n", value]]);
  assert.throws(() => decodeSection(encodeSection([["n", value + "v"]])), TOO_LARGE);
});

Deno.test("qpack: the size counts over all lines", () => {
  const line: [string, string] = ["name", "v".repeat(1000)];
  const fits = Math.floor(MAX_SECTION_SIZE / (4 + 1000 + 32));
  assert.equal(decodeSection(encodeSection(new Array(fits).fill(line))).length, fits);
  assert.throws(() => decodeSection(encodeSection(new Array(fits + 1).fill(line))), TOO_LARGE);
});

Deno.test("qpack: integers end at 2^30, however many bytes they have", () => {
  // A literal with a literal name: the name's length has three bits, then seven a byte.
  const withLength = (...more: number[]): Uint8Array => Uint8Array.of(0, 0, 0x27, ...more);
  for (
    const bytes of [
      [0x80, 0x80, 0x80, 0x80, 0x04], // 2^30 + 7
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
      // Would be small again after an overflow of 32 or 64 bits.
      [0x80, 0x80, 0x80, 0x80, 0x10, 0x61],
    ]
  ) {
    assert.throws(() => decodeSection(withLength(...bytes)), {
      h3Code: H3.QPACK_DECOMPRESSION_FAILED,
      message: "integer too large",
    });
  }
  // Zeros in front of the end are legal: the name has 7 bytes.
  const padded = Uint8Array.of(0, 0, 0x27, 0x80, 0x00, ...new TextEncoder().encode("a-name-"), 0x01, 0x78);
  assert.deepEqual(decodeSection(padded), [["a-name-", "x"]]);
});

Deno.test("qpack: a string longer than its section is refused before it is read", () => {
  assert.throws(
    () => decodeSection(Uint8Array.of(0, 0, 0x27, 0xff, 0xff, 0x03, 0x61)),
    failsWith(H3.QPACK_DECOMPRESSION_FAILED),
  );
});

Deno.test("qpack: a required insert count other than 0 is refused", () => {
  assert.deepEqual(decodeSection(Uint8Array.of(0, 0)), []);
  for (const count of [1, 2, 127, 254]) {
    assert.throws(
      () => decodeSection(Uint8Array.of(count, 0, 0xd1)),
      failsWith(H3.QPACK_DECOMPRESSION_FAILED),
    );
  }
  assert.throws(
    () => decodeSection(Uint8Array.of(0xff, 0x01, 0, 0xd1)),
    failsWith(H3.QPACK_DECOMPRESSION_FAILED),
  );
});

Deno.test("qpack: the encoder stream may set the capacity to 0 and to nothing else", () => {
  checkEncoderStream(Uint8Array.of(0x20, 0x20));
  for (const bytes of [[0x21], [0x3e], [0x3f, 0x00], [0x20, 0x21]]) {
    assert.throws(() => checkEncoderStream(Uint8Array.from(bytes)), failsWith(H3.QPACK_ENCODER_STREAM_ERROR));
  }
});

Deno.test("qpack: the static table ends at 98", () => {
  // Six bits of index: 63 and what follows.
  assert.deepEqual(decodeSection(Uint8Array.of(0, 0, 0xff, 98 - 63)), [["x-frame-options", "sameorigin"]]);
  assert.throws(
    () => decodeSection(Uint8Array.of(0, 0, 0xff, 99 - 63)),
    failsWith(H3.QPACK_DECOMPRESSION_FAILED),
  );
});
