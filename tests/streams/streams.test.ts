import assert from "node:assert/strict";
import fc from "fast-check";
import { CloseError, Encoded, type Message, ProtocolError, uuidv7 } from "../../src/protocol/mod.ts";
import {
  borrowBuffer,
  type ByteSource,
  FrameWriter,
  nextCapacity,
  readFrames,
  returnBuffer,
} from "../../src/streams/mod.ts";

/** Gives `bytes` in pieces of the given sizes, however large the reader's buffer is. */
function sourceOf(bytes: Uint8Array, sizes: number[]): ByteSource {
  let at = 0, turn = 0;
  return {
    read(buffer) {
      if (at === bytes.length) return Promise.resolve(null);
      const size = Math.min(sizes[turn++ % sizes.length]!, buffer.length, bytes.length - at);
      // As a BYOB read does: the memory moves to a new buffer, the old view is detached.
      const { byteOffset } = buffer;
      const moved = buffer.buffer.transfer();
      const view = new Uint8Array(moved, byteOffset, size);
      view.set(bytes.subarray(at, at + size));
      at += size;
      return Promise.resolve(view);
    },
  };
}

function message(text: string): Message {
  return { type: "chat_message", id: uuidv7(), timestamp: 1, payload: { channel: "chat:a", text } };
}

