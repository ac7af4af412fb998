import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { borrowBlock, returnBlock, xorBlock } from "../../src/websocket/blocks.ts";
import { CLOSE, WebSocketError } from "../../src/websocket/errors.ts";
import { FrameReader } from "../../src/websocket/frame_reader.ts";
import { encodeFrame, OPCODE } from "../../src/websocket/frame_writer.ts";
import { unmask } from "../../src/websocket/unmask.ts";
import { frame } from "./raw_client.ts";

type Seen = readonly [kind: string, content: string];

function collect(maxMessage = 1 << 20, onMessage: (reader: FrameReader) => void = () => {}) {
  const seen: Seen[] = [];
  const reader: FrameReader = new FrameReader({
    text: (text) => {
      seen.push(["text", text]);
      onMessage(reader);
    },
    binary: (data) => {
      seen.push(["binary", data.toHex()]);
      onMessage(reader);
    },
    ping: (payload) => seen.push(["ping", payload.toHex()]),
    pong: (payload) => seen.push(["pong", payload.toHex()]),
    close: (code, reason) => seen.push(["close", `${code} ${reason}`]),
  }, maxMessage);
  return { reader, seen };
}

/** Bytes that differ from place to place, made faster than `fc.uint8Array` makes and shrinks as many. */
const manyBytes = fc.tuple(fc.nat(70_000), fc.nat(255)).map(([length, start]) =>
  Uint8Array.from({ length }, (_, i) => start + i * 7 + (i >> 8))
);

const message = fc.oneof(
  fc.record({ kind: fc.constant("text" as const), text: fc.string({ unit: "grapheme", maxLength: 300 }) }),
  fc.record({
    kind: fc.constant("binary" as const),
    bytes: manyBytes,
  }),
  fc.record({ kind: fc.constant("ping" as const), bytes: fc.uint8Array({ maxLength: 125 }) }),
);

type Sent = typeof message extends fc.Arbitrary<infer T> ? T : never;

/** The frames of a message, cut into fragments at `cuts` shares, with pings in between. */
function framesOf(each: Sent, cuts: readonly number[]): Uint8Array[] {
  if (each.kind === "ping") return [frame(OPCODE.ping, each.bytes)];
  const bytes = each.kind === "text" ? new TextEncoder().encode(each.text) : each.bytes;
  const places = cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b);
  const opcode = each.kind === "text" ? OPCODE.text : OPCODE.binary;
  return [0, ...places].map((from, i) => {
    const to = places[i] ?? bytes.length;
    return frame(i === 0 ? opcode : OPCODE.continuation, bytes.slice(from, to), { fin: i === places.length });
  });
}

const share = fc.double({ min: 0, max: 1, noNaN: true });

function chunksOf(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b);
  return [0, ...places].map((from, i) => Uint8Array.from(bytes.subarray(from, places[i] ?? bytes.length)));
}

Deno.test("frames: whatever the fragments and the pieces on the wire, the messages are the same", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(message, fc.array(share, { maxLength: 3 })), { maxLength: 8 }),
      fc.array(share, { maxLength: 12 }),
      (messages, cuts) => {
        const wire = Buffer.concat(messages.flatMap(([each, fragments]) => framesOf(each, fragments)));
        const { reader, seen } = collect();
        for (const chunk of chunksOf(wire, cuts)) reader.push(chunk);
        const want = messages.map(([each]): Seen =>
          each.kind === "text" ? ["text", each.text] : [each.kind, each.bytes.toHex()]
        );
        assert.deepEqual(seen, want);
        assert.equal(reader.buffered, 0);
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("frames: nothing is handed on while paused, and nothing is lost", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 20 }), { minLength: 1, maxLength: 30 }),
      fc.array(share, { maxLength: 5 }),
      (texts, cuts) => {
        const wire = new Uint8Array(texts.flatMap((text) => [...frame(OPCODE.text, text)]));
        const { reader, seen } = collect(1 << 20, (reader) => reader.paused = true);
        for (const chunk of chunksOf(wire, cuts)) {
          reader.push(chunk);
          assert.ok(seen.length <= 1, "paused after the first message");
        }
        for (let i = 1; i < texts.length; i++) {
          reader.resume();
          assert.equal(seen.length, i + 1);
        }
        assert.deepEqual(seen.map(([, text]) => text), texts);
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("frames: any bytes are read or refused with a close code, never more", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 20 }), (chunks) => {
      const { reader } = collect(1024);
      try {
        for (const chunk of chunks) reader.push(chunk);
      } catch (error) {
        assert.ok(error instanceof WebSocketError);
      }
      assert.ok(reader.buffered <= 1024);
    }),
    { numRuns: 1000 },
  );
});

