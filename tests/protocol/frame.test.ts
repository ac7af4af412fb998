import assert from "node:assert/strict";
import { CloseError, scanFrame } from "../../src/protocol/mod.ts";
import { scanFrames } from "./frames.ts";

const closes = (close: string) => (error: unknown) => error instanceof CloseError && error.close === close;

Deno.test("frames: a frame above the limit is refused by its length alone", () => {
  const prefix = Uint8Array.of(0x80, 0x01, 0x00, 0x01);
  assert.throws(() => scanFrame(prefix, 0, 4, 65_536), closes("message_too_large"));
  assert.deepEqual(scanFrame(prefix, 0, 4, 65_537), { kind: "more", need: 65_541 });
});

Deno.test("frames: a length above 2^53 is refused", () => {
  assert.throws(() => scanFrame(new Uint8Array(8).fill(0xff), 0, 8, 65_536), closes("message_too_large"));
});

Deno.test("frames: an empty frame is refused, however its length is written", () => {
  for (const hex of ["00", "4000", "80000000", "c000000000000000"]) {
    const bytes = Uint8Array.fromHex(hex);
    assert.throws(() => scanFrame(bytes, 0, bytes.length, 100), closes("bad_request"));
  }
});

Deno.test("frames: a length need not be minimal", () => {
  for (const hex of ["03616263", "4003616263", "80000003616263", "c000000000000003616263"]) {
    const bytes = Uint8Array.fromHex(hex);
    const scan = scanFrame(bytes, 0, bytes.length, 3);
    assert.equal(scan.kind, "frame");
    if (scan.kind === "frame") {
      assert.deepEqual([...bytes.subarray(scan.start, scan.end)], [0x61, 0x62, 0x63]);
    }
  }
});

Deno.test("frames: of a part of a frame it is said how many bytes are needed", () => {
  assert.deepEqual(scanFrame(new Uint8Array(), 0, 0, 100), { kind: "more", need: 1 });
  assert.deepEqual(scanFrame(Uint8Array.of(0x40), 0, 1, 100), { kind: "more", need: 2 });
  assert.deepEqual(scanFrame(Uint8Array.of(5, 1, 2), 0, 3, 100), { kind: "more", need: 6 });
});

Deno.test("frames: frames in one buffer come in order and the rest is left", () => {
  const bytes = Uint8Array.of(9, 9, 1, 0x61, 2, 0x62, 0x63, 3, 0x64);
  const seen: number[][] = [];
  const rest = scanFrames(bytes, 2, bytes.length, 10, (frame) => seen.push([...frame]));
  assert.deepEqual(seen, [[0x61], [0x62, 0x63]]);
  assert.equal(rest, 7);
});
