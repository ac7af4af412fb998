/** Hubs of several nodes on one store. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { MemoryStore } from "../../src/engine/memory/store.ts";
import type { Holders } from "../../src/engine/contract.ts";
import type { Hub } from "../../src/hub/mod.ts";
import { type Message, ProtocolError } from "../../src/protocol/mod.ts";
import { Service } from "../handlers/support.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { FakeClient, join, makeHub, principal } from "./support.ts";

/** Nodes with one store and one clock. */
function nodesOf(...names: string[]) {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const all = names.map((name) => {
    const engine = new MemoryEngine({ store });
    engine.commands.announce(name, 1_000_000);
    return { engine, node: engine.commands.node, ...makeHub({ engine, clock }) };
  });
  return {
    clock,
    all,
    /** Lets `seconds` pass on the nodes that live. */
    async pass(seconds: number, living = all): Promise<void> {
      for (let i = 0; i < seconds; i++) {
        await clock.advance(1000);
        store.sweep();
        for (const { hub } of living) hub.sweep();
      }
    },
  };
}

async function subscribe(hub: Hub, client: FakeClient, channel: string): Promise<void> {
  (await hub.subscribe(client, channel, 0)).start();
}

const seen = (client: FakeClient) =>
  client.sent.flatMap(({ message: { type, payload } }) =>
    type.startsWith("user_") ? [`${payload.userId} ${type} ${payload.channel}`] : []
  );

const usersOn = async (hub: Hub, channel: string) =>
  (await hub.presence(channel)).map(({ userId }) => userId).sort();

/** Ann on the first node of two and on two channels, where bob on the second node sees her. */
async function annAndBob() {
  const nodes = nodesOf("a", "b");
  const [a, b] = nodes.all as [typeof nodes.all[number], typeof nodes.all[number]];
  const bob = await join(b.hub, "bob", "bob");
  const ann = await join(a.hub, "ann", "ann");
  for (const channel of ["chat:named", "chat:other"]) {
    await subscribe(b.hub, bob, channel);
    await subscribe(a.hub, ann, channel);
  }
  assert.deepEqual(seen(bob), ["ann user_online chat:named", "ann user_online chat:other"]);
  bob.sent.length = 0;
  return { ...nodes, a, b, ann, bob };
}

Deno.test("hub nodes: presence of a session that moves goes on, and ends in time where its client does not return", async () => {
  const { a, b, ann, bob, pass } = await annAndBob();
  const { epoch, offset } = await b.hub.position("chat:named");
  const events: string[] = [];
  for (const [name, { hub }] of [["a", a], ["b", b]] as const) {
    hub.events.listen(
      "test",
      ({ kind, principal }) => void events.push(`${name} ${principal.userId} ${kind}`),
    );
  }
  const moved = new FakeClient("ann", principal("ann"), "ann-2");
  const attaching = b.hub.attach(moved, { "chat:named": { epoch, offset } }, true);
  a.hub.handOver(ann, b.node);
  (await attaching).start();
  await settle();
  assert.deepEqual(events, [
    "b ann online",
    "b ann connect",
    "b ann subscribe",
    "a ann disconnect",
    "a ann moved",
    "a ann offline",
  ]);
  assert.equal(a.hub.sessionCount, 0);
  await pass(9);
  assert.deepEqual(seen(bob), [], "nobody has seen her leave or return");
  assert.deepEqual(await usersOn(b.hub, "chat:other"), ["ann", "bob"]);
  await pass(2);
  assert.deepEqual(seen(bob), ["ann user_offline chat:other"]);
  await pass(60);
  assert.deepEqual(await usersOn(b.hub, "chat:named"), ["ann", "bob"], "the new node renews her lease");
  assert.equal(seen(bob).length, 1);
  assert.deepEqual(a.failures.concat(b.failures), []);
});

