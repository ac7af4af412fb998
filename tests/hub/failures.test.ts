import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { DEFAULT_NAMESPACE, Hub, type Subscribed } from "../../src/hub/mod.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import type { StoredRecord } from "../../src/engine/contract.ts";
import { DelayedEngine } from "./delayed.ts";
import { FakeClient, join, makeHub, principal, say } from "./support.ts";

function refusal(error: string) {
  return (thrown: unknown) => thrown instanceof ProtocolError && thrown.error === error;
}

/** A hub on an engine that answers later, and a way to let it do all it has to do. */
function delayed() {
  const engine = new DelayedEngine();
  const failures: unknown[] = [];
  const hub = new Hub({
    engine,
    namespace: () => DEFAULT_NAMESPACE,
    replay: { page: 2, tail: 2 },
    failed: (error) => failures.push(error),
  });
  const settle = async () => {
    do {
      while (engine.waiting > 0) engine.step(0);
      await new Promise<void>((resolve) => setImmediate(resolve));
    } while (engine.waiting > 0);
  };
  const attach = async (client: FakeClient) => {
    const attaching = hub.attach(client, undefined);
    attaching.catch(() => {});
    await settle();
    (await attaching).start();
    return client;
  };
  return { engine, hub, failures, settle, attach };
}

Deno.test("hub: an engine that cannot say where a channel stands refuses the subscription, and the next one works", async () => {
  for (const what of ["follow", "position"] as const) {
    const { engine, hub, settle, attach } = delayed();
    const ann = await attach(new FakeClient("s1", principal("ann")));
    engine.failing[what] = 1;
    const failing = Promise.resolve(hub.subscribe(ann, "chat:a", 1));
    const refused = assert.rejects(failing, refusal("not_available"));
    await settle();
    await refused;
    assert.equal(hub.isOn(ann, "chat:a"), false);
    const joining = Promise.resolve(hub.subscribe(ann, "chat:a", 1));
    await settle();
    (await joining).start();
    void hub.publish({ origin: "api", channel: "chat:a", id: "1", from: "bob", payload: { text: "1" } });
    await settle();
    assert.deepEqual(ann.offsets("chat:a"), [1]);
  }
});

Deno.test("hub: a session whose inbox cannot be had is refused and leaves nothing behind", async () => {
  const { engine, hub, settle } = delayed();
  engine.failing.follow = 1;
  const attaching = hub.attach(new FakeClient("s1", principal("ann")), undefined);
  const refused = assert.rejects(attaching, refusal("not_available"));
  await settle();
  await refused;
  assert.equal(hub.sessionCount, 0);
  await settle();
  assert.deepEqual(engine.inner.presence.list("broadcast:all"), []);
});

Deno.test("hub: a channel that cannot be resumed is named, the others go on", async () => {
  const { engine, hub, settle, attach } = delayed();
  await attach(new FakeClient("s2", principal("bob")));
  engine.failing.read = 1;
  const { epoch } = engine.inner.log.position("chat:a");
  const attaching = hub.attach(new FakeClient("s1", principal("ann")), { "chat:a": { epoch, offset: 0 } });
  await settle();
  const attached = await attaching;
  assert.deepEqual(attached.refused, { "chat:a": "not_available" });
  assert.deepEqual(Object.keys(attached.channels).sort(), ["broadcast:all", "user:ann"]);
});

Deno.test("hub: a replay the engine breaks off ends the subscription, and says so", async () => {
  const { engine, hub, failures, settle, attach } = delayed();
  const ann = await attach(new FakeClient("s1", principal("ann")));
  for (const id of ["1", "2", "3", "4", "5"]) {
    void hub.publish({ origin: "api", channel: "chat:a", id, from: "bob", payload: { text: id } });
  }
  await settle();
  const { epoch } = engine.inner.log.position("chat:a");
  const joining = Promise.resolve(hub.subscribe(ann, "chat:a", 1, { epoch, offset: 0 }));
  await settle();
  const { state, start } = await joining;
  assert.equal(state.recovered, true);
  engine.failing.read = 1;
  start();
  await settle();
  assert.deepEqual(ann.offsets("chat:a"), [1, 2]);
  assert.deepEqual(ann.of("unsubscribed").map(({ payload }) => payload), [
    { channel: "chat:a", reason: "not_available" },
  ]);
  assert.equal(hub.isOn(ann, "chat:a"), false);
  assert.equal(failures.length, 1);
});

