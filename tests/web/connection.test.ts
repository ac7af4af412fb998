import assert from "node:assert/strict";
import fc from "fast-check";
import { scanFrames } from "../../src/protocol/mod.ts";
import { backoff, newId } from "../../src/web/connection.js";
import { framed, takeFrames } from "../../src/web/wire.js";

// Plain objects: what JSON gives back has a prototype.
const message = fc.record({
  type: fc.constant("chat_message"),
  id: fc.uuid(),
  timestamp: fc.nat(),
  payload: fc.record({ text: fc.string({ unit: "grapheme", maxLength: 300 }) }, { noNullPrototype: true }),
}, { noNullPrototype: true });

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

Deno.test("the page's frames are what the protocol reads, and the other way round", () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
      const bytes = joined(messages.map(framed));
      const read: unknown[] = [];
      const rest = scanFrames(bytes, 0, bytes.length, 65536, (frame) => {
        read.push(JSON.parse(new TextDecoder().decode(frame)));
      });
      assert.equal(rest, bytes.length);
      assert.deepEqual(read, messages);
    }),
    { numRuns: 100 },
  );
});

Deno.test("frames cut anywhere come out whole and in order", () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 5 }),
      fc.array(fc.nat(2000), { maxLength: 10 }),
      (messages, cuts) => {
        const bytes = joined(messages.map(framed));
        const places = [
          0,
          ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b),
          bytes.length,
        ];
        const read: unknown[] = [];
        let rest: Uint8Array<ArrayBuffer> = new Uint8Array();
        for (let i = 1; i < places.length; i++) {
          const piece = joined([rest, bytes.subarray(places[i - 1], places[i])]);
          rest = takeFrames(piece, (one) => read.push(one));
        }
        assert.equal(rest.length, 0);
        assert.deepEqual(read, messages);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("waits between attempts grow from half a second to half a minute, jittered", () => {
  fc.assert(
    fc.property(fc.nat(100), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
      const wait = backoff(failures, random);
      const most = Math.min(30_000, 500 * 2 ** failures);
      assert.ok(wait >= most / 2 && wait <= most, `${wait} after ${failures}`);
    }),
    { numRuns: 200 },
  );
});

Deno.test("message ids are what the envelope takes, and differ", () => {
  const ids = new Set(Array.from({ length: 1000 }, newId));
  assert.equal(ids.size, 1000);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
});