Deno.test("hub nodes: presence of sessions of a dead node ends with its leases", async () => {
  const { b, bob, pass } = await annAndBob();
  await pass(25, [b]);
  assert.deepEqual(await usersOn(b.hub, "chat:named"), ["ann", "bob"]);
  await pass(10, [b]);
  assert.deepEqual(await usersOn(b.hub, "chat:named"), ["bob"]);
  assert.deepEqual(seen(bob).sort(), ["ann user_offline chat:named", "ann user_offline chat:other"]);
});

Deno.test("hub nodes: a session that moves while it is attached here leaves nothing behind", async () => {
  const { a, b, ann } = await annAndBob();
  const again = new FakeClient("ann", principal("ann"), "ann-2");
  const attaching = a.hub.attach(again, {});
  a.hub.handOver(again, b.node);
  (await attaching).start();
  await settle();
  assert.equal(a.hub.sessionCount, 0);
  assert.deepEqual(await usersOn(b.hub, "chat:named"), ["ann", "bob"], "it is not seen to leave");
  a.hub.leave(ann);
  a.hub.leave(again);
  assert.deepEqual(await usersOn(b.hub, "chat:named"), ["ann", "bob"]);
});

Deno.test("hub nodes: what a node refuses is told to the one that asks, and is no failure", async () => {
  const { all: [a, b] } = nodesOf("a", "b");
  b!.hub.nodes.handle("refuse", () => {
    throw new ProtocolError("limit_exceeded", "full", { retryAfter: 70 });
  });
  b!.hub.nodes.handle("echo", (payload, from) => ({ ...payload, from }));
  const { nodes } = a!.hub;
  await assert.rejects(nodes.ask(b!.node, "refuse", {}), {
    error: "limit_exceeded",
    detail: "full",
    retryAfter: 70,
  });
  assert.deepEqual(await nodes.ask(b!.node, "echo", { n: 1 }), { n: 1, from: a!.node });
  assert.deepEqual(await nodes.askOthers("echo", { n: 2 }), [{ n: 2, from: a!.node }]);
  assert.deepEqual(await nodes.askEach([b!.node, "nobody"], "echo", {}), [{ from: a!.node }]);
  assert.equal(await nodes.ask("nobody", "echo", {}), undefined);
  assert.deepEqual(a!.failures.concat(b!.failures), []);
  assert.throws(() => b!.hub.nodes.handle("echo", () => ({})), TypeError);
});

Deno.test("hub nodes: without an answer the asker is told so, and the failure is reported", async () => {
  const { clock, all: [a, b] } = nodesOf("a", "b");
  b!.hub.nodes.handle("hang", () => new Promise(() => {}));
  const { nodes } = a!.hub;
  const asking = assert.rejects(nodes.ask(b!.node, "hang", {}), { error: "not_available" });
  await clock.advance(3000);
  await asking;
  await assert.rejects(nodes.ask(b!.node, "no such", {}), { error: "not_available" });
  await assert.rejects(nodes.ask(b!.node, "hang", { text: "x".repeat(2_000_000) }), {
    error: "message_too_large",
  });
  const told = a!.failures.map((error) => (error as Error).message.split(": ")[1]);
  assert.deepEqual(told, ["timeout", "handler_failed", "too_large"]);
});

/** A bot on the second node and a user on the first. */
async function withBot() {
  const nodes = nodesOf("a", "b");
  const [a, b] = nodes.all as [typeof nodes.all[number], typeof nodes.all[number]];
  const [here, there] = [new Service({}, a), new Service({}, b)];
  const ann = await join(a.hub, "ann", "ann");
  const bot = await join(b.hub, "bot", principal("echo-user", { bot: "echo" }));
  b.engine.commands.claim({ session: "bot", user: "echo-user", bot: "echo" }, { window: 1000, revision: 0 });
  a.engine.commands.claim({ session: "ann", user: "ann" }, { window: 1000, revision: 0 });
  return { ...nodes, a, b, here, there, ann, bot };
}

async function slowly(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await undefined;
}

const COMMAND = { bot: "echo", command: "say" };

