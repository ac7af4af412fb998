import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeClose, encodeClose, MAX_REASON_LENGTH, treatCapsule } from "../../src/quic/h3/capsule.ts";
import { controlChecker } from "../../src/quic/h3/control.ts";
import { H3, Http3Error, MessageError } from "../../src/quic/h3/errors.ts";
import { encodeFrame, TlvReader } from "../../src/quic/h3/frames.ts";
import { huffmanDecode, huffmanEncode } from "../../src/quic/h3/huffman.ts";
import { parseRequest, responseLines } from "../../src/quic/h3/message.ts";
import { checkEncoderStream, decoderChecker, decodeSection, encodeSection } from "../../src/quic/h3/qpack.ts";
import { decodeSettings, encodeSettings, takesWebTransport } from "../../src/quic/h3/settings.ts";
import {
  encodeVarints,
  readVarint,
  varintLength,
  varintSize,
  writeVarint,
} from "../../src/quic/h3/varint.ts";
import { bytes, join } from "./adapters.ts";

const hex = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.fromHex(text.replaceAll(" ", ""));
const failsWith = (code: number) => (error: unknown): boolean =>
  error instanceof Http3Error && error.h3Code === code;

Deno.test("varint: matches the vectors of RFC 9000 Appendix A.1", () => {
  const vectors: [string, number][] = [["9d7f3e7d", 494_878_333], ["7bbd", 15_293], ["25", 37], ["4025", 37]];
  for (const [encoded, value] of vectors) assert.equal(readVarint(hex(encoded)), value);
  assert.equal(encodeVarints(494_878_333, 15_293, 37).toHex(), "9d7f3e7d7bbd25");
  assert.equal(readVarint(hex("c000000100000000")), 2 ** 32);
});

Deno.test("varint: an incomplete one reads as -1", () => {
  for (const part of ["", "40", "9d7f3e", "c0000001000000"]) assert.equal(readVarint(hex(part)), -1);
  for (const value of [-1, 0.5, 2 ** 53, NaN]) assert.throws(() => varintSize(value), RangeError);
});

Deno.test("varint: every value reads back as it was written", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat(9), (value, at) => {
      const buffer = new Uint8Array(20);
      const end = writeVarint(buffer, at, value);
      assert.equal(end - at, varintSize(value));
      assert.equal(end - at, varintLength(buffer[at]!));
      assert.equal(readVarint(buffer, at, end), value);
      assert.equal(readVarint(buffer, at, end - 1), -1);
    }),
    { numRuns: 500 },
  );
});

Deno.test("huffman: matches the vectors of RFC 7541 Appendix C", () => {
  const vectors: [string, string][] = [
    ["www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"],
    ["no-cache", "a8eb10649cbf"],
    ["custom-key", "25a849e95ba97d7f"],
    ["custom-value", "25a849e95bb8e8b4bf"],
    ["302", "6402"],
    ["private", "aec3771a4b"],
    ["Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"],
    ["https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"],
    ["307", "640eff"],
    ["gzip", "9bd9ab"],
    [
      "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
      "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ],
  ];
  for (const [plain, encoded] of vectors) {
    assert.equal(huffmanEncode(bytes(plain)).toHex(), encoded);
    assert.deepEqual(huffmanDecode(hex(encoded)), bytes(plain));
  }
});

Deno.test("huffman: every byte string survives encoding and decoding", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (plain) => {
      assert.deepEqual([...huffmanDecode(huffmanEncode(plain))], [...plain]);
    }),
    { numRuns: 300 },
  );
});

Deno.test("huffman: refuses the end-of-string symbol and wrong padding", () => {
  for (const wrong of ["ffffffff", "ff", "18", "00"]) {
    assert.throws(() => huffmanDecode(hex(wrong)), RangeError);
  }
});

Deno.test("qpack: decodes the vectors of RFC 9204 Appendix B that use no dynamic table", () => {
  assert.deepEqual(decodeSection(hex("0000 510b 2f69 6e64 6578 2e68 746d 6c")), [[":path", "/index.html"]]);
  assert.deepEqual(decodeSection(hex("0000 c1 d1")), [[":path", "/"], [":method", "GET"]]);
});

Deno.test("qpack: refuses references to a dynamic table and sections that end early", () => {
  for (
    const wrong of ["", "00", "0381 10 11", "0000 80", "0000 4001 61", "0000 10", "0000 0001 61", "0000 ff3f"]
  ) {
    assert.throws(() => decodeSection(hex(wrong)), failsWith(H3.QPACK_DECOMPRESSION_FAILED), wrong);
  }
  for (const wrong of ["0000 510b 2f", "0000 23 61", "0000 51 81 00", "0000 ffffffffffffff7f"]) {
    assert.throws(() => decodeSection(hex(wrong)), failsWith(H3.QPACK_DECOMPRESSION_FAILED), wrong);
  }
});

