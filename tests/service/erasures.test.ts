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
