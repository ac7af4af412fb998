/** What waits for an endpoint, and a user who is erased. */

import assert from "node:assert/strict";
import { delay } from "../../src/async/deadline.ts";
import { createServerClient } from "../../src/client/server/mod.ts";
import type { Engine } from "../../src/engine/contract.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import { DEFAULT_NAMESPACE, Hub } from "../../src/hub/mod.ts";
import { DocumentLife } from "../../src/service/erasure/documents.ts";
import { Erasures } from "../../src/service/erasure/users.ts";
import { WebhookQueue } from "../../src/webhooks/queue.ts";
import { until } from "../client/crowd.ts";
import { OPEN } from "../integration/support.ts";
import { startTestService } from "../support/service.ts";
import { filesWith } from "../support/files_with.ts";
import { endpoint as endpointOf, SECRETS, TestEndpoint } from "./support.ts";

const KEY = "key-of-the-back-end-of-a-test";
/** What ann says begins with this. */
const SECRET = "only-ann-says-this";
const LETTER = { attempts: 3, failure: "status 422", at: 1 };

function erasuresOf(engine: Engine): Erasures {
  const hub = new Hub({ engine, namespace: () => DEFAULT_NAMESPACE });
  return new Erasures({
    engine,
    hub,
    documents: new DocumentLife({ engine, hub, now: () => 0, wall: () => 0 }),
    endUser: () => Promise.resolve(),
    now: () => 0,
    events: { erased() {}, failed() {} },
  });
}

function eventOf(user: string, n: number) {
  const text = `${user === "ann" ? SECRET : "bob"} ${n} ${"x".repeat(n * 900)}`;
  return {
    id: `evt_${user}_${n}`,
    type: "message",
    user,
    timestamp: n,
    data: { payload: { text } },
  } as const;
}

/** Everything that the log of an engine keeps. */
async function kept({ log }: Engine): Promise<string> {
  const pages = await Promise.all((await log.list()).map((name) => log.read(name)));
  return JSON.stringify(pages.map(({ records }) => records));
}

async function users(queue: WebhookQueue): Promise<string[][]> {
  const { events } = await queue.read(0, 100);
  const { letters } = await queue.dead(0, 100);
  return [events, letters].map((list) => list.map(({ event }) => event.user));
}

const ENGINES = {
  memory: () => Promise.resolve(new MemoryEngine()),
  sqlite: (directory: string) => SqliteEngine.open({ path: `${directory}/skein.db` }),
} as const;

