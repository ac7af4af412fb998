import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { decodeFrame, encodeBare, type Message, ProtocolError } from "../../src/protocol/mod.ts";
import { message } from "./arbitraries.ts";

const other = {
  packr: new Packr({ useRecords: false, variableMapSize: true }),
  unpackr: new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" }),
};
const bad = (error: unknown) => error instanceof ProtocolError && error.error === "bad_request";

/** A ping whose payload is `{d: <these bytes>}`. */
function withData(hex: string): Uint8Array {
  const head = "84" + "a474797065" + "a470696e67" + "a26964" + "a161" + "a974696d657374616d70" + "01" +
    "a77061796c6f6164";
  return Uint8Array.fromHex(head + "81a164" + hex);
}
const data = (hex: string) => decodeFrame(withData(hex)).message.payload.d;

Deno.test("msgpack: another implementation reads what is written", () => {
  fc.assert(
    fc.property(message, (message) => {
      assert.deepEqual(other.unpackr.unpack(encodeBare(message, "msgpack").slice()), message);
    }),
    { numRuns: 300 },
  );
});

Deno.test("msgpack: what another implementation writes is read", () => {
  fc.assert(
    fc.property(message, (message) => {
      assert.deepEqual(decodeFrame(other.packr.pack(message)).message, message);
    }),
    { numRuns: 300 },
  );
});

Deno.test("msgpack: bytes of a frame in a Buffer are plain bytes of their own", () => {
  const frame = Buffer.from(withData("c403010203"));
  const { payload } = decodeFrame(frame).message;
  frame.fill(0);
  assert.equal((payload.d as Uint8Array).constructor, Uint8Array);
  assert.deepEqual(payload.d, Uint8Array.of(1, 2, 3));
});

Deno.test("msgpack: numbers are read in every width", () => {
  const cases: Record<string, number> = {
    "7f": 127,
    "e0": -32,
    "ccff": 255,
    "cdffff": 65_535,
    "ceffffffff": 4_294_967_295,
    "cf001fffffffffffff": Number.MAX_SAFE_INTEGER,
    "d080": -128,
    "d18000": -32_768,
    "d280000000": -2_147_483_648,
    "d3ffe0000000000001": -Number.MAX_SAFE_INTEGER,
    "d3ffffffffffffffff": -1,
    "cb3ff8000000000000": 1.5,
    "ca3fc00000": 1.5,
    "cf0000000000000005": 5,
  };
  for (const [hex, value] of Object.entries(cases)) assert.equal(data(hex), value, hex);
});

Deno.test("msgpack: integers are written so that they read back, at every width's edge", () => {
  const edges = [0, 2 ** 5, 2 ** 7, 2 ** 8, 2 ** 15, 2 ** 16, 2 ** 31, 2 ** 32, 2 ** 48, 2 ** 53 - 2];
  for (const edge of edges) {
    for (const n of [edge - 1, edge, edge + 1, -edge - 1, -edge, -edge + 1]) {
      const sent: Message = { type: "ping", id: "a", timestamp: 1, payload: { n } };
      assert.equal(decodeFrame(encodeBare(sent, "msgpack")).message.payload.n, n + 0, `${n}`);
    }
  }
});

Deno.test("msgpack: values that JSON does not have are refused", () => {
  const wrong = {
    "an extension": "d40100",
    "a timestamp": "d6ff00000000",
    "a long extension": "c70301aabbcc",
    "the reserved byte": "c1",
    "NaN": "cb7ff8000000000000",
    "infinity": "cb7ff0000000000000",
    "NaN in 32 bits": "ca7fc00000",
    "an integer of 2^53": "cf0020000000000000",
    "the largest integer": "cfffffffffffffffff",
    "the smallest integer": "d38000000000000000",
    "a number as key": "810101",
    "nil as key": "81c001",
    "bytes as key": "81c4016101",
    "a map as key": "818001",
    "bytes in an array": "91c40100",
    "text that is not UTF-8": "a1ff",
    "a surrogate": "a3eda080",
  };
  for (const [what, hex] of Object.entries(wrong)) assert.throws(() => data(hex), bad, what);
});

Deno.test("msgpack: a key __proto__ is refused wherever it stands", () => {
  const key = "a9" + "5f5f70726f746f5f5f";
  assert.throws(() => data(`81${key}80`), bad);
  assert.throws(() => data(`9181${key}80`), bad);
  assert.throws(() => decodeFrame(Uint8Array.fromHex(`81${key}80`)), bad);
  const long = "d909" + "5f5f70726f746f5f5f";
  assert.throws(() => data(`81${long}80`), bad, "also with a longer header");
});

Deno.test("msgpack: a length beyond the end is refused before anything is allocated", () => {
  for (
    const hex of [
      "ddffffffff",
      "dfffffffff",
      "dbffffffff",
      "c6ffffffff",
      "dcffff",
      "deffff",
      "daffff",
      "c5ffff",
      "9f",
      "8f",
      "bf",
    ]
  ) assert.throws(() => data(hex), bad, hex);
});

Deno.test("msgpack: more values than the limit are refused", () => {
  assert.throws(() => data("dd00020000" + "c0".repeat(131_072)), bad);
  assert.equal((data("dd0000f000" + "c0".repeat(0xf000)) as unknown[]).length, 0xf000);
});

Deno.test("msgpack: every truncation of a message is refused, and so is anything after it", () => {
  const whole = withData("82a16193010203a162d9026869");
  assert.deepEqual(decodeFrame(whole).message.payload.d, { a: [1, 2, 3], b: "hi" });
  for (let cut = 0; cut < whole.length; cut++) assert.throws(() => decodeFrame(whole.subarray(0, cut)), bad);
  assert.throws(() => decodeFrame(Uint8Array.of(...whole, 0xc0)), bad);
});

Deno.test("msgpack: a refused frame leaves nothing behind that disturbs the next", () => {
  assert.throws(() => data("9f"), bad);
  assert.equal(data("05"), 5);
});

Deno.test("msgpack: keys that share a place in the key table are told apart", () => {
  const keys = Array.from({ length: 5000 }, (_, i) => `k${i.toString(36)}`);
  for (let round = 0; round < 2; round++) {
    for (const key of [...keys, "é", "日本", "", "k".repeat(24), "k".repeat(25)]) {
      const sent: Message = { type: "ping", id: "a", timestamp: 1, payload: { [key]: key } };
      assert.deepEqual(decodeFrame(encodeBare(sent, "msgpack")).message.payload, { [key]: key });
    }
  }
});

Deno.test("msgpack: fields that are undefined are left out, NaN becomes nil, dates become text: as in JSON", () => {
  const payload = { a: undefined, b: [undefined, NaN, Infinity], c: new Date(0), d: () => 1, e: -0 };
  const sent: Message = { type: "ping", id: "a", timestamp: 1, payload };
  const json = decodeFrame(encodeBare(sent, "json")).message;
  assert.deepEqual(decodeFrame(encodeBare(sent, "msgpack")).message, json);
});

Deno.test("msgpack: a bigint and an object that holds itself cannot be sent, and the next message can", () => {
  const loop: Record<string, unknown> = {};
  loop.loop = loop;
  const send = (payload: Record<string, unknown>) =>
    encodeBare({ type: "ping", id: "a", timestamp: 1, payload }, "msgpack");
  assert.throws(() => send({ n: 1n }), TypeError);
  assert.throws(() => send(loop), RangeError);
  assert.deepEqual(decodeFrame(send({ n: 1 })).message.payload, { n: 1 });
});
