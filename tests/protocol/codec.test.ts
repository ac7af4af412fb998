import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checkEnvelope,
  decodeFrame,
  decodeText,
  encodeBare,
  Encoded,
  isId,
  isType,
  MAX_PAYLOAD_DEPTH,
  type Message,
  ProtocolError,
  scanFrame,
} from "../../src/protocol/mod.ts";

const bad = (error: unknown) => error instanceof ProtocolError && error.error === "bad_request";
const good = { type: "ping", id: "a1", timestamp: 1, payload: {} };
const utf8 = (text: string) => new TextEncoder().encode(text);

Deno.test("codec: the check of an envelope takes messages and leaves unknown fields out", () => {
  assert.deepEqual(checkEnvelope({ ...good, extra: 1 }), good);
  assert.deepEqual(checkEnvelope({ ...good, re: "b" }), { ...good, re: "b" });
  assert.deepEqual(checkEnvelope({ ...good, timestamp: -1.5 }), { ...good, timestamp: -1.5 });
});

Deno.test("codec: the check of an envelope refuses what is not a message", () => {
  const wrong: Record<string, unknown>[] = [
    { type: 1 },
    { type: "" },
    { type: "Ping" },
    { type: "_ping" },
    { type: "1ping" },
    { type: "a".repeat(65) },
    { id: undefined },
    { id: "" },
    { id: "a b" },
    { id: "é" },
    { id: "a\n" },
    { id: "x".repeat(65) },
    { timestamp: "1" },
    { timestamp: NaN },
    { timestamp: Infinity },
    { timestamp: null },
    { payload: null },
    { payload: [] },
    { payload: "x" },
    { payload: new Uint8Array(1) },
    { re: null },
    { re: "" },
    { re: 5 },
  ];
  for (const fields of wrong) assert.throws(() => checkEnvelope({ ...good, ...fields }), bad);
  for (const value of [null, undefined, 1, "x", [], [good]]) assert.throws(() => checkEnvelope(value), bad);
});