for (const [name, open] of Object.entries(ENGINES)) {
  Deno.test(`webhooks: nothing of an erased user is left in queues and dead letters (${name})`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "skein-webhooks-erase-" });
    const engine: Engine = await open(directory);
    try {
      const queues = ["shop", "audit"].map((name) => new WebhookQueue(engine, name, () => endpointOf()));
      for (const queue of queues) {
        for (let n = 0; n < 9; n++) for (const user of ["ann", "bob"]) await queue.append(eventOf(user, n));
        const { events } = await queue.read(0, 6);
        for (const one of events) await queue.bury(one, LETTER);
        assert.ok(await queue.revive(1) && await queue.revive(2));
      }
      assert.ok((await kept(engine)).includes(SECRET));
      const erased = await erasuresOf(engine).erase("ann");
      assert.deepEqual([erased.done, erased.messages], [true, 0]);
      assert.ok(!(await kept(engine)).includes(SECRET));
      for (const queue of queues) {
        assert.deepEqual(await users(queue), [Array(10).fill("bob"), ["bob", "bob"]]);
      }
      assert.deepEqual(await filesWith(directory, SECRET), []);
      assert.equal((await filesWith(directory, "bob 8")).length > 0, name === "sqlite");
    } finally {
      await engine.close();
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("webhooks: an event that is given up while its user is erased becomes no dead letter", async () => {
  const engine = new MemoryEngine();
  const queue = new WebhookQueue(engine, "shop", () => endpointOf());
  for (const user of ["ann", "bob"]) await queue.append(eventOf(user, 1));
  const { events } = await queue.read(0, 10);
  // The courier has read them, and now the erasure comes and is done.
  await erasuresOf(engine).erase("ann");
  for (const one of events) await queue.bury(one, LETTER);
  assert.deepEqual(await users(queue), [["bob"], ["bob"]]);
  assert.ok(!(await kept(engine)).includes(SECRET));
});

Deno.test("webhooks: a dead letter that is sent again while its user is erased does not wait again", async () => {
  const engine = new MemoryEngine();
  let erase: (() => Promise<unknown>) | undefined;
  const { log } = engine;
  const interrupted: Pick<Engine["log"], "publish" | "redact" | "get"> = {
    publish: (...args) => log.publish(...args),
    redact: (...args) => log.redact(...args),
    async get(...args) {
      const found = log.get(...args), now = erase;
      erase = undefined;
      await now?.();
      return found;
    },
  };
  const queue = new WebhookQueue(
    { log: interrupted as never, values: engine.values },
    "shop",
    () => endpointOf(),
  );
  for (const [at, user] of ["ann", "bob"].entries()) {
    await queue.bury({ offset: at + 1, event: eventOf(user, 1) }, LETTER);
  }
  const erasures = erasuresOf(engine);
  erase = () => erasures.erase("ann");
  for (const offset of [1, 2]) await queue.revive(offset);
  assert.deepEqual(await users(new WebhookQueue(engine, "shop", () => endpointOf())), [["bob"], []]);
  assert.ok(!(await kept(engine)).includes(SECRET));
});

Deno.test("webhooks: what waits for an endpoint goes when its user is erased", async () => {
  await using endpoint = new TestEndpoint();
  endpoint.answer = () => new Response(null, { status: 503 });
  const settings = { name: "back-end", url: endpoint.url, allowPrivate: true, secrets: [SECRETS[0]!] };
  const retry = { minDelay: "20ms", maxDelay: "100ms" };
  const service = await startTestService({
    ...OPEN,
    api: { keys: [KEY] },
    webhooks: { endpoints: [{ ...settings, events: ["message"], retry }] },
  } as never);
  await using _running = { [Symbol.asyncDispose]: () => service.stop() };
  const api = createServerClient({ url: service.url, key: KEY });
  for (const from of ["ann", "bob"]) {
    await api.publish({ channel: "chat:a", from, text: `${from} says this` });
  }
  await until("an attempt with each", () => endpoint.requests > 1);
  assert.equal((await api.user_erase({ user: "ann" })).done, true);
  // An attempt that was under way may come yet; another one would wait for ever.
  endpoint.answer = ({ data }) => new Response(null, { status: data.from === "ann" ? 503 : 204 });
  await until("what bob says", () => endpoint.received.some(({ data }) => data.from === "bob"), 30_000);
  const end = Date.now() + 30_000;
  while ((await api.webhooks()).endpoints[0]!.waiting > 0) assert.ok(Date.now() < end, "something waits");
});

Deno.test("webhooks: the files of a service hold nothing of what an erased user's events said", async () => {
  await using endpoint = new TestEndpoint();
  // One endpoint refuses each event for itself, the other is down.
  endpoint.answer = ({ data }) =>
    new Response(null, { status: data.payload.text?.endsWith("dies") ? 422 : 503 });
  const directory = await Deno.makeTempDir({ prefix: "skein-webhooks-erase-" });
  const settings = { name: "back-end", url: endpoint.url, allowPrivate: true, secrets: [SECRETS[0]!] };
  const retry = { minDelay: "20ms", maxDelay: "50ms", attempts: 6 };
  const service = await startTestService({
    ...OPEN,
    engine: { kind: "sqlite", sqlite: { path: `${directory}/skein.db` } },
    api: { keys: [KEY] },
    webhooks: { endpoints: [{ ...settings, events: ["message"], retry }] },
  } as never);
  try {
    const api = createServerClient({ url: service.url, key: KEY });
    for (const from of ["ann", "bob"]) {
      await api.publish({ channel: "chat:a", from, text: `${from === "ann" ? SECRET : from} dies` });
    }
    const dead = async () => (await api.webhook_dead({ endpoint: "back-end" })).letters;
    for (const end = Date.now() + 30_000; (await dead()).length < 2; await delay(20)) {
      assert.ok(Date.now() < end, "no dead letters");
    }
    for (const from of ["ann", "bob"]) {
      await api.publish({ channel: "chat:a", from, text: `${from === "ann" ? SECRET : from} waits` });
    }
    assert.ok((await filesWith(directory, SECRET)).length > 0);
    assert.deepEqual(await api.user_erase({ user: "ann" }), {
      user: "ann",
      done: true,
      messages: 2,
      documents: 0,
      files: 0,
    });
    assert.deepEqual(await filesWith(directory, SECRET), []);
    assert.deepEqual((await dead()).map(({ data }) => data.from), ["bob"]);
  } finally {
    await service.stop();
    await Deno.remove(directory, { recursive: true });
  }
});
