import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeFrame, FrameError, FrameReader, MAX_FRAME } from "../../src/functions/child/frames.ts";

/** Cuts bytes at the places that `cuts` says. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const all: Uint8Array[] = [];
  let rest = bytes;
  for (const cut of cuts) {
    const at = cut % (rest.length + 1);
    all.push(rest.slice(0, at));
    rest = rest.slice(at);
  }
  return [...all, rest];
}

/** Validates: the length prefixes alone say where a frame ends. */
Deno.test("Feature: quic-transport, Property 320: frames come out as they went in, however a pipe cuts them", () => {
  const frame = fc.record({
    header: fc.dictionary(fc.string(), fc.jsonValue()),
    bytes: fc.uint8Array({ maxLength: 300 }),
  });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 20 }), (frames, cuts) => {
      const sent = frames.map(({ header, bytes }) => ({
        header: JSON.parse(JSON.stringify(header)),
        bytes: new Uint8Array(bytes),
      }));
      const all = new Uint8Array(sent.flatMap(({ header, bytes }) => [...encodeFrame(header, bytes)]));
      const reader = new FrameReader();
      const got = pieces(all, cuts).flatMap((piece) => [...reader.push(piece)]);
      assert.equal(
        JSON.stringify(got.map(({ header }) => header)),
        JSON.stringify(sent.map(({ header }) => header)),
      );
      assert.deepEqual(got.map(({ bytes }) => [...bytes]), sent.map(({ bytes }) => [...bytes]));
      assert.equal(reader.pending, 0);
    }),
    { numRuns: 200 },
  );
});

Deno.test("frames: a length beyond the limit is refused before it has come", () => {
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setUint32(4, MAX_FRAME + 1);
  assert.throws(() => [...new FrameReader().push(prefix)], FrameError);
});

Deno.test("frames: a header that is no object of JSON is refused", () => {
  for (const text of ["[]", "1", "null", "{", "\xff"]) {
    const bytes = new Uint8Array(8 + text.length);
    new DataView(bytes.buffer).setUint32(0, text.length);
    bytes.set(Array.from(text, (character) => character.charCodeAt(0)), 8);
    assert.throws(() => [...new FrameReader().push(bytes)], FrameError, text);
  }
});

Deno.test("frames: one that is too large is not made", () => {
  assert.throws(() => encodeFrame({}, new Uint8Array(MAX_FRAME)), FrameError);
});
