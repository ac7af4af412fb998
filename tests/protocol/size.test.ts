/** What fits a message in every form, against the encoders themselves. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeBare, fitsEveryForm, type Payload } from "../../src/protocol/mod.ts";

/** Bytes of a message with no payload in it. */
const ENVELOPE = { json: sizeOf({}, "json") - 2, msgpack: sizeOf({}, "msgpack") - 1 };

function sizeOf(payload: Payload, form: "json" | "msgpack"): number {
  return encodeBare({ type: "t", id: "i", timestamp: 0, payload }, form).length;
}

/** Bytes of the payload alone in its largest form. */
function largest(payload: Payload): number {
  return Math.max(sizeOf(payload, "json") - ENVELOPE.json, sizeOf(payload, "msgpack") - ENVELOPE.msgpack);
}

Deno.test("size: the largest form decides, to the byte", () => {
  const payloads: Payload[] = [
    { text: "\u0001".repeat(100) },
    { text: 'é\ud800😀"\\'.repeat(50) },
    { data: Array.from({ length: 100 }, () => 1.5) },
    { data: Array.from({ length: 100 }, () => 1e20) },
    { data: new Uint8Array(100) },
    { data: new Uint8Array(101) },
    { data: { a: [{ b: null }, true, -1], long: "x".repeat(40) } },
  ];
  for (const payload of payloads) {
    const size = largest(payload);
    assert.equal(fitsEveryForm(payload, size), true, `${size} bytes fit`);
    assert.equal(fitsEveryForm(payload, size - 1), false, `${size} bytes do not fit ${size - 1}`);
  }
});

Deno.test("size: what is said to fit has at most that many bytes in JSON and in MessagePack", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "\u0000", "\u001f", "é", "漢", "😀", '"', "\ud83d") });
  const payload = fc.record({ text, data: fc.jsonValue(), extra: fc.array(fc.double({ noNaN: true })) }, {
    requiredKeys: [],
  });
  fc.assert(
    fc.property(payload, fc.uint8Array({ maxLength: 64 }), fc.nat(600), (payload, bytes, limit) => {
      const said: Payload = { ...payload, bytes };
      assert.equal(fitsEveryForm(said, limit), largest(said) <= limit);
    }),
    { numRuns: 500 },
  );
});

Deno.test("size: what came in JSON grows by 256 bytes at most, and is not refused for less", () => {
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(1e20, 0.5, 1e-7),
  );
  const payload = fc.record({
    text: fc.string({ unit: "grapheme" }),
    data: fc.jsonValue(),
    extra: fc.array(number),
  });
  fc.assert(
    fc.property(payload, fc.nat(60), (payload, more) => {
      // As short as a client may write it: `1e20` is four bytes, and twenty-one as we write it.
      const text = JSON.stringify(payload).replaceAll("100000000000000000000", "1e20");
      const said = JSON.parse(text) as Payload;
      const limit = new TextEncoder().encode(text).length + more;
      const growth = largest(said) - limit;
      if (fitsEveryForm(said, limit, "json")) assert.ok(growth <= 256, `grows by ${growth}`);
      else assert.ok(growth > 0, "refused although it fits");
    }),
    { numRuns: 500 },
  );
});
