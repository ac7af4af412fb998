/** Two nodes with one store: what one does the other knows. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { MemoryStore } from "../../src/engine/memory/store.ts";
import { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import { type FileLimits, FileStore } from "../../src/files/mod.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { settle } from "../support/clock.ts";
import { LIMITS, OWN_ONLY, pushAll, readAll, requestOf, sampleBytes } from "./support.ts";

const refused = (error: string) => (thrown: unknown) => {
  assert.ok(thrown instanceof ProtocolError, String(thrown));
  assert.equal(thrown.error, error);
  return true;
};

/** Calls arrive some turns later, and so do their answers, as with a store in another process. */
function remote<T extends object>(local: T, turns: () => number): T {
  const wait = async () => {
    for (let left = turns(); left > 0; left--) await settle();
  };
  return new Proxy(local, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name === "counts") return value.bind(target);
      return async (...args: unknown[]) => {
        await wait();
        const answer = await value.apply(target, args);
        await wait();
        return name === "write" || name === "open" ? remote(answer, turns) : answer;
      };
    },
  });
}

async function withNodes(
  run: (one: FileStore, two: FileStore) => Promise<void>,
  over: Partial<FileLimits> = {},
  turns?: () => number,
): Promise<void> {
  const store = new MemoryStore();
  const nodes = [1, 2].map(() => {
    const engine = new MemoryEngine({ store });
    const [blobs, values] = turns === undefined
      ? [engine.blobs, engine.values]
      : [remote(engine.blobs, turns), remote(engine.values, turns)];
    const failed = (error: unknown, stage: string) => assert.fail(`${stage}: ${error}`);
    return new FileStore({ blobs, values, limits: () => ({ ...LIMITS, ...over }), failed });
  });
  try {
    await run(nodes[0]!, nodes[1]!);
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
  }
}

/** Registers a test with answers at once and with late ones. */
function test(
  says: string,
  run: (one: FileStore, two: FileStore) => Promise<void>,
  over: Partial<FileLimits> = {},
) {
  Deno.test(`${says}, at once`, () => withNodes(run, over));
  Deno.test(`${says}, with late answers`, async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = sampleBytes(10_000, seed);
      let at = 0;
      await withNodes(run, over, () => random[at++ % random.length]! % 4);
    }
  });
}

test(
  "file nodes: an upload goes on at another node, and the first one tells whoever still sends to it",
  async (one, two) => {
    const bytes = sampleBytes(300_000);
    const first = await one.start(requestOf(bytes), OWN_ONLY);
    await first.push(0, bytes.slice(0, 50_000));
    const second = await two.start(requestOf(bytes, { owner: "s2" }), OWN_ONLY);
    assert.equal(second.offset, 50_000);
    await assert.rejects(first.push(50_000, bytes.slice(50_000, 60_000)), refused("unknown_upload"));
    assert.throws(() => first.push(60_000, bytes.slice(60_000, 70_000)), refused("unknown_upload"));
    await pushAll(second, bytes);
    const { fileId } = await two.complete(second, "m1");
    assert.deepEqual(await readAll(one, fileId), bytes);
  },
);

test(
  "file nodes: an upload that another node has completed or cancelled is no upload any more",
  async (one, two) => {
    const bytes = sampleBytes(1000);
    const first = await one.start(requestOf(bytes), OWN_ONLY);
    await pushAll(first, bytes);
    const second = await two.start(requestOf(bytes), OWN_ONLY);
    await two.complete(second, "m1");
    await assert.rejects(one.complete(first, "m2"), refused("unknown_upload"));
    const third = await one.start(requestOf(sampleBytes(900)), OWN_ONLY);
    await two.cancel(await two.start(requestOf(sampleBytes(900)), OWN_ONLY));
    await assert.rejects(third.push(0, sampleBytes(900)), refused("unknown_upload"));
    assert.equal(two.status()!.partial, 0);
  },
);

