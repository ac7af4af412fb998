/** Erasing users when something fails. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { DEFAULT_NAMESPACE, Hub } from "../../src/hub/mod.ts";
import type { ApiErased } from "../../src/protocol/api/types.ts";
import { DocumentLife } from "../../src/service/erasure/documents.ts";
import { ErasureModule } from "../../src/service/erasure/module.ts";
import { Erasures } from "../../src/service/erasure/users.ts";
import { Exposition } from "../../src/service/metrics/exposition.ts";
import { createLogger } from "../../src/service/log/mod.ts";
import { settle } from "../support/clock.ts";
import { parseExposition } from "./metrics_support.ts";

const UTF8 = new TextEncoder(), TEXT = new TextDecoder();

async function withUsers(engine: MemoryEngine, users: readonly string[]): Promise<void> {
  await engine.values.put({ name: "erasures" }, { data: UTF8.encode(JSON.stringify(users)) });
  for (const from of users) {
    const record = { type: "chat_message", id: from, from, timestamp: 1, payload: { text: `${from} said` } };
    engine.log.publish("chat:a", record, { retention: { size: 10, age: 1e15 } });
  }
}

async function underWay(engine: MemoryEngine): Promise<unknown> {
  const value = await engine.values.get({ name: "erasures" });
  return JSON.parse(TEXT.decode(value!.data));
}

Deno.test("erasures: one user who cannot be erased now holds up no other, and is erased later", async () => {
  const engine = new MemoryEngine();
  const hub = new Hub({ engine, namespace: () => DEFAULT_NAMESPACE });
  let broken = "ann";
  const erased: string[] = [], failed: unknown[] = [];
  const erasures = new Erasures({
    engine,
    hub,
    documents: new DocumentLife({ engine, hub, now: () => 0, wall: () => 0 }),
    endUser: (user) => user === broken ? Promise.reject(new Error("a node is away")) : Promise.resolve(),
    now: () => 0,
    events: {
      erased: ({ user }: ApiErased) => void erased.push(user),
      failed: (error, user) => void failed.push([user, (error as Error).message]),
    },
  });
  await withUsers(engine, ["ann", "bob", "cy"]);
  await erasures.resume();
  assert.deepEqual(erased, ["bob", "cy"]);
  assert.deepEqual(failed, [["ann", "a node is away"]]);
  assert.deepEqual(await underWay(engine), ["ann"]);
  assert.equal(erasures.active, 0);
  broken = "";
  await Promise.all([erasures.resume(), erasures.resume()]);
  assert.deepEqual(erased, ["bob", "cy", "ann"]);
  assert.deepEqual(await underWay(engine), []);
});

Deno.test("erasures: each outcome has a line and a number", async () => {
  const engine = new MemoryEngine();
  const hub = new Hub({ engine, namespace: () => DEFAULT_NAMESPACE });
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ format: "json", write: (line) => void lines.push(JSON.parse(line)) });
  const module = new ErasureModule({ engine } as never, { hub } as never, log);
  module.endUsersBy((user) =>
    user === "ann" ? Promise.reject(new Error("a node is away")) : Promise.resolve()
  );
  module.start();
  await withUsers(engine, ["ann", "bob"]);
  await assert.rejects(module.users.erase("ann"), /a node is away/);
  await module.users.erase("bob");
  const figures = parseExposition(await new Exposition(module.series).render());
  assert.equal(figures.value("skein_erasures_total", { outcome: "failed" }), 1);
  assert.equal(figures.value("skein_erasures_total", { outcome: "done" }), 1);
  assert.equal(figures.value("skein_erased_total", { kind: "message" }), 1);
  assert.equal(figures.value("skein_erasures_active", {}), 0);
  assert.deepEqual(lines.map(({ event, level, user, messages }) => [event, level, user, messages]), [
    ["user not erased", "error", "ann", undefined],
    ["user erased", "info", "bob", 1],
  ]);
  assert.ok(!JSON.stringify(lines).includes("said"));
});

/** A module with an engine that it asks. */
function place(namespace = DEFAULT_NAMESPACE) {
  const engine = new MemoryEngine();
  const hub = new Hub({ engine, namespace: () => namespace });
  const lines: { event: string }[] = [];
  const log = createLogger({ format: "json", write: (line) => void lines.push(JSON.parse(line)) });
  const module = new ErasureModule({ engine } as never, { hub } as never, log);
  return { engine, module, lines };
}

Deno.test("erasures: the end of the module waits for what is under way, which goes on at the next start", async () => {
  const { engine, module, lines } = place();
  const asked: string[] = [], gate = Promise.withResolvers<void>();
  module.endUsersBy(async (user) => {
    asked.push(user);
    await gate.promise;
  });
  module.start();
  await withUsers(engine, ["ann", "bob"]);
  module.sweep(1e9);
  await settle();
  let isOver = false;
  const closed = module.close().then(() => isOver = true);
  await settle();
  assert.equal(isOver, false);
  const calls = counted(engine);
  gate.resolve();
  await closed;
  assert.deepEqual([asked, module.users.active, lines], [["ann"], 0, []]);
  const before = calls.count;
  await settle();
  module.sweep(2e9);
  await settle();
  assert.equal(calls.count, before, "the engine is asked behind the end");
  await assert.rejects(module.users.erase("cy"), { error: "not_available" });
  assert.deepEqual(await underWay(engine), ["ann", "bob"]);
});

Deno.test("erasures: the end of the module does not wait until the files are written anew", async () => {
  const { engine, module, lines } = place();
  const begun = Promise.withResolvers<void>();
  Object.assign(engine, {
    scrub() {
      begun.resolve();
      return new Promise(() => {});
    },
  });
  module.start();
  await withUsers(engine, ["ann"]);
  const erased = module.users.erase("ann");
  await begun.promise;
  await Promise.all([module.close(), assert.rejects(erased, { error: "not_available" })]);
  assert.deepEqual([await underWay(engine), lines], [["ann"], []]);
});

Deno.test("erasures: the end of the module waits for a look for old documents", async () => {
  const { engine, module, lines } = place({ ...DEFAULT_NAMESPACE, maxAge: 1 });
  module.start();
  for (const name of ["a", "b"]) {
    const record = { type: "doc_op", id: name, from: "ann", timestamp: 1, payload: {} };
    await engine.log.publish(`doc:${name}`, record, { retention: { size: 10, age: 1e15 } });
  }
  const gate = Promise.withResolvers<void>(), begun = Promise.withResolvers<void>();
  const { read } = engine.log;
  Object.assign(engine.log, {
    async read(...args: Parameters<typeof read>) {
      begun.resolve();
      await gate.promise;
      return read.apply(engine.log, args);
    },
  });
  module.sweep(1e9);
  await begun.promise;
  let isOver = false;
  const closed = module.close().then(() => isOver = true);
  await settle();
  assert.equal(isOver, false);
  gate.resolve();
  await closed;
  assert.deepEqual(
    [engine.log.list().length, lines],
    [1, []],
    "only the one that was looked at is forgotten",
  );
});

/** Counts what is asked of an engine from now on. */
function counted(engine: MemoryEngine): { readonly count: number } {
  const calls = { count: 0 };
  for (const part of [engine.log, engine.values, engine.blobs] as object[]) {
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(part))) {
      const call = (part as Record<string, unknown>)[name];
      if (name === "constructor" || typeof call !== "function") continue;
      Object.assign(part, {
        [name](...args: unknown[]) {
          calls.count++;
          return call.apply(part, args);
        },
      });
    }
  }
  return calls;
}
