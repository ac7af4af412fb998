/** The store by itself: what becomes of uploads, and of what is kept. */

import assert from "node:assert/strict";
import type { FileStore } from "../../src/files/mod.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import {
  DiskStore,
  LIMITS,
  OWN_ONLY,
  pushAll,
  readAll,
  requestOf,
  sampleBytes,
  withStore,
} from "./support.ts";

const refused = (error: string) => (thrown: unknown) => {
  assert.ok(thrown instanceof ProtocolError, String(thrown));
  assert.equal(thrown.error, error);
  return true;
};

async function names(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) found.push(...await names(`${directory}/${name}`));
    else found.push(name);
  }
  return found.sort();
}

const turn = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));
const blobs = async (directory: string) => await names(`${directory}/blobs`);
const partials = async (directory: string) => await names(`${directory}/partial`);

async function keep(store: FileStore, bytes: Uint8Array, over = {}, message = crypto.randomUUID()) {
  const upload = await store.start(requestOf(bytes, over), OWN_ONLY);
  if (!upload.known) await pushAll(upload, bytes);
  return await store.complete(upload, message);
}

Deno.test("file store: an empty file is a file", () =>
  withStore(async (open) => {
    const store = open();
    const file = await keep(store, new Uint8Array());
    assert.equal(file.size, 0);
    assert.deepEqual(await readAll(store, file.fileId), new Uint8Array());
  }));

Deno.test("file store: bytes with another hash leave nothing behind", () =>
  withStore(async (open, directory) => {
    const store = open();
    const bytes = sampleBytes(100_000);
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    const wrong = bytes.slice();
    wrong[77_777]! ^= 1;
    await pushAll(upload, wrong);
    await assert.rejects(store.complete(upload, "m1"), refused("file_hash_mismatch"));
    assert.deepEqual([await blobs(directory), await partials(directory)], [[], []]);
    assert.deepEqual(store.status(), { files: 0, bytes: 0, partial: 0, uploads: 0, readers: 0 });
    assert.equal(await store.completed("ann", "m1"), undefined);
    assert.equal((await store.start(requestOf(bytes), OWN_ONLY)).offset, 0);
  }));

Deno.test("file store: a file that is not whole is not kept, and the upload goes on", () =>
  withStore(async (open, directory) => {
    const store = open();
    const bytes = sampleBytes(100_000);
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    await upload.push(0, bytes.slice(0, 60_000));
    await assert.rejects(store.complete(upload, "m1"), refused("file_incomplete"));
    assert.deepEqual(await blobs(directory), []);
    await upload.push(60_000, bytes.slice(60_000));
    const file = await store.complete(upload, "m1");
    assert.deepEqual(await readAll(store, file.fileId), bytes);
    assert.deepEqual(await partials(directory), []);
  }));

Deno.test("file store: chunks that do not fit change nothing", () =>
  withStore(async (open) => {
    const store = open();
    const bytes = sampleBytes(50_000);
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    await upload.push(0, bytes.slice(0, 10_000));
    const push = (at: number, length: number) => () => upload.push(at, new Uint8Array(length));
    assert.throws(push(20_000, 10), refused("file_gap"));
    assert.throws(push(5_000, 10_000), refused("file_overlap"));
    assert.throws(push(0, 10_000), refused("file_overlap"));
    assert.throws(push(10_000, 40_001), refused("file_beyond_end"));
    assert.throws(push(10_000, 65_537), refused("message_too_large"));
    await upload.push(10_000, bytes.slice(10_000));
    assert.deepEqual(await readAll(store, (await store.complete(upload, "m")).fileId), bytes);
  }));

Deno.test("file store: a window's bytes may wait to be written, and no more", () =>
  withStore(async (open) => {
    const store = open({ window: 100_000, maxChunk: 50_000 });
    const bytes = sampleBytes(300_000);
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    // Nothing is written before the event loop turns.
    const first = upload.push(0, bytes.slice(0, 50_000));
    const second = upload.push(50_000, bytes.slice(50_000, 100_000));
    assert.throws(() => upload.push(100_000, bytes.slice(100_000, 100_001)), refused("file_window"));
    await Promise.all([first, second]);
    await pushAll(upload, bytes);
    assert.equal((await store.complete(upload, "m")).size, 300_000);
  }));