Deno.test("codec: names are checked as the regular expressions of PROTOCOL.md say", () => {
  const text = fc.string({ unit: fc.constantFrom(..."az_09 ~!{`A\x7f\né"), maxLength: 66 });
  fc.assert(
    fc.property(text, (text) => {
      assert.equal(isId(text), /^[\x21-\x7e]{1,64}$/.test(text));
      assert.equal(isType(text), /^[a-z][a-z0-9_]{0,63}$/.test(text));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("codec: text that is not UTF-8 is refused, and U+FFFD itself is not", () => {
  const frame = utf8(JSON.stringify({ ...good, payload: { text: "?" } }));
  const at = frame.lastIndexOf("?".charCodeAt(0));
  for (const byte of [0x80, 0xc3, 0xff, 0xed]) {
    frame[at] = byte;
    assert.throws(() => decodeFrame(frame), bad);
  }
  const replacement = { ...good, payload: { text: "a\ufffdb" } };
  assert.deepEqual(decodeFrame(utf8(JSON.stringify(replacement))).message, replacement);
});

Deno.test("codec: an error about JSON does not repeat the text", () => {
  try {
    decodeText('{"token": secret}');
    assert.fail();
  } catch (error) {
    assert.ok(error instanceof ProtocolError);
    assert.ok(!`${error.message} ${error.cause} ${error.stack}`.includes("secret"));
  }
});

Deno.test("codec: a key __proto__ is refused in a payload and without effect beside it", () => {
  const inside = '{"type":"ping","id":"a","timestamp":1,"payload":';
  assert.throws(() => decodeText(inside + '{"__proto__":{"admin":true}}}'), bad);
  assert.throws(() => decodeText(inside + '{"data":[{"a":{"\\u005f_proto__":1}}]}}'), bad);
  const beside = decodeText(inside + '{},"__proto__":{"re":"x","admin":true}}');
  assert.equal(beside.re, undefined);
  assert.ok(!("admin" in beside));
  const other = decodeText(inside + '{"constructor":1,"toString":2}}');
  assert.deepEqual(other.payload, { constructor: 1, toString: 2 });
});

Deno.test("codec: a payload may be nested as deep as the limit and no deeper, in both forms", () => {
  const nested = (levels: number) => {
    let data: unknown = 1;
    for (let i = 0; i < levels; i++) data = i % 2 === 0 ? [data] : { a: data };
    return { ...good, payload: { data } };
  };
  for (const form of ["json", "msgpack"] as const) {
    const deepest = nested(MAX_PAYLOAD_DEPTH);
    assert.deepEqual(decodeFrame(encodeBare(deepest, form)).message, deepest);
    assert.throws(() => decodeFrame(encodeBare(nested(MAX_PAYLOAD_DEPTH + 1), form)), bad);
  }
});

Deno.test("codec: nesting as deep as a frame allows does not exhaust the stack", () => {
  const json = '{"type":"ping","id":"a","timestamp":1,"payload":{"a":' + "[".repeat(30_000) +
    "]".repeat(30_000) + "}}";
  assert.throws(() => decodeText(json), bad);
  const maps = '{"a":'.repeat(12_000);
  assert.throws(() => decodeText(maps + "1" + "}".repeat(12_000)), bad);
});

Deno.test("codec: a number too large for a double is refused", () => {
  assert.throws(() => decodeText('{"type":"ping","id":"a","timestamp":1,"payload":{"data":[1e999]}}'), bad);
  assert.throws(() => decodeText('{"type":"ping","id":"a","timestamp":1e999,"payload":{}}'), bad);
});

Deno.test("codec: a frame whose first byte is of neither form is refused", () => {
  for (const first of [0x00, 0x20, 0x5b, 0x22, 0x7a, 0x90, 0xa0, 0xc0, 0xdc, 0xff]) {
    assert.throws(() => decodeFrame(Uint8Array.of(first, 0x7b)), bad);
  }
  assert.throws(() => decodeFrame(new Uint8Array()), bad);
});

Deno.test("codec: bytes at the top of a payload are bytes in MessagePack and base64 in JSON", () => {
  const message: Message = { ...good, payload: { chunk: Uint8Array.of(0, 1, 254, 255), n: 1 } };
  assert.deepEqual(decodeFrame(encodeBare(message, "msgpack")).message, message);
  assert.deepEqual(decodeFrame(encodeBare(message, "json")).message.payload, { chunk: "AAH+/w==", n: 1 });
});

Deno.test("codec: decoded bytes do not change when the buffer they came in is used again", () => {
  const frame = encodeBare({ ...good, payload: { chunk: Uint8Array.of(1, 2, 3), text: "abc" } }, "msgpack")
    .slice();
  const { message } = decodeFrame(frame);
  frame.fill(0xff);
  assert.deepEqual(message.payload, { chunk: Uint8Array.of(1, 2, 3), text: "abc" });
});

Deno.test("codec: a message has the same bytes whichever way it is written", () => {
  for (const text of ["", "x".repeat(60), "é".repeat(40), "𝄞".repeat(3000), "y".repeat(20_000), "\ud800"]) {
    for (const form of ["json", "msgpack"] as const) {
      for (const shared of [false, true]) {
        const encoded = new Encoded({ ...good, payload: { text } }, shared);
        const room = encoded.room(form);
        const size = encoded.size(form);
        const target = new Uint8Array(room + 20).fill(0xee);
        const end = encoded.writeTo(target, 10, form);
        assert.ok(end - 10 <= room, "it stays within its room");
        assert.ok(target.subarray(end).every((byte) => byte === 0xee), "and writes nothing behind its end");
        if (form === "msgpack" || /^[\x20-\x7e]*$/.test(text)) assert.ok(Math.abs(size - (end - 10)) <= 2);
        assert.deepEqual(unframe(target, 10, end), unframe(encoded.framed(form)));
        assert.equal(unframe(target, 10, end).payload.text, form === "json" ? text : text.toWellFormed());
      }
    }
  }
});

Deno.test("codec: messages encoded one after the other do not disturb one another", () => {
  const size = fc.oneof(fc.nat(100), fc.nat(3000), fc.nat(40_000));
  fc.assert(fc.property(fc.array(size, { maxLength: 30 }), (sizes) => {
    const forms = ["json", "msgpack"] as const;
    const all = sizes.map((size, i) => {
      const message = { ...good, id: `${i}`, payload: { text: (i % 3 === 0 ? "é" : "z").repeat(size) } };
      return { message, framed: new Encoded(message, true).framed(forms[i % 2]!) };
    });
    for (const { message, framed } of all) assert.deepEqual(unframe(framed), message);
  }));
});

function unframe(bytes: Uint8Array, at = 0, end = bytes.length): Message {
  const scan = scanFrame(bytes, at, end, 1 << 20);
  assert.ok(scan.kind === "frame" && scan.end === end, "a whole frame");
  return decodeFrame(bytes.subarray(scan.start, scan.end)).message;
}
