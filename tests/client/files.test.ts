/** Parts of uploads and downloads, by themselves. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { SkeinError } from "../../src/client/mod.ts";
import { hashBlob } from "../../src/client/files/hash.ts";
import { Sha256 } from "../../src/client/files/sha256.ts";
import { FIRST_RANGE, nextRange } from "../../src/client/policy/ranges.ts";
import { sampleBytes, sha256 } from "../files/support.ts";
import { crowd } from "./crowd.ts";

/** Validates: the SDK's SHA-256 of parts is that of the whole. */
Deno.test("Feature: quic-transport, Property 45: a hash is the same however the bytes are cut", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }), (parts) => {
    const hash = new Sha256();
    for (const part of parts) hash.update(part);
    const whole = new Uint8Array(parts.flatMap((part) => [...part]));
    assert.equal(hash.end(), sha256(whole));
  }));
});

Deno.test("files: a blob is hashed slice by slice, never more than one in memory, and told of as it goes", async () => {
  for (const size of [0, 1, 1_048_575, 1_048_576, 1_048_577, 5_000_000]) {
    const bytes = sampleBytes(size);
    const blob = new Blob([bytes]);
    let largest = 0;
    const read = { arrayBuffer: 0 };
    const watched = Object.assign(Object.create(null), {
      size,
      slice: (start: number, end: number) => {
        const slice = blob.slice(start, end);
        largest = Math.max(largest, slice.size);
        return { arrayBuffer: () => (read.arrayBuffer++, slice.arrayBuffer()) };
      },
    }) as Blob;
    const told: number[] = [];
    assert.equal(await hashBlob(watched, (bytes) => told.push(bytes)), sha256(bytes));
    assert.ok(largest <= 1_048_576);
    assert.equal(read.arrayBuffer, Math.ceil(size / 1_048_576));
    assert.deepEqual(told.at(-1), size === 0 ? undefined : size);
    assert.deepEqual(told, told.toSorted((a, b) => a - b));
  }
});

Deno.test("files: while a large file is hashed timers have their turn, and it can be given up in the middle", async () => {
  await using people = await crowd();
  const ann = people.join("ann");
  const channel = ann.channel("chat:files");
  // 2 GiB of which no byte exists before it is read.
  const piece = new Uint8Array(1_048_576);
  const large = {
    size: 2 ** 31,
    type: "",
    slice: (start: number, end: number) => ({
      arrayBuffer: () => Promise.resolve(piece.buffer.slice(0, end - start)),
    }),
  } as unknown as Blob;
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  try {
    for (const way of ["cancel", "signal", "close"] as const) {
      const abort = new AbortController();
      const hashed: number[] = [];
      const begun = Promise.withResolvers<void>();
      const upload = channel.upload(large, {
        signal: abort.signal,
        onProgress: ({ hashed: bytes, state, acknowledged }) => {
          if (state !== "hashing") return;
          hashed.push(bytes);
          assert.equal(acknowledged, 0);
          if (bytes >= 20 * 1_048_576) begun.resolve();
        },
      });
      ticks = 0;
      await begun.promise;
      assert.ok(ticks > 0, "no timer had its turn");
      assert.equal(upload.progress.state, "hashing");
      if (way === "cancel") void upload.cancel();
      else if (way === "signal") abort.abort();
      else await ann.close();
      await assert.rejects(upload.done, { error: "closed" });
      assert.equal(upload.progress.state, "failed");
      const before = hashed.length;
      await new Promise((resolve) => setTimeout(resolve, 30));
      assert.equal(hashed.length, before, "it went on");
      assert.ok(upload.progress.hashed < large.size);
    }
  } finally {
    clearInterval(timer);
  }
});

Deno.test("files: a file that cannot be read is refused with a SkeinError", async () => {
  await using people = await crowd();
  const unreadable = {
    size: 10,
    type: "",
    slice: () => ({ arrayBuffer: () => Promise.reject(new DOMException("gone", "NotReadableError")) }),
  } as unknown as Blob;
  const { done } = people.join("ann").channel("chat:files").upload(unreadable);
  await assert.rejects(done, (error) => error instanceof SkeinError && error.error === "bad_argument");
});

Deno.test("files: an upload that is cancelled without a connection ends at once", async () => {
  await using people = await crowd();
  const ann = people.join("ann", { token: "none", url: "http://127.0.0.1:1" });
  const upload = ann.channel("chat:files").upload(new Blob(["abc"]));
  while (upload.progress.state === "hashing") await new Promise((resolve) => setTimeout(resolve, 5));
  await upload.cancel();
  await assert.rejects(upload.done, { error: "closed" });
});

Deno.test("files: ranges grow while they come quickly, shrink while they do not, and stay within bounds", () => {
  let bytes = FIRST_RANGE;
  for (let i = 0; i < 20; i++) {
    const next = nextRange(bytes, 10);
    assert.ok(next >= bytes);
    bytes = next;
  }
  assert.equal(bytes, 4 * 1024 ** 2);
  assert.equal(nextRange(bytes, 400), bytes);
  for (let i = 0; i < 20; i++) bytes = nextRange(bytes, i % 2 === 0 ? Infinity : 501);
  assert.equal(bytes, 16_384);
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 10_000, noNaN: true }), { maxLength: 50 }), (times) => {
      const range = times.reduce(nextRange, FIRST_RANGE);
      assert.ok(Number.isInteger(range) && range >= 16_384 && range <= 4 * 1024 ** 2);
    }),
  );
});
