import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { DEFAULT_NAMESPACE, type Hub, type HubOptions, type Subscribed } from "../../src/hub/mod.ts";
import { FakeClient, join, makeHub, principal } from "./support.ts";
import { FakeClock } from "../support/clock.ts";

function enter(hub: Hub, client: FakeClient, channel: string): void {
  (hub.subscribe(client, channel, 1) as Subscribed).start();
}

function pushes(client: FakeClient): string[] {
  return client.sent.filter(({ message }) => message.type.startsWith("user_"))
    .map(({ message: { type, payload } }) => `${payload.userId} ${type.slice(5)}`);
}

/** A hub whose clock the test moves, swept once a second as its owner does. */
function clocked(options: Partial<HubOptions> = {}) {
  const clock = new FakeClock();
  const engine = new MemoryEngine({ clock });
  const { hub, failures } = makeHub({ engine, clock, presenceTtl: 9_000, ...options });
  return {
    clock,
    hub,
    engine,
    failures,
    pass(seconds: number, sweepHub = true) {
      for (let i = 0; i < seconds; i++) {
        clock.sleep(1_000);
        if (sweepHub) hub.sweep();
        engine.sweep();
      }
    },
  };
}

Deno.test("presence: subscribers are told of the first session and the last one of each other user", async () => {
  const { hub } = makeHub();
  const ann = await join(hub, "s1", "ann");
  enter(hub, ann, "chat:a");
  const one = await join(hub, "s2", principal("bob", { info: { name: "Bob" } }));
  const two = await join(hub, "s3", "bob");
  enter(hub, one, "chat:a");
  enter(hub, two, "chat:a");
  hub.unsubscribe(one, "chat:a");
  hub.leave(two);
  assert.deepEqual(pushes(ann), ["bob online", "bob offline"]);
  const [online] = ann.of("user_online");
  assert.deepEqual(online!.payload, { channel: "chat:a", userId: "bob", info: { name: "Bob" } });
  assert.deepEqual(pushes(one), []);
});

Deno.test("presence: a connection that is lost and comes back does not make its user flicker", async () => {
  const { hub, pass, engine } = clocked();
  const ann = await join(hub, "s1", "ann");
  enter(hub, ann, "chat:a");
  const bob = await join(hub, "s2", "bob");
  enter(hub, bob, "chat:a");
  ann.clear();
  hub.detach(bob);
  pass(60);
  assert.equal(engine.presence.list("chat:a").length, 2);
  const back = new FakeClient("s2", principal("bob"), "s2-2");
  const { epoch } = engine.log.position("chat:a");
  (await hub.attach(back, { "chat:a": { epoch, offset: 0 } })).start();
  pass(60);
  assert.deepEqual(pushes(ann), []);
});

/** A client on `chat:a` and `chat:b`, seen by ann, who is told nothing yet; and how it comes back. */
async function watched(world: ReturnType<typeof clocked>) {
  const { hub } = world;
  const ann = await join(hub, "s1", "ann");
  const bob = await join(hub, "s2", "bob");
  for (const client of [ann, bob]) {
    for (const channel of ["chat:a", "chat:b"]) enter(hub, client, channel);
  }
  ann.clear();
  let connections = 1;
  const back = async (channels: string[], who = principal("bob")) => {
    const client = new FakeClient("s2", who, `s2-${++connections}`);
    const { epoch } = world.engine.log.position("chat:a");
    const points = Object.fromEntries(channels.map((channel) => [channel, { epoch, offset: 0 }]));
    (await hub.attach(client, points)).start();
    return client;
  };
  return { ann, bob, back };
}

Deno.test("presence: a session that comes back without naming a channel does not flicker when it subscribes to it soon", async () => {
  const world = clocked();
  const { ann, bob, back } = await watched(world);
  world.hub.detach(bob);
  world.pass(20);
  const client = await back(["chat:a"]);
  world.pass(8);
  assert.equal(world.engine.presence.list("chat:b").length, 2, "it is still shown");
  enter(world.hub, client, "chat:b");
  world.pass(60);
  assert.deepEqual(pushes(ann), []);
  world.hub.leave(client);
  assert.deepEqual(pushes(ann), ["bob offline", "bob offline"]);
});

Deno.test("presence: a session that comes back without a channel leaves it a little later, unless it is lost again", async () => {
  const world = clocked();
  const { ann, back } = await watched(world);
  const client = await back([]);
  world.pass(8);
  world.hub.detach(client);
  world.pass(60);
  assert.deepEqual(pushes(ann), []);
  await back(["chat:b"]);
  world.pass(8);
  assert.deepEqual(pushes(ann), []);
  world.pass(3);
  assert.deepEqual(pushes(ann), ["bob offline"]);
  assert.deepEqual(ann.of("user_offline").map(({ payload }) => payload.channel), ["chat:a"]);
});

Deno.test("presence: a channel that a session came back without is left at once when it says so, or may not be on it", async () => {
  const world = clocked();
  const { ann, back } = await watched(world);
  const client = await back([]);
  assert.equal(world.hub.unsubscribe(client, "chat:a"), false, "it was not on it");
  assert.deepEqual(ann.of("user_offline").map(({ payload }) => payload.channel), ["chat:a"]);
  assert.deepEqual(world.hub.refresh(client, principal("bob", { subscribe: ["chat:a"] })), []);
  assert.deepEqual(ann.of("user_offline").map(({ payload }) => payload.channel), ["chat:a", "chat:b"]);
  for (const channel of ["chat:a", "chat:b"]) enter(world.hub, await back([channel]), channel);
  ann.clear();
  await back(["chat:a"], principal("bob", { subscribe: ["chat:b"] }));
  assert.deepEqual(ann.of("user_offline").map(({ payload }) => payload.channel), ["chat:a"]);
});