test(
  "file nodes: of several sessions that begin one upload at the same time one has it",
  async (one, two) => {
    const bytes = sampleBytes(300_000);
    const uploads = await Promise.all(
      [1, 2, 3].map((n) => one.start(requestOf(bytes, { owner: `s${n}` }), OWN_ONLY)),
    );
    const current = uploads.filter((upload) => {
      try {
        return one.upload(upload.uploadId, "ann") === upload;
      } catch (error) {
        return !refused("unknown_upload")(error);
      }
    });
    assert.equal(current.length, 1);
    await pushAll(current[0]!, bytes);
    assert.deepEqual(await readAll(two, (await one.complete(current[0]!, "m1")).fileId), bytes);
  },
);

test("file nodes: a user has one quota, whichever nodes the uploads come to", async (one, two) => {
  const starts = await Promise.allSettled(
    Array.from(
      { length: 8 },
      (_, n) => [one, two][n % 2]!.start(requestOf(sampleBytes(1000, n + 1), { owner: `s${n}` }), OWN_ONLY),
    ),
  );
  const failures = starts.filter((start) => start.status === "rejected");
  assert.equal(failures.length, 5);
  failures.forEach(({ reason }) => refused("quota_exceeded")(reason));
  // What was refused takes no place among the uploads of its node.
  assert.equal(one.status()!.uploads + two.status()!.uploads, 3);
}, { quota: { files: 3, bytes: 100_000 } });

test("file nodes: a file is announced once, and its request is known to all", async (one, two) => {
  const bytes = sampleBytes(1000);
  const upload = await one.start(requestOf(bytes), OWN_ONLY);
  await pushAll(upload, bytes);
  const file = await one.complete(upload, "m1");
  assert.deepEqual(await two.completed("ann", "m1"), file);
  let told = 0;
  for (const node of [one, two, one]) await node.announce(file, () => Promise.resolve(told++));
  assert.equal(told, 1);
});

/** A node whose store lets something happen before a call. */
async function withInterruption(
  call: "reserve" | "write",
  before: (node: FileStore, store: MemoryStore) => unknown,
  run: (node: FileStore) => Promise<void>,
): Promise<void> {
  const store = new MemoryStore();
  const { blobs, values } = new MemoryEngine({ store });
  const interrupted = new Proxy(blobs, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== call) return value.bind(target);
      return async (...args: unknown[]) => {
        await before(node, store);
        return value.apply(target, args);
      };
    },
  });
  const node = new FileStore({ blobs: interrupted, values, limits: () => LIMITS });
  try {
    await run(node);
  } finally {
    await node.close();
  }
}

Deno.test("file nodes: an upload that another node ends while it begins may be begun again", () => {
  const request = requestOf(sampleBytes(1000));
  const discardAll = (_: FileStore, { blobs }: MemoryStore) => {
    blobs.expire({ files: 0, uploads: Infinity });
  };
  return withInterruption("write", discardAll, async (node) => {
    await assert.rejects(node.start(request, OWN_ONLY), refused("not_available"));
    assert.deepEqual([node.status()!.uploads, node.status()!.partial], [0, 0]);
  });
});

Deno.test("file nodes: an upload that begins while its node ends is refused", () => {
  let ending: Promise<void>;
  // Not awaited there: the end waits for what is under way.
  const end = (node: FileStore) => void (ending = node.close());
  return withInterruption("reserve", end, async (node) => {
    await assert.rejects(node.start(requestOf(sampleBytes(1000)), OWN_ONLY), refused("not_available"));
    assert.equal(node.status()!.uploads, 0);
    await ending;
  });
});

Deno.test("file nodes: a link is valid for every node on the store, and after a restart", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-files-" });
  let now = 1_000_000_000;
  const open = async () => {
    const engine = await SqliteEngine.open({ path: `${directory}/skein.db` });
    // Two nodes that ask for the key at the same time.
    const [a, b] = [1, 2].map(() => new FileStore({ ...engine, limits: () => LIMITS, now: () => now }));
    return { engine, a: a!, b: b! };
  };
  try {
    const first = await open();
    const [token, other] = await Promise.all([first.a.link("f1", 60_000), first.b.link("f1", 90_000)]);
    await first.a.checkLink("f1", other);
    await first.b.checkLink("f1", token);
    await first.engine.close();
    const { a, engine } = await open();
    await a.checkLink("f1", token);
    await assert.rejects(a.checkLink("f2", token), refused("invalid_token"));
    now += 61_000;
    await assert.rejects(a.checkLink("f1", token), refused("token_expired"));
    await engine.close();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
