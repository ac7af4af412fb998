/** What stands between chunks and the disk: blocks, and the thread that writes large files. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { BlockPool, BlockQueue } from "../../src/files/blocks.ts";
import { type Appender, FileAppender } from "../../src/engine/sqlite/blobs/file_appender.ts";
import { WriterThread } from "../../src/engine/sqlite/blobs/writer_thread.ts";
import { DiskStore, LIMITS, pushAll, readAll, requestOf, sampleBytes, sha256 } from "./support.ts";

Deno.test("file writing: what goes through blocks comes out as it went in, whatever is taken when and whichever memory is used again", () => {
  const step = fc.oneof(
    fc.integer({ min: 1, max: 50 }),
    fc.constant("take" as const),
    fc.constant("clear" as const),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 16 }), fc.array(step, { maxLength: 60 }), (size, steps) => {
      const pool = new BlockPool();
      const queue = new BlockQueue(pool, size);
      let counter = 0;
      let expected: number[] = [];
      const take = (): boolean => {
        const full = queue.full;
        const block = queue.take();
        assert.equal(block === undefined, expected.length === 0);
        if (block === undefined) return false;
        assert.equal(full, block.length === 2 ** Math.ceil(Math.log2(size)));
        assert.deepEqual([...block], expected.splice(0, block.length));
        // Whoever has it now may write into it.
        pool.give(block.fill(255).buffer);
        return true;
      };
      for (const what of steps) {
        if (what === "take") take();
        else if (what === "clear") {
          queue.clear();
          expected = [];
        } else {
          const data = Uint8Array.from({ length: what }, () => counter++ % 251);
          expected.push(...data);
          queue.push(data);
          // It was lent.
          data.fill(254);
        }
        assert.equal(queue.empty, expected.length === 0);
      }
      while (take());
      assert.deepEqual(expected, []);
    }),
    { numRuns: 500 },
  );
});

const WORKER = new URL("../../src/engine/sqlite/blobs/worker.ts", import.meta.url).href;

/** One of the two ways to write a file. */
interface Way {
  readonly name: string;
  run(use: (open: (path: string, size: number) => Promise<Appender>) => Promise<void>): Promise<void>;
}

const WAYS: Way[] = [
  { name: "this thread", run: (use) => use((path, size) => FileAppender.open({ path, size })) },
  {
    name: "a thread of its own",
    async run(use) {
      const thread = new WriterThread((error) => assert.fail(String(error)));
      try {
        await use((path, size) => thread.open({ path, size }));
      } finally {
        thread.close();
      }
    },
  },
];

function block(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

for (const { name, run } of WAYS) {
  const inDirectory = (
    use: (open: Parameters<Parameters<Way["run"]>[0]>[0], path: string) => Promise<void>,
  ) =>
    run(async (open) => {
      const directory = await Deno.makeTempDir({ prefix: "skein-writing-" });
      try {
        await use(open, `${directory}/file`);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    });

  Deno.test(`file writing: ${name} appends, goes on after a reopening, hashes all of it and gives the memory back`, () =>
    inDirectory(async (open, path) => {
      const bytes = sampleBytes(700_000);
      const first = await open(path, bytes.length);
      assert.equal(first.there, 0);
      const memory = await first.append(block(bytes.subarray(0, 300_000)));
      assert.equal(memory.byteLength, 300_000);
      await first.close();
      const second = await open(path, bytes.length);
      assert.equal(second.there, 300_000);
      // Not waited for: one comes after the other.
      const appended = second.append(block(bytes.subarray(300_000)));
      assert.equal(await second.finish(), sha256(bytes));
      await appended;
      await second.close();
      assert.deepEqual(await Deno.readFile(path), bytes);
    }));

  Deno.test(`file writing: ${name} cuts off what is more than the file is to have`, () =>
    inDirectory(async (open, path) => {
      await Deno.writeFile(path, sampleBytes(500));
      const file = await open(path, 200);
      assert.equal(file.there, 200);
      assert.equal(await file.finish(), sha256(sampleBytes(500).subarray(0, 200)));
      await file.close();
      assert.equal((await Deno.stat(path)).size, 200);
    }));

  Deno.test(`file writing: ${name} says what the file system says, and closing ends what is under way`, () =>
    inDirectory(async (open, path) => {
      await assert.rejects(open(`${path}/below/nothing`, 10), { name: "NotFound" });
      const bytes = sampleBytes(20_000_000);
      await Deno.writeFile(path, bytes);
      const file = await open(path, bytes.length);
      const hash = file.finish().then(() => "ended", () => "refused");
      await file.close();
      await file.close();
      assert.ok(["ended", "refused"].includes(await hash));
      await assert.rejects(file.append(block(bytes.subarray(0, 1))), /not open|closed/);
    }));

  Deno.test(`file writing: ${name} leaves a file as it was when the disk is full`, () =>
    inDirectory(async (open) => {
      const file = await open("/dev/full", 1000);
      const second = Promise.withResolvers<unknown>();
      const first = assert.rejects(file.append(block(sampleBytes(10))), /No space left|os error 28/);
      // It was on its way already, and has no place without the one before it.
      file.append(block(sampleBytes(10))).then(second.resolve, second.reject);
      await first;
      await assert.rejects(second.promise, /could not be written before/);
      await file.close();
    }));
}

Deno.test("file writing: a pool finds memory again, and old sizes do not stand in its way", () => {
  const pool = new BlockPool();
  for (let i = 0; i < 8; i++) pool.give(new ArrayBuffer(1024 ** 2));
  const block = new ArrayBuffer(65_536);
  pool.give(block);
  assert.equal(pool.take(65_536), block);
  assert.notEqual(pool.take(65_536), block);
});

Deno.test("file writing: a thread that hangs is ended when a file is to be closed, and the next file has another", async () => {
  const failures: string[] = [];
  let started = 0;
  const hanging =
    "data:text/javascript,onmessage=({data:{call,what}})=>{if(what==='open')postMessage({call,value:0})}";
  const start = () => new Worker(started++ === 0 ? hanging : WORKER, { type: "module" });
  const thread = new WriterThread((error) => failures.push(String(error)), start, 50);
  const path = await Deno.makeTempFile();
  try {
    const file = await thread.open({ path, size: 10 });
    const lost = assert.rejects(file.append(block(sampleBytes(5))), /has ended/);
    await file.close();
    await lost;
    assert.match(failures.join(), /hangs/);
    const next = await thread.open({ path, size: 10 });
    await next.append(block(sampleBytes(10)));
    assert.equal(await next.finish(), sha256(sampleBytes(10)));
    await next.close();
    assert.equal(failures.length, 1);
  } finally {
    thread.close();
    await Deno.remove(path);
  }
});

Deno.test("file writing: files are written on by this thread when there is no other, and uploads under way may be begun anew", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-writing-" });
  const failures: string[] = [];
  const store = new DiskStore({
    directory,
    limits: () => LIMITS,
    failed: (error, stage) => failures.push(`${stage}: ${error}`),
    threadFrom: 0,
    worker: () => new Worker("data:text/javascript,throw new Error('gone')", { type: "module" }),
  });
  try {
    const bytes = sampleBytes(3_000_000);
    const upload = await store.start(requestOf(bytes), () => false);
    await pushAll(upload, bytes);
    const { fileId } = await store.complete(upload, "m");
    assert.deepEqual(await readAll(store, fileId), bytes);
    assert.equal(failures.length, 1);
    assert.match(failures[0]!, /^file thread: .*gone/);
  } finally {
    await store.close();
    await Deno.remove(directory, { recursive: true });
  }
});