function concat(parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

async function collect(
  source: ByteSource,
  maxFrame = 1 << 20,
): Promise<{ lane: number; frames: Uint8Array[] }> {
  let lane = -1;
  const frames: Uint8Array[] = [];
  await readFrames(source, {
    header: (value) => void (lane = value),
    frame: (frame) => void frames.push(frame.slice()),
  }, {
    maxFrame: () => maxFrame,
  });
  return { lane, frames };
}

Deno.test("streams: frames come out whole and in order, however the bytes are cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 5000 }), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 8 }),
      async (texts, sizes) => {
        const sent = texts.map((text) => new Encoded(message(text)).framed("json"));
        const { lane, frames } = await collect(sourceOf(concat([new Uint8Array([7]), ...sent]), sizes));
        assert.equal(lane, 7);
        assert.deepEqual(
          frames.map((frame) => JSON.parse(new TextDecoder().decode(frame)).payload.text),
          texts,
        );
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("streams: a frame far larger than the buffer is read whole", async () => {
  const text = "x".repeat(300_000);
  const { frames } = await collect(
    sourceOf(concat([new Uint8Array([0]), new Encoded(message(text)).framed("json")]), [1000]),
  );
  assert.equal(JSON.parse(new TextDecoder().decode(frames[0])).payload.text, text);
});

Deno.test("streams: a length above the limit is refused before its bytes have come", async () => {
  const source = sourceOf(new Uint8Array([0, 0x80, 0x10, 0, 0]), [10]);
  await assert.rejects(
    collect(source, 65536),
    (error) => error instanceof CloseError && error.close === "message_too_large",
  );
});

Deno.test("streams: an empty frame is refused", async () => {
  await assert.rejects(
    collect(sourceOf(new Uint8Array([0, 0]), [10])),
    (error) => error instanceof CloseError,
  );
});

Deno.test("streams: a stream that ends within a frame is told from one that ends after it", async () => {
  const framed = concat([new Uint8Array([3]), new Encoded(message("a")).framed("json")]);
  assert.equal((await collect(sourceOf(framed, [9]))).frames.length, 1);
  await assert.rejects(
    collect(sourceOf(framed.slice(0, -1), [9])),
    (error) => error instanceof ProtocolError,
  );
});

Deno.test("streams: a promise from the handler pauses the stream", async () => {
  const framed = concat([
    new Uint8Array([0]),
    ...["a", "b", "c"].map((text) => new Encoded(message(text)).framed("json")),
  ]);
  let active = 0, most = 0, seen = 0;
  await readFrames(sourceOf(framed, [1000]), {
    async frame() {
      most = Math.max(most, ++active);
      await new Promise((resolve) => setTimeout(resolve, 1));
      active--;
      seen++;
    },
  }, { maxFrame: () => 65536 });
  assert.deepEqual([seen, most], [3, 1]);
});

Deno.test("streams: the buffer grows for a busy stream and shrinks for an idle one", () => {
  assert.equal(nextCapacity(1024, 1024, 1024), 4096);
  assert.equal(nextCapacity(65536, 65536, 65536), 65536);
  assert.equal(nextCapacity(65536, 100, 65536), 16384);
  assert.equal(nextCapacity(1024, 10, 1024), 1024);
  assert.equal(nextCapacity(131072, 70000, 131072), 131072);
});

Deno.test("streams: all that waits while a write is in flight is one next write", async () => {
  const queue: Encoded[] = [];
  const writes: Uint8Array[] = [];
  let release = () => {};
  const writer = new FrameWriter({
    write(bytes) {
      writes.push(bytes.slice());
      return new Promise((resolve) => release = resolve);
    },
  }, {
    take: () => queue.shift(),
    form: () => "json",
    lane: 5,
    written: () => {},
    failed: (error) => assert.fail(String(error)),
  });
  const offer = (text: string) => {
    queue.push(new Encoded(message(text)));
    writer.wake();
  };
  offer("first");
  await Promise.resolve();
  for (let i = 0; i < 10; i++) offer(`${i}`);
  release();
  await new Promise((resolve) => setTimeout(resolve, 1));
  release();
  await writer.idle();
  assert.equal(writes.length, 2);
  const { lane, frames } = await collect(sourceOf(concat(writes), [100]));
  assert.equal(lane, 5);
  assert.equal(frames.length, 11);
});

Deno.test("streams: a failed write is told once and ends the writer", async () => {
  const queue = [new Encoded(message("a")), new Encoded(message("b"))];
  const failures: unknown[] = [];
  const writer = new FrameWriter({ write: () => Promise.reject(new Error("gone")) }, {
    take: () => queue.shift(),
    form: () => "json",
    written: () => {},
    failed: (error) => failures.push(error),
  });
  writer.wake();
  await writer.idle();
  await new Promise((resolve) => setTimeout(resolve, 1));
  writer.wake();
  await writer.idle();
  assert.equal(failures.length, 1);
});

Deno.test("streams: messages of every size leave in order, in both forms", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.string(), fc.integer({ min: 0, max: 40_000 }).map((n) => "é".repeat(n))), {
        maxLength: 12,
      }),
      fc.constantFrom("json" as const, "msgpack" as const),
      fc.boolean(),
      async (texts, form, shared) => {
        const queue = texts.map((text) => new Encoded(message(text), shared));
        const writes: Uint8Array[] = [];
        const writer = new FrameWriter(
          { write: (bytes) => Promise.resolve(void writes.push(bytes.slice())) },
          {
            take: () => queue.shift(),
            form: () => form,
            lane: 300,
            written: () => {},
            failed: (error) => assert.fail(String(error)),
          },
        );
        writer.wake();
        await writer.idle();
        const { decodeFrame } = await import("../../src/protocol/mod.ts");
        const { lane, frames } = await collect(sourceOf(concat(writes), [4096]));
        assert.equal(lane, 300);
        assert.deepEqual(frames.map((frame) => decodeFrame(frame).message.payload.text), texts);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("streams: a failed write tells what was under way and what was only taken, and takes nothing more", async () => {
  const queue = ["a", "b", "é".repeat(20_000), "c"].map((text) => new Encoded(message(text)));
  const [a, b, large, c] = queue;
  const told: unknown[] = [];
  const writer = new FrameWriter<Encoded>({ write: () => Promise.reject(new Error("stopped")) }, {
    take: () => queue.shift(),
    form: () => "json",
    written: () => assert.fail("nothing was written"),
    failed: (error, { inFlight, waiting }) => told.push(`${error}`, [...inFlight], [...waiting]),
  });
  writer.wake();
  await writer.idle();
  assert.deepEqual(told, ["Error: stopped", [a, b], [large]]);
  assert.deepEqual(queue, [c]);
});

Deno.test("streams: what is more than one write takes leaves in several, whole and in order", async () => {
  const messages = Array.from({ length: 200 }, (_, i) => new Encoded(message(`${i} ${"x".repeat(4000)}`)));
  const expected = messages.map(({ message: { payload } }) => payload.text);
  const writes: number[] = [];
  let all: Uint8Array = new Uint8Array();
  const writer = new FrameWriter<Encoded>({
    write(bytes) {
      writes.push(bytes.length);
      all = concat([all, bytes]);
      return Promise.resolve();
    },
  }, {
    take: () => messages.shift(),
    form: () => "json",
    written: () => {},
    failed: (error) => assert.fail(String(error)),
  });
  writer.wake();
  await writer.idle();
  assert.ok(writes.every((length) => length <= 65_536), `${writes}`);
  assert.ok(writes.length >= 13 && writes.length < 20, `${writes}`);
  const texts: unknown[] = [];
  await readFrames(sourceOf(all, [65_536]), {
    frame: (frame) => void texts.push(JSON.parse(new TextDecoder().decode(frame)).payload.text),
  }, { maxFrame: () => 1 << 20, header: false });
  assert.deepEqual(texts, expected);
});

Deno.test("streams: the buffer of a write under way is lent to nobody else", async () => {
  const taken: { bytes: Uint8Array; at: Uint8Array }[] = [];
  const releases: (() => void)[] = [];
  const sink = {
    write(bytes: Uint8Array): Promise<void> {
      taken.push({ bytes, at: bytes.slice() });
      return new Promise((resolve) => releases.push(resolve));
    },
  };
  const queues: Encoded[][] = [[], []];
  const writers = queues.map((queue) =>
    new FrameWriter(sink, {
      take: () => queue.shift(),
      form: () => "json",
      written: () => {},
      failed: (error) => assert.fail(String(error)),
    })
  );
  const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
  for (let round = 0; round < 5; round++) {
    for (const [i, writer] of writers.entries()) {
      queues[i]!.push(new Encoded(message(`${round} of ${i}`)));
      writer.wake();
    }
    await turn();
    // Both writes are under way, and another buffer is asked for meanwhile.
    const lent = borrowBuffer();
    lent.fill(0xff);
    for (const { bytes, at } of taken) assert.deepEqual(bytes, at);
    returnBuffer(lent);
    taken.length = 0;
    for (const release of releases.splice(0)) release();
    await turn();
  }
  await Promise.all(writers.map((writer) => writer.idle()));
});
