/** Messages of a client that speaks JSON, those with bytes as MessagePack. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeBare, Encoded } from "../../src/protocol/core.ts";
import {
  decodeFrame,
  decodeText,
  Encoded as Full,
  isJson,
  type Message,
  type Payload,
} from "../../src/protocol/mod.ts";

/** What JSON makes of it: plain objects, and no -0. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
const value = fc.jsonValue({ maxDepth: 3 }).filter((each) => isJson(each));
const payload = fc.dictionary(fc.string({ maxLength: 20 }).filter((key) => key !== "__proto__"), value, {
  maxKeys: 6,
})
  .map((fields) => plain(fields) as Payload);
const message = (over: Payload): Message => ({
  type: "document_thing",
  id: "0193-ä€😀".replace(/[^!-~]/g, ""),
  timestamp: 1731963630000,
  payload: over,
});

Deno.test("mixed: messages with bytes are MessagePack, all others JSON, and both read back", () => {
  fc.assert(
    fc.property(payload, fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }), (fields, data) => {
      const sent = message(data === undefined ? fields : { ...fields, data });
      const encoded = new Encoded(sent);
      const form = data === undefined ? "json" : "msgpack";
      assert.equal(encoded.binary, form === "msgpack");
      assert.deepEqual(decodeFrame(encodeBare(sent)), { message: sent, form });
      // The same frame, whichever way it is written.
      const framed = encoded.framed("json");
      const target = new Uint8Array(encoded.room("json") + 7);
      const end = new Encoded(sent).writeTo(target, 7, "json");
      const prefix = (bytes: Uint8Array) => 1 << (bytes[0]! >> 6);
      for (const frame of [framed, target.subarray(7, end)]) {
        assert.deepEqual(decodeFrame(frame.subarray(prefix(frame))), { message: sent, form });
      }
      if (form === "json") assert.deepEqual(decodeText(encoded.text()), sent);
    }),
    { numRuns: 500 },
  );
});

Deno.test("mixed: undefined fields are left out, NaN and infinities become nil", () => {
  const data = Uint8Array.of(1, 2, 3);
  const sent = message(
    { data, gone: undefined, none: null, yes: true, no: false, list: [NaN, Infinity, "ä€😀"] } as Payload,
  );
  const { payload } = decodeFrame(encodeBare(sent)).message;
  assert.deepEqual(payload, { data, none: null, yes: true, no: false, list: [null, null, "ä€😀"] });
});

Deno.test("mixed: a large chunk grows by no more than its envelope", () => {
  const data = new Uint8Array(65_536).fill(7);
  const sent = message({ uploadId: "u".repeat(36), offset: 1 << 30, data });
  assert.ok(new Encoded(sent).framed("json").length < data.length + 256);
  assert.ok(new Encoded(sent).framed("json").length - new Full(sent).framed("msgpack").length < 64);
});