Deno.test("hub: leaving a channel before the engine answered refuses the subscription", async () => {
  const { hub, settle, attach } = delayed();
  const ann = await attach(new FakeClient("s1", principal("ann")));
  const joining = Promise.resolve(hub.subscribe(ann, "chat:a", 1));
  const refused = assert.rejects(joining, refusal("not_subscribed"));
  assert.equal(hub.unsubscribe(ann, "chat:a"), true);
  await settle();
  await refused;
  assert.equal(hub.isOn(ann, "chat:a"), false);
});

Deno.test("hub: of two connections that take a session at the same time the later one has it", async () => {
  const { hub, settle } = delayed();
  const first = new FakeClient("s1", principal("ann"), "c1");
  const second = new FakeClient("s1", principal("ann"), "c2");
  const attaching = [hub.attach(first, undefined), hub.attach(second, undefined)];
  await settle();
  for (const attached of await Promise.all(attaching)) attached.start();
  void hub.publish({
    origin: "api",
    channel: "user:ann",
    id: "1",
    from: "bob",
    payload: { to: "ann", text: "1" },
  });
  await settle();
  assert.deepEqual(first.offsets("user:ann"), []);
  assert.deepEqual(second.offsets("user:ann"), [1]);
  assert.equal(hub.clientOf("s1"), second);
});

Deno.test("hub: a history that is lost while a channel is followed ends its subscriptions", async () => {
  const engine = new MemoryEngine();
  const followers = new Map<string, (channel: string, record: StoredRecord, epoch: string) => void>();
  const follow = engine.log.follow.bind(engine.log);
  engine.log.follow = (channel, follower) => {
    followers.set(channel, follower);
    follow(channel, follower);
  };
  const { hub } = makeHub({ engine });
  const ann = await join(hub, "s1", "ann");
  (hub.subscribe(ann, "chat:a", 1) as Subscribed).start();
  say(hub, "chat:a", "1");
  const record = {
    type: "chat_message",
    id: "2",
    from: "bob",
    timestamp: 0,
    payload: { text: "2" },
    offset: 1,
    prev: 0,
  };
  followers.get("chat:a")!("chat:a", record, "another");
  assert.deepEqual(ann.offsets("chat:a"), [1]);
  assert.deepEqual(ann.of("unsubscribed").map(({ payload }) => payload), [
    { channel: "chat:a", reason: "unrecoverable_position" },
  ]);
});

Deno.test("hub: a replay goes no faster than its client", async () => {
  const { hub } = makeHub({ replay: { page: 10, tail: 4 } });
  const ann = await join(hub, "s1", "ann");
  const { state } = hub.subscribe(ann, "chat:a", 1) as Subscribed;
  for (let i = 1; i <= 50; i++) say(hub, "chat:a", `${i}`);
  let room = 3;
  let free = Promise.withResolvers<void>();
  ann.ready = () => room > 0 ? undefined : free.promise;
  ann.onSend = () => room--;
  (hub.subscribe(ann, "chat:a", 1, { epoch: state.epoch, offset: 0 }) as Subscribed).start();
  assert.equal(ann.offsets("chat:a").length, 3);
  for (let had = 3; had < 50; had += 5) {
    say(hub, "chat:a", `more ${had}`);
    assert.equal(ann.offsets("chat:a").length, had);
    room = 5;
    const freed = free;
    free = Promise.withResolvers<void>();
    freed.resolve();
    await Promise.resolve();
    await Promise.resolve();
    assert.equal(ann.offsets("chat:a").length, had + 5);
  }
  room = Infinity;
  free.resolve();
  await Promise.resolve();
  await Promise.resolve();
  const { offset } = hub.history("chat:a", { limit: 1 }) as { offset: number };
  assert.deepEqual(ann.offsets("chat:a"), Array.from({ length: offset }, (_, i) => i + 1));
});