Deno.test("file store: whoever begins an upload anew has it, and the one before is told", () =>
  withStore(async (open) => {
    const store = open();
    const bytes = sampleBytes(400_000);
    const first = await store.start(requestOf(bytes), OWN_ONLY);
    await first.push(0, bytes.slice(0, 50_000));
    const waiting = first.push(50_000, bytes.slice(50_000, 100_000)).then(() => "written", () => "refused");
    const [second, third] = await Promise.all([
      store.start(requestOf(bytes, { owner: "s2" }), OWN_ONLY),
      store.start(requestOf(bytes, { owner: "s3" }), OWN_ONLY),
    ]);
    await waiting;
    for (const upload of [first, second]) {
      assert.throws(() => store.upload(upload.uploadId, "ann"), refused("unknown_upload"));
      assert.throws(() => upload.push(upload.offset, new Uint8Array(1)), refused("unknown_upload"));
    }
    assert.ok(third.offset >= 50_000);
    await pushAll(third, bytes);
    const file = await store.complete(third, "m");
    assert.deepEqual(await readAll(store, file.fileId), bytes);
  }));

Deno.test("file store: an upload is its user's", () =>
  withStore(async (open) => {
    const store = open();
    const upload = await store.start(requestOf(sampleBytes(10)), OWN_ONLY);
    assert.throws(() => store.upload(upload.uploadId, "bob"), refused("foreign_upload"));
    assert.throws(() => store.upload("none", "ann"), refused("unknown_upload"));
    assert.equal(store.upload(upload.uploadId, "ann"), upload);
  }));

Deno.test("file store: a cancelled upload is gone, and may be begun anew at once", () =>
  withStore(async (open, directory) => {
    const store = open();
    const bytes = sampleBytes(200_000);
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    // Nobody is told of a chunk that was on its way: it was asked for.
    const writing = upload.push(0, bytes.slice(0, 60_000));
    const cancelled = store.cancel(upload);
    const again = await store.start(requestOf(bytes), OWN_ONLY);
    await Promise.all([writing, cancelled]);
    assert.equal(again.offset, 0);
    await pushAll(again, bytes);
    assert.deepEqual(await readAll(store, (await store.complete(again, "m")).fileId), bytes);
    assert.deepEqual(await partials(directory), []);
  }));

Deno.test("file store: cancelled while it is being completed, an upload is either kept whole or not at all", () =>
  withStore(async (open, directory) => {
    const store = open();
    const bytes = sampleBytes(200_000);
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    await pushAll(upload, bytes);
    const completing = store.complete(upload, "m").then((file) => file.fileId, () => undefined);
    await store.cancel(upload);
    const fileId = await completing;
    assert.equal((await blobs(directory)).length, fileId === undefined ? 0 : 1);
    if (fileId !== undefined) assert.deepEqual(await readAll(store, fileId), bytes);
  }));

Deno.test("file store: completed twice at once, an upload is one file", () =>
  withStore(async (open) => {
    const store = open();
    const bytes = sampleBytes(100_000);
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    await pushAll(upload, bytes);
    const [a, b] = await Promise.all([store.complete(upload, "m"), store.complete(upload, "m")]);
    assert.equal(a.fileId, b.fileId);
    assert.equal(store.status()!.files, 1);
    assert.deepEqual(await store.completed("ann", "m"), a);
    assert.equal(await store.completed("bob", "m"), undefined);
  }));

Deno.test("file store: the same content is kept once, for as long as one file has it", () =>
  withStore(async (open, directory) => {
    let now = 1_000_000_000;
    const store = open({ maxAge: 10_000 }, () => now);
    const bytes = sampleBytes(30_000);
    const first = await keep(store, bytes);
    now += 5_000;
    const second = await keep(store, bytes, { userId: "bob", channel: "chat:b" });
    assert.equal((await blobs(directory)).length, 1);
    assert.deepEqual([store.status()!.files, store.status()!.bytes], [2, 30_000]);
    now += 6_000;
    await assert.rejects(store.get(first.fileId), refused("unknown_file"));
    store.sweep(now);
    assert.equal(store.status()!.files, 1);
    assert.deepEqual(await readAll(store, second.fileId), bytes);
    const reader = await store.open(second);
    now += 5_000;
    store.sweep(now);
    assert.deepEqual([store.status()!.files, store.status()!.bytes], [0, 0]);
    // Whoever is reading it reads on.
    assert.equal(await reader.read(new Uint8Array(10), 0), 10);
    reader.close();
    await store.close();
    assert.deepEqual(await blobs(directory), []);
  }));