Deno.test("qpack: bounds how large a small section can grow", () => {
  const bomb = join([hex("0000"), new Uint8Array(1000).fill(0xc1)]);
  assert.throws(
    () => decodeSection(bomb),
    (error: unknown) => error instanceof MessageError && error.status === 431,
  );
});

Deno.test("qpack: every section reads back as it was encoded", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
  const value = fc.string({ unit: "binary-ascii", maxLength: 60 });
  const known = fc.constantFrom([":status", "200"], [":method", "GET"], ["origin", ""], ["accept", "*/*"]);
  const line = fc.oneof(fc.tuple(name, value), fc.tuple(fc.constant("content-type"), value), known);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
      assert.deepEqual(decodeSection(encodeSection(lines as [string, string][])), lines);
    }),
    { numRuns: 300 },
  );
});

Deno.test("qpack: random bytes decode to lines or fail with a known error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (input) => {
      try {
        decodeSection(input);
      } catch (error) {
        assert.ok(error instanceof Http3Error || error instanceof MessageError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("qpack: the peer's encoder and decoder streams may not use a dynamic table", () => {
  checkEncoderStream(hex("20"));
  for (const wrong of ["3fbd01", "c00f", "4a", "02"]) {
    assert.throws(() => checkEncoderStream(hex(wrong)), failsWith(H3.QPACK_ENCODER_STREAM_ERROR));
  }
  const check = decoderChecker();
  check(hex("4048 7f"));
  check(hex("9d01 44"));
  for (const wrong of ["80", "01", "847f"]) {
    assert.throws(() => decoderChecker()(hex(wrong)), failsWith(H3.QPACK_DECODER_STREAM_ERROR));
  }
});

Deno.test("frames: come out whole however their bytes are cut", () => {
  const item = fc.tuple(fc.constantFrom(0, 1, 0x2843, 0x1f * 7 + 0x21), fc.uint8Array({ maxLength: 80 }));
  fc.assert(
    fc.property(
      fc.array(item, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (items, cuts) => {
        const all = join(items.map(([type, payload]) => encodeFrame(type, payload)));
        const reader = new TlvReader((type) => type === 0 ? "pass" : type === 0x2843 ? "skip" : "collect");
        const got: [number, number[]][] = [];
        let open: number[] | undefined;
        for (let at = 0, i = 0; at < all.length; i++) {
          const end = Math.min(all.length, at + cuts[i % cuts.length]!);
          for (const piece of reader.push(all.subarray(at, end))) {
            if (piece.kind === "whole") got.push([piece.type, [...piece.payload]]);
            else {
              if (open === undefined) got.push([piece.type, open = []]);
              open.push(...piece.payload);
              if (piece.last) open = undefined;
            }
          }
          at = end;
        }
        assert.deepEqual(
          got,
          items.filter(([type]) => type !== 0x2843).map(([type, payload]) => [type, [...payload]]),
        );
        assert.equal(reader.partial, false);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("settings: ours announce what browsers need and nothing that does not hold", () => {
  const frame = encodeSettings();
  assert.equal(frame[0], 0x04);
  const settings = decodeSettings(frame.subarray(2));
  // Extended CONNECT, datagrams of both drafts, WebTransport drafts 02 (Chromium, Firefox), 07, 13 and 14 (Safari).
  // Not 0x2c7cf000: draft 15 demands RESET_STREAM_AT, which Deno's QUIC lacks. No dynamic table.
  const announced = [0x08, 0x33, 0x2b603742, 0xffd277, 0xc671706a, 0x14e9cd29];
  assert.deepEqual([...settings].toSorted(), announced.map((id) => [id, 1]).toSorted());
});

Deno.test("settings: unknown ones of a peer are kept", () => {
  assert.equal(decodeSettings(encodeVarints(0x21 + 0x1f * 3, 77)).get(0x21 + 0x1f * 3), 77);
});

Deno.test("settings: malformed ones of a peer are refused", () => {
  for (const wrong of [[2, 0], [5, 1], [0x33, 2], [8, 5], [6, 1, 6, 1]]) {
    assert.throws(() => decodeSettings(encodeVarints(...wrong)), failsWith(H3.SETTINGS_ERROR));
  }
  assert.throws(() => decodeSettings(hex("3301 06")), failsWith(H3.FRAME_ERROR));
});

Deno.test("settings: a server without one of the three things WebTransport needs takes none", () => {
  const of = (...ids: number[]) => takesWebTransport(new Map(ids.map((id) => [id, 1])));
  for (const version of [0x2b603742, 0xc671706a, 0x14e9cd29]) assert.equal(of(0x08, 0x33, version), true);
  assert.equal(of(0x08, 0xffd277, 0x2b603742), true);
  assert.deepEqual([of(0x33, 0x2b603742), of(0x08, 0x2b603742), of(0x08, 0x33), of()], [
    false,
    false,
    false,
    false,
  ]);
  assert.equal(takesWebTransport(new Map([[0x08, 0], [0x33, 1], [0x2b603742, 1]])), false);
});

Deno.test("control stream: begins with SETTINGS and carries only control frames", () => {
  const grease = encodeFrame(0x21 + 0x1f * 5, new Uint8Array(300));
  const after = controlChecker();
  after(encodeSettings());
  after(grease);
  after(encodeFrame(0x07, hex("00")));
  const wrong: [Uint8Array, number][] = [
    [encodeFrame(0x07, hex("00")), H3.MISSING_SETTINGS],
    [join([encodeSettings(), encodeSettings()]), H3.FRAME_UNEXPECTED],
    [join([encodeSettings(), encodeFrame(0, hex("00"))]), H3.FRAME_UNEXPECTED],
    [join([encodeSettings(), encodeFrame(1, hex("00"))]), H3.FRAME_UNEXPECTED],
    [join([encodeSettings(), encodeFrame(6, hex("00"))]), H3.FRAME_UNEXPECTED],
    [encodeVarints(4, 1 << 20), H3.EXCESSIVE_LOAD],
  ];
  for (const [input, code] of wrong) assert.throws(() => controlChecker()(input), failsWith(code));
});

Deno.test("capsule: a close keeps its code and cuts a long reason between characters", () => {
  const open = (frame: Uint8Array): { code: number; reason: string } => {
    const reader = new TlvReader(treatCapsule);
    const [piece] = [...reader.push(frame)];
    return decodeClose(piece!.payload);
  };
  assert.deepEqual(open(encodeClose(3001, "gone ✓")), { code: 3001, reason: "gone ✓" });
  assert.deepEqual(open(encodeClose(2 ** 32 - 1, "")), { code: 2 ** 32 - 1, reason: "" });
  const long = open(encodeClose(1, "ä".repeat(2000))).reason;
  assert.equal(long, "ä".repeat(MAX_REASON_LENGTH / 2));
  assert.throws(() => decodeClose(hex("000001")), failsWith(H3.MESSAGE_ERROR));
  assert.throws(() => treatCapsule(0x2843, 5000), failsWith(H3.MESSAGE_ERROR));
  assert.equal(treatCapsule(0x78ae, 0), "skip");
});

const GET: [string, string][] = [[":method", "GET"], [":scheme", "https"], [":authority", "a:1"], [
  ":path",
  "/x?y=z",
]];

Deno.test("message: a request head is read with path, query and joined fields", () => {
  const head = parseRequest([...GET, ["cookie", "a=1"], ["cookie", "b=2"], ["accept", "x"], ["accept", "y"]]);
  assert.equal(head.url.href, "https://a:1/x?y=z");
  assert.deepEqual([...head.headers], [["cookie", "a=1; b=2"], ["accept", "x, y"]]);
  const connect = parseRequest([...GET.slice(1), [":method", "CONNECT"], [":protocol", "webtransport"]]);
  assert.equal(connect.protocol, "webtransport");
});

Deno.test("message: a malformed request is refused with its status", () => {
  const without = (name: string): [string, string][] => GET.filter((line) => line[0] !== name);
  const wrong: [string, string][][] = [
    ...[":method", ":scheme", ":authority", ":path"].map(without),
    [...GET, [":path", "/"]],
    [...GET, [":status", "200"]],
    [["accept", "x"], ...GET],
    [...GET, ["Accept", "x"]],
    [...GET, ["connection", "close"]],
    [...GET, ["te", "gzip"]],
    [...GET, ["x", "a\r\nb"]],
    [...GET, [":protocol", "webtransport"]],
    [...without(":path"), [":path", "x"]],
    [...without(":authority"), [":authority", "u@h/p"]],
    [...without(":method"), [":method", "G T"]],
  ];
  for (const lines of wrong) {
    assert.throws(
      () => parseRequest(lines),
      (error: unknown) => error instanceof MessageError && error.status === 400,
    );
  }
});

Deno.test("message: a response head leaves out connection-specific fields", () => {
  assert.deepEqual(responseLines(204, [["Connection", "close"], ["X-A", "b"]]), [[":status", "204"], [
    "x-a",
    "b",
  ]]);
});
