/** Files, which every engine must keep alike. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { BlobFile, BlobWriter, Engine } from "../../../src/engine/contract.ts";
import { ProtocolError } from "../../../src/protocol/mod.ts";
import { begin, bytesOf, finish, keep, NOTHING, PLENTY, readAll, refused, uploadOf } from "./blob_files.ts";
import { type Capabilities, registerFor } from "./subject.ts";

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Registers the tests of blobs. */
export function blobConformance(capabilities: Capabilities): void {
  const test = registerFor(capabilities, "blobs");

  test("an upload becomes a file, and each part of it can be read", async ({ engine }) => {
    const { blobs } = engine;
    const bytes = bytesOf(1, 3000);
    const writer = await begin(engine, bytes);
    assert.equal(writer.offset, 0);
    // The second one does not wait for the first.
    const memory = await Promise.all(
      [bytes.slice(0, 1000), bytes.slice(1000)].map((part) => writer.append(part)),
    );
    assert.deepEqual(memory.map(({ byteLength }) => byteLength), [1000, 2000]);
    const file = await writer.commit({ fileId: "f1", request: "m1", createdAt: 77 });
    const { key: _, ...info } = uploadOf(bytes);
    assert.deepEqual(file, { ...info, fileId: "f1", createdAt: 77, announced: false });
    assert.deepEqual(await blobs.get("f1"), file);
    assert.deepEqual(await blobs.ofRequest("ann", "m1"), file);
    assert.deepEqual(await blobs.withContent(file.sha256, 10), [file]);
    assert.deepEqual(blobs.counts(), { files: 1, bytes: 3000, partial: 0 });
    const reader = await blobs.open(file.sha256);
    for (const [at, length] of [[0, 3000], [2990, 10], [1, 1], [1500, 700], [0, 5]] as const) {
      const buffer = new Uint8Array(length);
      assert.equal(await reader.read(buffer, at), length);
      assert.deepEqual(buffer, bytes.subarray(at, at + length));
    }
    assert.equal(await reader.read(new Uint8Array(100), 2950), 50);
    assert.equal(await reader.read(new Uint8Array(100), 3000), 0);
    assert.equal(await reader.read(new Uint8Array(100), 9000), 0);
    reader.close();
  });

  test("memory that was given and taken back is the caller's again", async ({ engine }) => {
    const bytes = bytesOf(2, 200);
    const writer = await begin(engine, bytes);
    const block = new Uint8Array(await writer.append(bytes.slice(0, 100)));
    block.fill(255);
    assert.deepEqual(await readAll(engine.blobs, await finishFrom(writer, bytes, 100)), bytes);
  });

  test("an empty file is a file", async ({ engine }) => {
    const file = await keep(engine, new Uint8Array(), "f1");
    assert.deepEqual(await readAll(engine.blobs, file), new Uint8Array());
    assert.deepEqual(engine.blobs.counts(), { files: 1, bytes: 0, partial: 0 });
  });

  test("what is not known is undefined or has an error of its own", async ({ engine: { blobs } }) => {
    assert.equal(await blobs.get("none"), undefined);
    assert.equal(await blobs.ofRequest("ann", "none"), undefined);
    assert.deepEqual(await blobs.withContent(hashOf("none"), 10), []);
    assert.equal(await blobs.delete("none"), false);
    await blobs.discard(hashOf("none"));
    await blobs.announced("none");
    await refused("unknown_upload", () => blobs.write(hashOf("none")));
    await refused("unknown_file", () => blobs.open(hashOf("none")));
    const file = { fileId: "f1", request: "m1", createdAt: 1 };
    await refused("unknown_file", () => blobs.share(uploadOf(bytesOf(1)), file, PLENTY));
  });

  test("quotas refuse by name, an upload counts at its full size, and its room comes back", async ({ engine }) => {
    const { blobs } = engine;
    const [a, b, c] = [bytesOf(1, 100), bytesOf(2, 100), bytesOf(3, 100)];
    const quota = { files: 2, bytes: 250, total: 350 };
    await blobs.reserve(uploadOf(a), quota);
    // The same one again takes no more room.
    await blobs.reserve(uploadOf(a), quota);
    await finish(await begin(engine, b, {}, quota), b, "f1");
    await refused("quota_exceeded", () => blobs.check(uploadOf(c), { ...quota, bytes: 1000 }));
    await refused("quota_exceeded", () => blobs.reserve(uploadOf(c), { ...quota, files: 3 }));
    await blobs.check(uploadOf(c), { ...quota, files: 3, bytes: 300 });
    await blobs.reserve(uploadOf(c, { userId: "bob" }), quota);
    await refused("not_available", () => blobs.reserve(uploadOf(c, { userId: "eve" }), quota));
    assert.deepEqual(blobs.counts(), { files: 1, bytes: 100, partial: 2 });
    await blobs.discard(uploadOf(a).key);
    await blobs.delete("f1");
    await blobs.reserve(uploadOf(c), quota);
    assert.deepEqual(blobs.counts(), { files: 0, bytes: 0, partial: 2 });
  });

  test("an upload that is not complete goes on, one with other bytes leaves nothing", async ({ engine }) => {
    const { blobs } = engine;
    const bytes = bytesOf(1);
    const writer = await begin(engine, bytes);
    await writer.append(bytes.slice(0, 400));
    const file = { fileId: "f1", request: "m1", createdAt: 1 };
    await refused("file_incomplete", () => writer.commit(file));
    await writer.append(bytes.slice(400));
    assert.deepEqual(await readAll(blobs, await writer.commit(file)), bytes);
    const other = await begin(engine, bytesOf(2));
    await other.append(bytesOf(3));
    await refused("file_hash_mismatch", () => other.commit({ ...file, fileId: "f2", request: "m2" }));
    assert.deepEqual(blobs.counts(), { files: 1, bytes: 1000, partial: 0 });
    assert.equal(await blobs.get("f2"), undefined);
    assert.equal((await begin(engine, bytesOf(2))).offset, 0);
  });

  test("a content is kept once for all files that have it, and goes with the last one", async ({ engine }) => {
    const { blobs } = engine;
    const bytes = bytesOf(1);
    const first = await keep(engine, bytes, "f1");
    const second = await keep(engine, bytes, "f2", { userId: "bob" });
    const third = await blobs.share(
      uploadOf(bytes, { userId: "eve", name: "mine" }),
      { fileId: "f3", request: "m3", createdAt: 5 },
      { ...PLENTY, total: 2000 },
    );
    assert.deepEqual([third.name, third.createdAt, third.sha256], ["mine", 5, first.sha256]);
    assert.deepEqual(await blobs.withContent(first.sha256, 2), [third, second]);
    assert.deepEqual(blobs.counts(), { files: 3, bytes: 1000, partial: 0 });
    assert.deepEqual([await blobs.delete("f1"), await blobs.delete("f3")], [true, true]);
    assert.deepEqual(await readAll(blobs, second), bytes);
    assert.equal(await blobs.delete("f2"), true);
    assert.equal(await blobs.delete("f2"), false);
    await refused("unknown_file", () => blobs.open(first.sha256));
    assert.deepEqual(blobs.counts(), NOTHING);
  });

  test("a shared content counts against the quota, and ends an upload of the same file", async ({ engine }) => {
    const { blobs } = engine;
    const bytes = bytesOf(1);
    await keep(engine, bytes, "f1", { userId: "bob" });
    const writer = await begin(engine, bytes);
    await writer.append(bytes.slice(0, 10));
    const quota = { files: 1, bytes: 1000, total: 2000 };
    const share = (n: number, channel: string) =>
      blobs.share(uploadOf(bytes, { channel }), { fileId: `s${n}`, request: `s${n}`, createdAt: 1 }, quota);
    await refused("quota_exceeded", () => share(1, "chat:other"));
    await share(2, "chat:a");
    await refused("unknown_upload", () => writer.append(bytes.slice(10)));
    await refused("quota_exceeded", () => share(3, "chat:b"));
    assert.deepEqual(blobs.counts(), { files: 2, bytes: 1000, partial: 0 });
  });

  test("a request makes one file, also when it is said of another upload", async ({ engine }) => {
    const { blobs } = engine;
    const [a, b] = [bytesOf(1), bytesOf(2)];
    const first = await keep(engine, a, "f1");
    const again = { fileId: "f2", request: "r-f1", createdAt: 9 };
    assert.deepEqual(await blobs.share(uploadOf(a, { channel: "chat:b" }), again, PLENTY), first);
    const writer = await begin(engine, b);
    await writer.append(b.slice());
    assert.deepEqual(await writer.commit(again), first);
    assert.equal(await blobs.get("f2"), undefined);
    // Ids are the sender's: those of another user are others.
    assert.equal((await keep(engine, a, "f3", { userId: "bob" })).fileId, "f3");
    assert.equal(blobs.counts()!.files, 2);
  });

  test("a file remembers that it was announced", async ({ engine }) => {
    const file = await keep(engine, bytesOf(1), "f1");
    await engine.blobs.announced("f1");
    assert.deepEqual(await engine.blobs.get("f1"), { ...file, announced: true });
    assert.deepEqual(await engine.blobs.ofRequest("ann", "r-f1"), { ...file, announced: true });
  });

  test("a writer that closes leaves what it wrote to the next one", async ({ engine }) => {
    const bytes = bytesOf(1, 100_000);
    const first = await begin(engine, bytes);
    await first.append(bytes.slice(0, 60_000));
    await first.close();
    await first.close();
    const second = await begin(engine, bytes, { name: "renamed" });
    assert.equal(second.offset, 60_000);
    const file = await finish(second, bytes, "f1");
    assert.equal(file.name, "renamed");
    assert.deepEqual(await readAll(engine.blobs, file), bytes);
  });

  test("a file that is deleted while it is read gives its own bytes or an error", async ({ engine }) => {
    const bytes = bytesOf(1, 50_000);
    const { sha256 } = await keep(engine, bytes, "f1");
    const reader = await engine.blobs.open(sha256);
    await reader.read(new Uint8Array(10), 0);
    await engine.blobs.delete("f1");
    await refused("unknown_file", () => engine.blobs.open(sha256));
    // The room it had is used by others.
    await keep(engine, bytesOf(9, 50_000), "f2");
    const buffer = new Uint8Array(50_000);
    const got = await Promise.resolve(reader.read(buffer, 0)).catch((error) => {
      assert.ok(error instanceof ProtocolError && error.error === "unknown_file");
      return 0;
    });
    assert.deepEqual(buffer.subarray(0, got), bytes.subarray(0, got));
    reader.close();
  });

  if (capabilities.clock) {
    test("what is old goes, uploads by the last bytes that came", async (b) => {
      const { engine } = b;
      const { blobs } = engine;
      const old = b.time();
      await keep(engine, bytesOf(1), "f1", {}, old);
      const writer = await begin(engine, bytesOf(2));
      await begin(engine, bytesOf(3)).then((other) => other.close());
      b.pass(10_000);
      await keep(engine, bytesOf(4), "f2", {}, b.time());
      await writer.append(bytesOf(2).slice(0, 10));
      await writer.close();
      await blobs.expire({ files: old, uploads: old });
      assert.deepEqual(blobs.counts(), { files: 2, bytes: 2000, partial: 2 });
      await blobs.expire({ files: old + 1, uploads: old + 1 });
      assert.deepEqual(blobs.counts(), { files: 1, bytes: 1000, partial: 1 });
      assert.equal(await blobs.get("f1"), undefined);
      assert.equal((await begin(engine, bytesOf(2))).offset, 10);
      b.pass(10_000);
      await blobs.expire({ files: b.time(), uploads: old });
      assert.deepEqual(blobs.counts(), { files: 0, bytes: 0, partial: 1 });
    });
  }

  if (capabilities.clock) {
    test("an upload that is begun again is as young as a new one", async (b) => {
      const { blobs } = b.engine;
      const begun = b.time(), bytes = bytesOf(1);
      const first = await begin(b.engine, bytes);
      await first.append(bytes.slice(0, 10));
      b.pass(10_000);
      // The writer before is closed with it, and has written long ago.
      const second = await begin(b.engine, bytes);
      await second.close();
      await blobs.expire({ files: 0, uploads: begun + 9_000 });
      assert.equal((await begin(b.engine, bytes)).offset, 10);
    });
  }

  if (capabilities.restart) {
    test("files and what was written of uploads survive the end of the process", async (b) => {
      const bytes = bytesOf(1, 5000);
      const file = await keep(b.engine, bytes, "f1");
      await b.engine.blobs.announced("f1");
      const writer = await begin(b.engine, bytesOf(2));
      await writer.append(bytesOf(2).slice(0, 300));
      const { blobs, ...rest } = await b.restart!();
      assert.deepEqual(await blobs.get("f1"), { ...file, announced: true });
      assert.deepEqual(await readAll(blobs, file), bytes);
      const again = await begin({ blobs, ...rest } as Engine, bytesOf(2));
      assert.equal(again.offset, 300);
      assert.deepEqual(await readAll(blobs, await finish(again, bytesOf(2), "f2")), bytesOf(2));
      assert.deepEqual(blobs.counts(), { files: 2, bytes: 6000, partial: 0 });
    });
  }
}

async function finishFrom(writer: BlobWriter, bytes: Uint8Array, at: number): Promise<BlobFile> {
  await writer.append(new Uint8Array(bytes.subarray(at)));
  return await writer.commit({ fileId: "f1", request: "m1", createdAt: 1 });
}