Deno.test("file store: known content is not sent again, and its right and quota are looked at all the same", () =>
  withStore(async (open) => {
    const store = open({ quota: { files: 3, bytes: 100_000 } });
    const bytes = sampleBytes(40_000);
    await keep(store, bytes);
    const stranger = await store.start(requestOf(bytes, { userId: "bob" }), OWN_ONLY);
    assert.deepEqual([stranger.known, stranger.offset], [false, 0]);
    const reader = await store.start(
      requestOf(bytes, { userId: "bob", channel: "chat:b" }),
      ({ channel }) => channel === "chat:a",
    );
    assert.deepEqual([reader.known, reader.offset], [true, 40_000]);
    const uploads = await Promise.all(
      ["chat:1", "chat:2"].map((channel) => store.start(requestOf(bytes, { channel }), () => true)),
    );
    await store.complete(uploads[0]!, "m1");
    await assert.rejects(store.complete(uploads[1]!, "m2"), refused("quota_exceeded"));
  }));

Deno.test("file store: a partial file waits for the rest, and not for ever", () =>
  withStore(async (open, directory) => {
    let now = 1_000_000_000;
    const store = open({ partialAge: 100_000 }, () => now);
    const bytes = sampleBytes(90_000);
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    await upload.push(0, bytes.slice(0, 40_000));
    await turn();
    now += 61_000;
    store.sweep(now);
    assert.throws(() => store.upload(upload.uploadId, "ann"), refused("unknown_upload"));
    const again = await store.start(requestOf(bytes), OWN_ONLY);
    assert.equal(again.offset, 40_000);
    await turn();
    now += 50_000;
    await again.push(40_000, bytes.slice(40_000, 50_000));
    await turn();
    // Put aside, and a partial file's time begins with its last chunk.
    now += 90_000;
    store.sweep(now);
    now += 9_000;
    store.sweep(now);
    assert.equal((await partials(directory)).length, 1);
    now += 2_000;
    store.sweep(now);
    assert.equal(store.status()!.partial, 0);
    await store.close();
    assert.deepEqual(await partials(directory), []);
  }));

Deno.test("file store: an upload that is open does not expire, however long it lasts", () =>
  withStore(async (open) => {
    let now = 1_000_000_000;
    const store = open({ partialAge: 1000 }, () => now);
    const bytes = sampleBytes(90_000);
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    await upload.push(0, bytes.slice(0, 40_000));
    for (let seconds = 0; seconds < 10; seconds++) store.sweep(now += 2000);
    await pushAll(upload, bytes);
    assert.deepEqual(await readAll(store, (await store.complete(upload, "m")).fileId), bytes);
  }));

Deno.test("file store: a disk that is full is a temporary error, nothing half-written shows, and later it goes on", () =>
  withStore(async (open, directory) => {
    const store = open();
    const bytes = sampleBytes(100_000);
    const key = (await store.start(requestOf(bytes), OWN_ONLY)).key;
    await store.close();
    const path = `${directory}/partial/${key}`;
    await Deno.remove(path);
    // Every write to it finds the device full.
    await Deno.symlink("/dev/full", path);
    const next = open();
    const upload = await next.start(requestOf(bytes), OWN_ONLY);
    const [first, second] = [
      upload.push(0, bytes.slice(0, 50_000)),
      upload.push(50_000, bytes.slice(50_000)),
    ];
    await assert.rejects(first, refused("not_available"));
    await assert.rejects(second, refused("not_available"));
    await assert.rejects(next.complete(upload, "m"), refused("not_available"));
    assert.deepEqual(await blobs(directory), []);
    await Deno.remove(path);
    const again = await next.start(requestOf(bytes), OWN_ONLY);
    assert.equal(again.offset, 0);
    await pushAll(again, bytes);
    assert.deepEqual(await readAll(next, (await next.complete(again, "m")).fileId), bytes);
  }));

