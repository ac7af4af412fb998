/** What is under way when functions end: nothing of it goes on behind the end. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { type Call, Slots } from "../../src/functions/mod.ts";
import { FunctionDirectory } from "../../src/service/functions/directory.ts";
import type { KnownManifests } from "../../src/service/functions/known.ts";
import { Schedules } from "../../src/service/functions/schedules.ts";
import { FunctionSet } from "../../src/service/functions/set.ts";
import { settle } from "../support/clock.ts";
import { hostOf, source, testFunction } from "./support.ts";

/** Something that is held up: `begun` resolves when it is asked for, and it goes on with `release`. */
function held() {
  const begun = Promise.withResolvers<void>(), gate = Promise.withResolvers<void>();
  return {
    begun: begun.promise,
    release: () => gate.resolve(),
    wait(): Promise<void> {
      begun.resolve();
      return gate.promise;
    },
  };
}

/** Says whether a promise has been resolved. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.then(() => pending = false);
  await settle();
  return pending;
}

Deno.test("functions: a folder that is closed during its first look is not watched", async () => {
  const path = await Deno.makeTempDir();
  const look = held();
  let looks = 0;
  const directory = new FunctionDirectory(path, async () => {
    looks++;
    await look.wait();
    return false;
  });
  const { watchFs } = Deno;
  Deno.watchFs = () => assert.fail("it is watched");
  try {
    const watching = directory.watch();
    await look.begun;
    const closed = directory.close();
    look.release();
    await Promise.all([watching, closed]);
    // Nor does a timer go on: the test would leave it behind.
    assert.equal(looks, 1);
  } finally {
    Deno.watchFs = watchFs;
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("functions: a set that ends waits for a function that was removed before, whose calls end", async () => {
  await using place = await folder(source("return await context.kv.get('x') ?? null;"));
  const asked = held();
  const { set, files } = place.set({ kvGet: () => asked.wait().then(() => undefined) });
  assert.equal(await set.update(), true);
  let outcome: unknown;
  const call = set.call("main", { event: { kind: "schedule", name: "s", due: 0 }, timeout: 60_000 })
    .catch((error) => outcome = error.kind);
  await asked.begun;
  files.clear();
  await set.update();
  const closed = set.close(0);
  await call;
  assert.equal(outcome, "busy");
  assert.equal(await isPending(closed), true, "what it asked for is still under way");
  asked.release();
  await closed;
  assert.equal(set.isolates, 0);
});

Deno.test("functions: one that was loaded when its set had ended is not told of", async () => {
  await using place = await folder(source("return 1;"));
  const putting = held();
  const { set, loaded } = place.set({}, { put: () => putting.wait() });
  const updated = set.update();
  await putting.begun;
  const closed = set.close(0);
  putting.release();
  await Promise.all([updated, closed]);
  assert.deepEqual(loaded, []);
  assert.equal(await set.update(), true);
  assert.deepEqual([loaded, set.isolates], [[], 0]);
});

Deno.test("functions: what waits for a place to start in ends with its function, and starts nothing", async () => {
  const asked = held();
  const slots = new Slots(() => (void asked.wait(), 0));
  const fn = await testFunction({ "main.ts": source("return 1;") }, { slots });
  const loading = fn.load();
  await asked.begun;
  await Promise.all([
    assert.rejects(loading, { kind: "busy", message: "main is being stopped" }),
    fn.close(),
  ]);
});

Deno.test("functions: a message that a call begins to stream as it ends is ended, before its function has", async () => {
  const opening = held();
  const said: string[] = [];
  const fn = await testFunction(
    { "main.ts": source("await context.stream('chat:a');") },
    {
      host: {
        async stream() {
          await opening.wait();
          return {
            append: () => Promise.resolve(),
            end: (failed) => void said.push(failed ? "failed" : "ended"),
          };
        },
      },
    },
  );
  await fn.load();
  const failure = fn.failure("go");
  await opening.begun;
  const closed = fn.close();
  assert.equal((await failure).kind, "busy");
  assert.equal(await isPending(closed), true);
  opening.release();
  await closed;
  assert.deepEqual(said, ["failed"]);
});

Deno.test("schedules: one that was moved on when they end is called, and one that was not is left to others", async () => {
  for (const held of ["get", "put"] as const) {
    const { engine, values, gate, begun } = gated(held);
    const calls: number[] = [];
    const place = (of: MemoryEngine["values"]) =>
      new Schedules({
        values: of as never,
        set: { functions: [{ name: "clock", manifest: { schedules: { tick: { every: "10s" } } } }] } as never,
        call: (_name: string, { event }: Call) => Promise.resolve(calls.push((event as { due: number }).due)),
        failed: (error) => assert.fail(String(error)),
      });
    const first = place(engine.values);
    first.sweep(1000);
    await settle();
    await first.close();
    const node = place(values);
    node.sweep(10_000);
    await begun;
    const closed = Promise.resolve(node.close());
    assert.equal(await isPending(closed), true);
    gate();
    await closed;
    assert.deepEqual(calls, held === "put" ? [10_000] : []);
    const other = place(engine.values);
    other.sweep(10_000);
    await settle();
    await other.close();
    assert.deepEqual(calls, [10_000], "it is called once");
    engine.close();
  }
});

/** Values of an engine, one of whose methods waits for `gate`. */
function gated(method: "get" | "put") {
  const engine = new MemoryEngine();
  const { begun, release, wait } = held();
  const call = engine.values[method].bind(engine.values) as (...args: unknown[]) => unknown;
  const values = new Proxy(engine.values, {
    get: (target, name) => {
      const found = Reflect.get(target, name);
      if (typeof found !== "function") return found;
      return name === method
        ? async (...args: unknown[]) => (await wait(), call(...args))
        : found.bind(target);
    },
  });
  return { engine, values, begun, gate: release };
}

/** A folder with one function, and sets of it. */
async function folder(text: string) {
  const path = await Deno.makeTempDir();
  await Deno.writeTextFile(`${path}/main.ts`, text);
  return {
    set(host: Parameters<typeof hostOf>[0], known: Partial<KnownManifests> = {}) {
      const loaded: string[] = [];
      const files = new Map([["main", "main.ts"]]);
      const set = new FunctionSet({
        path,
        directory: {
          list: () => Promise.resolve({ files: new Map(files), skipped: new Map() }),
        } as unknown as FunctionDirectory,
        limits: () => ({
          timeout: 20_000,
          maxTimeout: 60_000,
          startTimeout: 30_000,
          memory: 256 * 1024 ** 2,
          concurrency: 4,
          queue: 4,
          idle: 60_000,
          maxIsolates: 4,
        }),
        host: hostOf(host),
        known: {
          get: () => Promise.resolve(undefined),
          last: () => Promise.resolve(undefined),
          put: () => Promise.resolve(),
          ...known,
        },
        secrets: () => ({}),
        log: () => {},
        started: () => {},
        loaded: (name) => void loaded.push(name),
        failed: (_name, error) => assert.fail(error.message),
        removed: () => {},
      });
      return { set, files, loaded };
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
    },
  };
}
