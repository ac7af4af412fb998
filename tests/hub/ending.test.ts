/** What is under way when a hub ends: nothing of it goes on behind the end. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { Coalescer } from "../../src/hub/coalescer.ts";
import type { Hub } from "../../src/hub/mod.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { join, makeHub, principal, say } from "./support.ts";

/** The hub's end waits until `gate` is open. */
async function waits(hub: Hub, gate: PromiseWithResolvers<void>, what: string): Promise<void> {
  let isOver = false;
  const closed = hub.close().then(() => isOver = true);
  await settle();
  assert.equal(isOver, false, what);
  gate.resolve();
  await closed;
}

Deno.test("hub: its end leaves no timer of commands that wait for an answer, and whoever makes one is told", async () => {
  const clock = new FakeClock();
  const { hub } = makeHub({ clock });
  const told = Promise.withResolvers<void>();
  hub.commands.directory.add({
    name: "slow",
    commands: [{ name: "think", args: [] }],
    answer: (_command, { signal }) => {
      signal.addEventListener("abort", () => told.resolve());
      return told.promise;
    },
  });
  const ann = await join(hub, "ann", "ann");
  await hub.commands.ask({ client: ann, id: "c1", lane: 1, bot: "slow", command: "think", args: {} });
  assert.equal(clock.pending, 1);
  hub.detach(ann);
  await hub.close();
  await told.promise;
  assert.deepEqual([clock.pending, hub.commands.open], [0, 0]);
});

Deno.test("hub: what waits for the next commit of its message is committed before the end", async () => {
  const clock = new FakeClock();
  const { hub } = makeHub({ clock, engine: new MemoryEngine({ clock }) });
  const open = await hub.publish({
    origin: "api",
    channel: "chat:a",
    id: "m",
    from: "bob",
    payload: { text: "", stream: "open" },
  });
  const grow = (at: number, content: string) =>
    hub.append(
      "chat:a",
      { target: open.offset, epoch: open.epoch, from: "bob", at, content, end: undefined },
      "api",
    );
  await grow(0, "a");
  const length = grow(1, "b");
  await settle();
  assert.equal(clock.pending, 1);
  await hub.close();
  assert.deepEqual([await length, clock.pending], [2, 0]);
  assert.equal(await grow(2, "c"), 3);
  assert.equal(clock.pending, 0, "nothing waits any more");
});

Deno.test("hub: its end waits for what hooks are told, and for what the engine and other nodes are asked", async () => {
  const hooks = makeHub(), told = Promise.withResolvers<void>();
  hooks.hub.addHook({ name: "slow", after: () => told.promise });
  say(hooks.hub, "chat:a", "hello");
  await waits(hooks.hub, told, "hooks");

  const engine = new MemoryEngine();
  const { hub } = makeHub({ engine });
  const ann = await join(hub, "ann", principal("ann"));
  (await hub.subscribe(ann, "chat:a", 1)).start();
  const left = Promise.withResolvers<void>();
  Object.assign(engine.presence, { leave: () => left.promise });
  hub.leave(ann);
  await waits(hub, left, "presence");

  const sent = Promise.withResolvers<void>();
  Object.assign(engine.commands, { send: () => sent.promise.then(() => ({ failed: "node_gone" })) });
  hub.nodes.tell("another", "something", {});
  await waits(hub, sent, "nodes");

  const removed = Promise.withResolvers<void>();
  const { get } = engine.values;
  const bob = await join(hub, "bob", principal("bob"));
  await hub.peers.announce("p", bob);
  hub.detach(bob);
  bob.end();
  Object.assign(engine.values, {
    get: () => removed.promise.then(() => get.call(engine.values, { name: "x" })),
  });
  hub.leave(bob);
  await waits(hub, removed, "peers");
});

Deno.test("hub: deliveries that were held back leave no timer behind its end", async () => {
  const clock = new FakeClock();
  const { hub } = makeHub({ clock, coalescer: new Coalescer({ clock, busy: 0 }) });
  const ann = await join(hub, "ann", "ann");
  (await hub.subscribe(ann, "chat:a", 1)).start();
  say(hub, "chat:a", "m1");
  await settle();
  await settle();
  say(hub, "chat:a", "m2");
  await settle();
  assert.equal(clock.pending, 1);
  await hub.close();
  say(hub, "chat:a", "m3");
  await settle();
  assert.equal(clock.pending, 0);
});