Deno.test("file store: a directory that cannot be made is not_available, and works once it can", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-files-" });
  const place = `${directory}/files`;
  await Deno.writeTextFile(place, "in the way");
  const failures: unknown[] = [];
  const store = new DiskStore({
    directory: place,
    limits: () => LIMITS,
    failed: (error) => failures.push(error),
  });
  try {
    await assert.rejects(store.start(requestOf(sampleBytes(5)), OWN_ONLY), refused("not_available"));
    assert.equal(failures.length, 1);
    await Deno.remove(place);
    assert.equal((await keep(store, sampleBytes(5))).size, 5);
  } finally {
    await store.close();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("file store: a second store on one directory is refused while the first has it", () =>
  withStore(async (open) => {
    const first = open();
    const file = await keep(first, sampleBytes(100));
    const second = open();
    await assert.rejects(second.get(file.fileId), refused("not_available"));
    await first.close();
    assert.equal((await second.get(file.fileId)).fileId, file.fileId);
  }));

Deno.test("file store: what nobody knows any more is removed at the start", () =>
  withStore(async (open, directory) => {
    const first = open();
    const bytes = sampleBytes(1000);
    const file = await keep(first, bytes);
    const upload = await first.start(requestOf(sampleBytes(1000, 2)), OWN_ONLY);
    await upload.push(0, bytes.slice(0, 10));
    await first.close();
    const orphan = "ab".repeat(32);
    await Deno.mkdir(`${directory}/blobs/ab`, { recursive: true });
    for (const path of [`blobs/ab/${orphan}`, "partial/stray", "trash/half"]) {
      await Deno.writeTextFile(`${directory}/${path}`, "x");
    }
    const second = open();
    await second.blobs.resume();
    assert.deepEqual(await readAll(second, file.fileId), bytes);
    const left =
      async () => [await blobs(directory), await partials(directory), await names(`${directory}/trash`)];
    for (let tries = 0; tries < 3_000 && (await left()).flat().length > 2; tries++) await turn(10);
    assert.deepEqual(await left(), [[file.sha256], [upload.key], []]);
  }));

Deno.test("file store: above the rate acknowledgements come later, and an end of the store does not wait for them", () =>
  withStore(async (open) => {
    const store = open({ rate: 1000 });
    const bytes = sampleBytes(100_000);
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    let acknowledged = 0;
    upload.onWritten = (offset) => acknowledged = offset;
    // Fifty seconds' worth: its acknowledgement has to wait, and so does what follows.
    const pushed = [[0, 50_000], [50_000, 60_000]].map(([from, to]) =>
      upload.push(from!, bytes.slice(from, to))
    );
    const closed = store.close();
    for (const each of pushed) await assert.rejects(each, refused("not_available"));
    await closed;
    assert.equal(acknowledged, 0);
  }));

Deno.test("file store: uploads together have a rate while there is something to give way to, and only then", () =>
  withStore(async (_, directory) => {
    const bytes = sampleBytes(50_000);
    const acknowledged = async (busy: boolean) => {
      const limits = () => ({ ...LIMITS, busyRate: 1000 });
      const store = new DiskStore({ directory, limits, now: () => 1000, busy: () => busy });
      try {
        let told = 0;
        for (const userId of ["ann", "bob"]) {
          const upload = await store.start(requestOf(bytes, { userId }), OWN_ONLY);
          const whole = Promise.withResolvers<void>();
          upload.onWritten = (offset) => {
            told += offset;
            whole.resolve();
          };
          const pushed = upload.push(0, bytes.slice());
          // Fifty seconds' worth: an acknowledgement that is held back does not come while anybody waits for it.
          await (busy ? turn(100) : whole.promise);
          await store.cancel(upload);
          await pushed;
        }
        return told;
      } finally {
        await store.close();
      }
    };
    assert.equal(await acknowledged(true), 0);
    assert.equal(await acknowledged(false), 100_000);
  }));