Deno.test("hub nodes: a bot of another node that does not keep up refuses for now", async () => {
  const { here, there, ann, bot } = await withBot();
  bot.ready = () => new Promise(() => {});
  await assert.rejects(here.say(ann, "bot_command", COMMAND), { error: "not_available", retryAfter: 1000 });
  bot.ready = () => undefined;
  await here.say(ann, "bot_command", COMMAND);
  assert.equal(bot.of("bot_command").length, 1);
  // An asker without room gets its answer when it has room again.
  let makeRoom = () => {};
  const room = new Promise<void>((resolve) => makeRoom = resolve);
  ann.ready = () => room;
  const [{ id: re }] = bot.of("bot_command") as [Message];
  await there.say(bot, "bot_response", { to: "ann", text: "hi" }, { re });
  assert.deepEqual(ann.of("bot_response"), []);
  ann.ready = () => undefined;
  makeRoom();
  await settle();
  assert.equal(ann.of("bot_response").length, 1);
});

Deno.test("hub nodes: a bot of its own node is preferred, and one elsewhere takes what that has no room for", async () => {
  const { a, here, ann, bot } = await withBot();
  const own = await join(a.hub, "own", principal("echo-user", { bot: "echo" }));
  await here.say(ann, "bot_command", COMMAND);
  own.ready = () => new Promise(() => {});
  await here.say(ann, "bot_command", COMMAND);
  assert.deepEqual([own, bot].map((client) => client.of("bot_command").length), [1, 1]);
  a.hub.leave(ann);
});

Deno.test("hub nodes: bots of several other nodes get commands in turn", async () => {
  const { all: [a, ...others] } = nodesOf("a", "b", "c");
  const here = new Service({}, a);
  const ann = await join(a!.hub, "ann", "ann");
  const bots = await Promise.all(others.map(async ({ hub, engine, node, failures }) => {
    const bot = await join(hub, node, principal("echo-user", { bot: "echo" }));
    new Service({}, { hub, failures });
    engine.commands.claim({ session: node, user: "echo-user", bot: "echo" }, { window: 1000, revision: 0 });
    return bot;
  }));
  for (let i = 0; i < 6; i++) await here.say(ann, "bot_command", COMMAND);
  assert.deepEqual(bots.map((bot) => bot.of("bot_command").length), [3, 3]);
  a!.hub.leave(ann);
});

Deno.test("hub nodes: a store that cannot be asked is a failure that is reported and told as such", async () => {
  const { a, here, ann } = await withBot();
  const down = () => Promise.reject(new Error("no store"));
  Object.assign(a.engine.commands, { find: down, locate: down, send: down, broadcast: down, nodes: down });
  await assert.rejects(here.say(ann, "bot_command", COMMAND), { error: "not_available" });
  const { nodes } = a.hub;
  for (
    const asking of [nodes.others(), nodes.holderOf("s"), nodes.ask("n", "t", {}), nodes.askOthers("t", {})]
  ) {
    await assert.rejects(asking, { error: "not_available" });
  }
  nodes.tell("n", "t", {});
  await settle();
  assert.deepEqual(a.failures.map((error) => (error as Error).message), Array(6).fill("no store"));
});

Deno.test("hub nodes: commands to a bot of another node keep their order", async () => {
  const { a, here, ann, bot } = await withBot();
  // Each is told sooner than the one before where the bot is.
  const { commands } = a.engine;
  const find = commands.find.bind(commands);
  let late = 50;
  Object.assign(commands, { find: (of: Holders) => slowly(late--).then(() => find(of)) });
  const ids = Array.from({ length: 50 }, (_, i) => `c${i}`);
  await Promise.all(ids.map((id) => here.say(ann, "bot_command", COMMAND, { id })));
  assert.deepEqual(bot.of("bot_command").map(({ id }) => id), ids);
  a.hub.leave(ann);
});

Deno.test("hub nodes: an answer of a bot on another node goes to the lane of the command", async () => {
  const { here, there, ann, bot } = await withBot();
  for (const lane of [201, 205]) {
    await here.say(ann, "bot_command", COMMAND, { id: `on-${lane}`, lane });
    await there.say(bot, "bot_response", { to: "ann", text: "hi" }, { re: `on-${lane}` });
    assert.equal(ann.sent.at(-1)!.lane, lane);
  }
});