Deno.test("presence: a channel that a session may not resume is left at once, though its token allows it", async () => {
  let most = 10;
  const world = clocked({ maxChannels: () => most });
  const { ann, bob, back } = await watched(world);
  world.hub.detach(bob);
  most = 1;
  const client = await back(["chat:a", "chat:b"]);
  assert.deepEqual([world.hub.isOn(client, "chat:a"), world.hub.isOn(client, "chat:b")], [true, false]);
  assert.deepEqual(ann.of("user_offline").map(({ payload }) => payload.channel), ["chat:b"]);
});

Deno.test("presence: a session that keeps coming back without its channels is shown on a bounded number", async () => {
  const world = clocked({ maxChannels: () => 5 });
  const { back } = await watched(world);
  for (let i = 0; i < 50; i++) enter(world.hub, await back([]), `chat:${i}`);
  const shown = Array.from({ length: 50 }, (_, i) => world.engine.presence.list(`chat:${i}`).length);
  assert.deepEqual(shown.flatMap((count, i) => count > 0 ? [i] : []), [44, 45, 46, 47, 48, 49]);
  world.pass(11);
  assert.equal(world.engine.presence.list("chat:48").length, 0);
  assert.equal(world.engine.presence.list("chat:49").length, 1);
});

Deno.test("presence: a session that ends goes offline at once, one whose node stops renewing when its lease runs out", async () => {
  const { hub, pass, engine } = clocked();
  const ann = await join(hub, "s1", "ann");
  enter(hub, ann, "chat:a");
  for (const user of ["bob", "cid"]) enter(hub, await join(hub, user, user), "chat:a");
  ann.clear();
  hub.leave(hub.clientOf("bob")!);
  assert.deepEqual(pushes(ann), ["bob offline"]);
  pass(5, false);
  assert.equal(engine.presence.list("chat:a").length, 2);
  pass(10, false);
  assert.deepEqual(engine.presence.list("chat:a"), []);
});

Deno.test("presence: every lease is renewed in time however many sessions there are", async () => {
  const { hub, pass, engine } = clocked();
  for (let i = 0; i < 500; i++) enter(hub, await join(hub, `s${i}`, `u${i}`), "chat:a");
  pass(40);
  assert.equal(engine.presence.list("chat:a").length, 500);
  assert.equal(engine.presence.list("broadcast:all").length, 500);
});

Deno.test("presence: a sweep that comes late renews what it missed", async () => {
  const { hub, pass, engine } = clocked();
  for (let i = 0; i < 30; i++) await join(hub, `s${i}`, `u${i}`);
  for (let i = 0; i < 10; i++) {
    pass(3, false);
    pass(1);
  }
  assert.equal(engine.presence.list("broadcast:all").length, 30);
});

Deno.test("presence: a namespace without presence enters nobody, one without pushes only answers", async () => {
  const engine = new MemoryEngine();
  const { hub } = makeHub({
    engine,
    namespace: (name) => ({
      ...DEFAULT_NAMESPACE,
      presence: name !== "still",
      joinLeave: name !== "quiet",
    }),
  });
  const ann = await join(hub, "s1", "ann");
  const bob = await join(hub, "s2", "bob");
  for (const channel of ["still:a", "quiet:a"]) {
    for (const client of [ann, bob]) enter(hub, client, channel);
  }
  assert.deepEqual(pushes(ann), []);
  assert.deepEqual(engine.presence.list("still:a"), []);
  assert.equal(engine.presence.list("quiet:a").length, 2);
  assert.equal(engine.presence.list("user:ann").length, 0);
});

Deno.test("presence: a presence store that fails is reported and keeps nobody off a channel", async () => {
  const engine = new MemoryEngine();
  engine.presence.enter = () => Promise.reject(new Error("store is gone")) as never;
  engine.presence.leave = () => {
    throw new Error("store is gone");
  };
  const { hub, failures } = makeHub({ engine });
  const ann = await join(hub, "s1", "ann");
  enter(hub, ann, "chat:a");
  hub.unsubscribe(ann, "chat:a");
  await Promise.resolve();
  assert.equal(failures.length, 3);
});

for (const [how, step] of [["back an hour", -3_600_000], ["ahead a day", 86_400_000]] as const) {
  Deno.test(`presence: a wall clock that steps ${how} ends nobody's presence, and renewals go on`, async () => {
    const { hub, engine, clock, pass } = clocked();
    const ann = await join(hub, "s1", "ann");
    enter(hub, ann, "chat:a");
    pass(2);
    clock.set(step);
    pass(20);
    assert.deepEqual(engine.presence.list("chat:a").map(({ userId }) => userId), ["ann"]);
    hub.detach(ann);
    const back = new FakeClient("s1", principal("ann"), "s1-2");
    (await hub.attach(back, undefined)).start();
    clock.set(step);
    pass(9);
    assert.equal(engine.presence.list("chat:a").length, 1, "for ten seconds it may come back to the channel");
    pass(2);
    assert.equal(engine.presence.list("chat:a").length, 0);
  });
}