/** Bytes, a mask, and how many bytes of the frame came before. */
const masked = [
  fc.uint8Array({ minLength: 1, maxLength: 300 }),
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.nat(9),
] as const;

Deno.test("frames: unmasking by words is unmasking by bytes", () => {
  fc.assert(
    fc.property(
      ...masked,
      fc.nat(7),
      (bytes, mask, phase, offset) => {
        const buffer = new Uint8Array(bytes.length + offset);
        const part = buffer.subarray(offset);
        part.set(bytes);
        unmask(part, mask, phase);
        assert.deepEqual([...part], [...bytes].map((byte, i) => byte ^ mask[(i + phase) & 3]!));
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("frames: unmasking in a kept block is unmasking by bytes, and touches nothing else", () => {
  const block = borrowBlock(20_000);
  fc.assert(
    fc.property(
      ...masked,
      fc.nat(40),
      (bytes, mask, phase, offset) => {
        block.fill(7, 0, 400);
        block.set(bytes, offset);
        const want = [...block.subarray(0, 400)];
        for (const [i, byte] of bytes.entries()) want[offset + i] = byte ^ mask[(i + phase) & 3]!;
        unmask(block.subarray(offset, offset + bytes.length), mask, phase);
        assert.deepEqual([...block.subarray(0, 400)], want);
      },
    ),
    { numRuns: 300 },
  );
  assert.equal(xorBlock(block.subarray(0, 100), 0), 96, "the fast way was taken");
  returnBlock(block);
});

/** How many blocks of 64 KB are kept and not lent. */
function freeBlocks(): number {
  const pool = borrowBlock(20_000);
  const taken: Uint8Array[] = [];
  for (let block = borrowBlock(65_536); block.buffer === pool.buffer; block = borrowBlock(65_536)) {
    taken.push(block);
  }
  taken.forEach(returnBlock);
  returnBlock(pool);
  return taken.length;
}

Deno.test("frames: large messages give their blocks back, whole, refused or cut off", () => {
  const free = freeBlocks();
  assert.ok(free > 0);
  for (let i = 0; i < 2 * free; i++) {
    const cutOff = collect().reader;
    cutOff.push(frame(OPCODE.binary, new Uint8Array(60_000)).subarray(0, 30_000));
    assert.equal(freeBlocks(), free - 1);
    cutOff.end();
    const wire = frame(OPCODE.text, new Uint8Array(60_000).fill(0xff));
    const refused = collect().reader;
    refused.push(wire.subarray(0, 30_000));
    assert.throws(() => refused.push(wire.subarray(30_000)), WebSocketError);
    const whole = collect();
    for (const chunk of chunksOf(frame(OPCODE.text, "a".repeat(60_000)), [0.5])) whole.reader.push(chunk);
    assert.deepEqual(whole.seen, [["text", "a".repeat(60_000)]]);
    assert.equal(freeBlocks(), free);
  }
});

Deno.test("frames: a text keeps its byte order mark", () => {
  const { reader, seen } = collect();
  reader.push(frame(OPCODE.text, "\ufeff{}"));
  assert.deepEqual(seen, [["text", "\ufeff{}"]]);
});

Deno.test("frames: a promised length is not reserved before it comes", () => {
  const { reader } = collect(2 ** 30);
  reader.push(frame(OPCODE.binary, new Uint8Array(10), { length: 2 ** 29, lengthBytes: 8 }));
  assert.ok(reader.buffered < 1024);
});

Deno.test("frames: control frames and unfinished fragments are counted, messages are not", () => {
  const { reader } = collect();
  reader.push(frame(OPCODE.ping));
  reader.push(frame(OPCODE.pong));
  reader.push(frame(OPCODE.text, "a", { fin: false }));
  reader.push(frame(OPCODE.continuation, "b"));
  reader.push(frame(OPCODE.text, "c"));
  assert.equal(reader.overhead, 3);
});

Deno.test("frames: a length in more bytes than it needs is refused", () => {
  for (const options of [{ length: 5, lengthBytes: 2 }, { length: 5, lengthBytes: 8 }] as const) {
    const { reader } = collect();
    assert.throws(
      () => reader.push(frame(OPCODE.text, "hello", options)),
      (error) => error instanceof WebSocketError && error.code === CLOSE.protocolError,
    );
  }
});

Deno.test("frames: a server's frame has the shortest length there is", () => {
  for (const [length, header] of [[0, 2], [125, 2], [126, 4], [65535, 4], [65536, 10]] as const) {
    assert.equal(encodeFrame(OPCODE.binary, new Uint8Array(length)).length, header + length);
  }
});
