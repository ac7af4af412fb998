import assert from "node:assert/strict";
import fc from "fast-check";
import { readVarint, varintLength, varintSize, writeVarint } from "../../src/protocol/mod.ts";

const value = fc.oneof(
  fc.nat(),
  fc.maxSafeInteger().map(Math.abs),
  fc.constantFrom(0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, Number.MAX_SAFE_INTEGER),
);

Deno.test("varint: a varint read back is what was written, in the shortest size", () => {
  fc.assert(fc.property(value, fc.nat(20), (n, at) => {
    const bytes = new Uint8Array(40);
    const end = writeVarint(bytes, at, n);
    assert.equal(end - at, varintSize(n));
    assert.equal(varintLength(bytes[at]!), varintSize(n));
    assert.equal(readVarint(bytes, at), n);
  }));
});

Deno.test("varint: a varint cut short asks for more", () => {
  fc.assert(fc.property(value, (n) => {
    const bytes = new Uint8Array(8);
    const end = writeVarint(bytes, 0, n);
    for (let cut = 0; cut < end; cut++) assert.equal(readVarint(bytes, 0, cut), -1);
  }));
});

Deno.test("varint: the examples of RFC 9000 A.1 are read", () => {
  const read = (hex: string) => readVarint(Uint8Array.fromHex(hex), 0);
  assert.equal(read("9d7f3e7d"), 494_878_333);
  assert.equal(read("7bbd"), 15_293);
  assert.equal(read("25"), 37);
  assert.equal(read("4025"), 37);
  assert.throws(() => read("c2197c5eff14e88c"), RangeError, "151288809941952652 is above 2^53 - 1");
});

Deno.test("varint: a value that is no varint is refused when written", () => {
  for (const n of [-1, 0.5, NaN, Infinity, 2 ** 53]) assert.throws(() => varintSize(n), RangeError);
});
