/** What is under way when files end: nothing of it goes on behind the end. */

import assert from "node:assert/strict";
import type { Blobs } from "../../src/engine/contract.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { SqliteBlobs } from "../../src/engine/sqlite/blobs/blobs.ts";
import { FileAppender } from "../../src/engine/sqlite/blobs/file_appender.ts";
import { FileStore } from "../../src/files/mod.ts";
import { settle } from "../support/clock.ts";
import { LIMITS, OWN_ONLY, requestOf, sampleBytes, sha256 } from "./support.ts";

/** Whether a promise has not been resolved. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.then(() => pending = false);
  await settle();
  return pending;
}

/** A store on memory, whose blobs answer `method` when the gate opens, by what `then` does. */
function place(method: "discard" | "expire" | "reserve", then?: () => never) {
  const engine = new MemoryEngine();
  const gate = Promise.withResolvers<void>(), begun = Promise.withResolvers<void>();
  const call = engine.blobs[method].bind(engine.blobs) as (...args: unknown[]) => unknown;
  Object.assign(engine.blobs, {
    async [method](...args: unknown[]) {
      begun.resolve();
      await gate.promise;
      return then === undefined ? call(...args) : then();
    },
  });
  const failures: string[] = [];
  const store = new FileStore({
    blobs: engine.blobs as Blobs,
    values: engine.values,
    limits: () => LIMITS,
    now: () => 1_000_000,
    failed: (_error, stage) => void failures.push(stage),
  });
  return { store, failures, begun: begun.promise, open: () => gate.resolve(), engine };
}

Deno.test("file store: the end waits for what is being removed because of its age, and is told what fails", async () => {
  const { store, failures, begun, open } = place("expire", () => {
    throw new Error("no disk");
  });
  store.sweep(1_000_000);
  await begun;
  const closed = store.close();
  assert.equal(await isPending(closed), true);
  open();
  await closed;
  assert.deepEqual(failures, ["expire"]);
});

Deno.test("file store: the end waits for uploads that were cancelled or put aside before", async () => {
  const bytes = sampleBytes(10);
  const cancelled = place("discard");
  const upload = await cancelled.store.start(requestOf(bytes), OWN_ONLY);
  const cancelling = cancelled.store.cancel(upload);
  await cancelled.begun;
  const closed = cancelled.store.close();
  assert.equal(await isPending(closed), true);
  cancelled.open();
  await Promise.all([closed, cancelling]);

  const { store, engine } = place("discard");
  const gate = Promise.withResolvers<void>();
  const { write } = engine.blobs;
  Object.assign(engine.blobs, {
    write(key: string) {
      const writer = write.call(engine.blobs, key);
      return Object.assign(writer, { close: () => gate.promise });
    },
  });
  await store.start(requestOf(bytes), OWN_ONLY);
  store.sweep(1_000_000 + 60_000);
  const over = store.close();
  assert.equal(await isPending(over), true);
  gate.resolve();
  await over;
});

Deno.test("file store: the end waits for an upload whose room is being reserved, which is refused", async () => {
  const { store, begun, open } = place("reserve");
  const starting = assert.rejects(store.start(requestOf(sampleBytes(10)), OWN_ONLY), {
    error: "not_available",
  });
  await begun;
  const closed = store.close();
  assert.equal(await isPending(closed), true);
  open();
  await Promise.all([closed, starting]);
});

/** Files of a directory that this process has open. */
function openIn(directory: string): string[] {
  const found: string[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      const path = Deno.readLinkSync(`/proc/self/fd/${name}`);
      if (path.startsWith(directory)) found.push(path);
    } catch {
      // The one it was listed with.
    }
  }
  return found;
}

/** Files on the disk with an upload of ten bytes; the call number `at` of `method` of any file waits for `open`. */
async function onDisk(
  method: "write" | "sync",
  at: number,
  run: (parts: {
    blobs: SqliteBlobs;
    key: string;
    directory: string;
    begun: Promise<void>;
    open: () => void;
  }) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-files-" });
  const blobs = new SqliteBlobs({ directory });
  const begun = Promise.withResolvers<void>(), gate = Promise.withResolvers<void>();
  const call = Deno.FsFile.prototype[method] as (...args: unknown[]) => Promise<unknown>;
  let calls = 0;
  Object.assign(Deno.FsFile.prototype, {
    async [method](this: Deno.FsFile, ...args: unknown[]) {
      if (++calls === at) {
        begun.resolve();
        await gate.promise;
      }
      return await call.apply(this, args);
    },
  });
  try {
    const { owner: _, ...info } = requestOf(sampleBytes(10));
    const key = sha256(sampleBytes(10));
    await blobs.reserve({ key, ...info }, { files: 10, bytes: 1000, total: 10_000 });
    await run({ blobs, key, directory, begun: begun.promise, open: () => gate.resolve() });
  } finally {
    Object.assign(Deno.FsFile.prototype, { [method]: call });
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("sqlite blobs: the end waits for the file of an upload that was discarded while it was written", () =>
  onDisk("write", 1, async ({ blobs, key, directory, begun, open }) => {
    const writer = await blobs.write(key);
    const appended = writer.append(sampleBytes(10)).then(() => {}, () => {});
    await begun;
    await blobs.discard(key);
    const closed = blobs.close();
    assert.equal(await isPending(closed), true);
    open();
    await Promise.all([closed, appended]);
    assert.deepEqual(openIn(directory), []);
  }));

Deno.test("sqlite blobs: the end waits until the place of a new file is durable", () =>
  // The first time is the file's own.
  onDisk("sync", 2, async ({ blobs, key, directory, begun, open }) => {
    const writer = await blobs.write(key);
    await writer.append(sampleBytes(10));
    const committed = writer.commit({ fileId: "f", request: "m", createdAt: 1 });
    await begun;
    const closed = blobs.close();
    assert.equal(await isPending(closed), true);
    open();
    await Promise.all([closed, committed]);
    assert.deepEqual(openIn(directory), []);
  }));

Deno.test("file writing: who closes a file twice waits for the same end", () =>
  onDisk("write", 1, async ({ blobs, directory, begun, open }) => {
    const file = await FileAppender.open({ path: `${directory}/file`, size: 10 });
    const appended = file.append(sampleBytes(10));
    await begun;
    void file.close();
    const again = file.close();
    assert.equal(await isPending(again), true);
    open();
    await Promise.all([again, appended]);
    await blobs.close();
  }));
