/** What one client sends and receives, over a network in memory with a clock that is moved by hand. */

import assert from "node:assert/strict";
import type { ClientEvents } from "../../src/client/mod.ts";
import { inboxOf } from "../../src/protocol/mod.ts";
import { connected, inWorld } from "./in_world.ts";
import { KeptOutbox } from "./support.ts";

Deno.test("delivery: a device that slept a minute comes back without losing or repeating a message", () =>
  inWorld(async (world, make) => {
    const ann = make("ann"), bob = make("bob");
    await connected(world, ann.client);
    await connected(world, bob.client);
    const joined = ann.client.channel("chat:x").subscribe();
    await world.clock.advance(100);
    await joined;
    void bob.client.channel("chat:x").publish("before");
    await world.clock.advance(100);
    // Nothing runs for a minute, and the service has given the connections up meanwhile.
    world.clock.sleep(60_000);
    world.cut();
    void bob.client.channel("chat:x").publish("after");
    await world.until(() => ann.got.length === 2);
    assert.deepEqual(ann.got, ["before", "after"]);
  }));

Deno.test("delivery: messages published without a connection are sent in order once there is one", () =>
  inWorld(async (world, make) => {
    Object.assign(world.paths.quic, { dial: "refused" });
    Object.assign(world.paths.websocket, { dial: "refused" });
    const { client, got } = make();
    void client.channel("chat:x").subscribe();
    void client.connect();
    const receipts = ["a", "b", "c"].map((text) => client.channel("chat:x").publish(text));
    await world.clock.advance(3000);
    assert.equal(client.store.getState().pending, 3);
    Object.assign(world.paths.websocket, { dial: "open" });
    await world.until(() => got.length === 3);
    assert.deepEqual((await Promise.all(receipts)).map(({ offset }) => offset), [1, 2, 3]);
    assert.deepEqual(got, ["a", "b", "c"]);
    assert.equal(client.store.getState().pending, 0);
  }));

Deno.test("delivery: a reload loses nothing of a kept outbox, and nothing has two effects", () =>
  inWorld(async (world, make) => {
    const storage = new KeptOutbox();
    const first = make("ann", { outbox: { storage } });
    await connected(world, first.client);
    void first.client.channel("chat:x").publish("acknowledged late");
    // The service has it, the answer is under way.
    await world.clock.advance(6);
    world.cut();
    void first.client.channel("chat:x").publish("not sent").catch(() => {});
    await first.client.close();
    assert.equal(storage.messages.size, 2);
    const second = make("ann", { outbox: { storage } });
    const acknowledged: boolean[] = [];
    second.client.on("acknowledged", ({ duplicate }) => acknowledged.push(duplicate));
    await connected(world, second.client);
    await world.until(() => storage.messages.size === 0);
    assert.deepEqual(acknowledged, [true, false]);
    const { records } = world.engine.log.read("chat:x");
    assert.deepEqual(records.map(({ payload }) => payload.text), ["acknowledged late", "not sent"]);
  }));

Deno.test("delivery: a full outbox refuses the publish, or drops the oldest when asked to", () =>
  inWorld(async (_world, make) => {
    const refusing = make("ann", { outbox: { maxMessages: 2 } }).client.channel("chat:x");
    const first = refusing.publish("1"), second = refusing.publish("2");
    first.catch(() => {});
    second.catch(() => {});
    await assert.rejects(refusing.publish("3"), { error: "outbox_full", temporary: true });
    const dropping = make("ann", { outbox: { maxMessages: 2, overflow: "drop-oldest" } });
    const rejected: string[] = [];
    dropping.client.on("rejected", ({ error }) => rejected.push(error.error));
    const oldest = dropping.client.channel("chat:x").publish("1");
    for (const text of ["2", "3"]) dropping.client.channel("chat:x").publish(text).catch(() => {});
    await assert.rejects(oldest, { error: "dropped" });
    assert.deepEqual(rejected, ["dropped"]);
    assert.equal(dropping.client.manager.pending, 2);
  }));

Deno.test("delivery: a message above the server's limit is refused here, and the connection lives", () =>
  inWorld(async (world, make) => {
    world.settings = { ...world.settings, maxMessage: 2000 };
    const { client, events } = make();
    await connected(world, client);
    await assert.rejects(client.channel("chat:x").publish("x".repeat(2000)), { error: "message_too_large" });
    await assert.rejects(client.channel("chat:x").publish("€".repeat(700)), { error: "message_too_large" });
    const fine = client.channel("chat:x").publish("€".repeat(500));
    await world.clock.advance(100);
    assert.equal((await fine).offset, 1);
    assert.deepEqual(events, []);
  }));

Deno.test("delivery: a refused message is rejected with the server's error and does not hold up the next", () =>
  inWorld(async (world, make) => {
    const { client } = make();
    await connected(world, client);
    const refused = client.manager.send("chat_message", { channel: inboxOf("bob"), text: "no" });
    const fine = client.channel("chat:x").publish("yes");
    const outcome = assert.rejects(refused, { error: "permission_denied", temporary: false });
    await world.clock.advance(100);
    await outcome;
    assert.equal((await fine).offset, 1);
  }));

Deno.test("delivery: a message that is missing in the middle is asked for, and everything comes once and in order", () =>
  inWorld(async (world, make) => {
    const { client, got, events } = make();
    await connected(world, client);
    const chat = client.channel("chat:x");
    const joined = chat.subscribe();
    await world.clock.advance(50);
    await joined;
    world.swallow = ({ type, payload }) =>
      type === "chat_message" && (payload.text === "2" || payload.text === "3");
    for (const text of ["1", "2", "3", "4", "5"]) void chat.publish(text);
    await world.clock.advance(100);
    assert.deepEqual(got, ["1"]);
    world.swallow = () => false;
    await world.clock.advance(1000);
    assert.deepEqual(got, ["1", "2", "3", "4", "5"]);
    assert.deepEqual(events, []);
  }));

Deno.test("delivery: a history that does not reach back is told as a discontinuity, and the channel goes on", () =>
  inWorld(async (world, make) => {
    const ann = make("ann"), bob = make("bob");
    await connected(world, ann.client);
    await connected(world, bob.client);
    const joined = ann.client.channel("chat:x").subscribe();
    await world.clock.advance(50);
    await joined;
    void bob.client.channel("chat:x").publish("first");
    await world.clock.advance(50);
    for (const path of Object.values(world.paths)) path.dial = "refused";
    const annLink = [...world.links].find((link) => link.sentOn.some(({ type }) => type === "subscribe"))!;
    annLink.cut();
    for (let i = 0; i < 1500; i++) void bob.client.channel("chat:x").publish(`missed ${i}`);
    await world.clock.advance(3000);
    for (const path of Object.values(world.paths)) path.dial = "open";
    await world.until(() => ann.client.manager.isConnected());
    void bob.client.channel("chat:x").publish("last");
    await world.clock.advance(200);
    assert.deepEqual(ann.events, ["disconnected 0", "gap chat:x"]);
    assert.deepEqual(ann.got, ["first", "last"]);
  }));

Deno.test("delivery: a session with more channels than fit before authentication is on all of them after a reconnect", () =>
  inWorld(async (world, make) => {
    const { client, got } = make();
    await connected(world, client);
    const names = Array.from({ length: 120 }, (_, i) => `chat:${"x".repeat(60)}${i}`);
    const joined = Promise.all(names.map((name) => client.channel(name).subscribe()));
    await world.clock.advance(200);
    await joined;
    world.cut();
    await world.until(() => client.manager.isConnected());
    await world.clock.advance(300);
    for (const name of names) void client.channel(name).publish(name);
    await world.until(() => got.length === names.length, 3000);
    assert.deepEqual([...got].sort(), [...names].sort());
  }));

Deno.test("delivery: typing is told to others, forgotten when nothing more is heard, and ended by a message", () =>
  inWorld(async (world, make) => {
    const ann = make("ann"), bob = make("bob");
    await connected(world, ann.client);
    await connected(world, bob.client);
    const a = ann.client.channel("chat:x"), b = bob.client.channel("chat:x");
    const joined = Promise.all([a.subscribe(), b.subscribe()]);
    await world.clock.advance(100);
    await joined;
    const seen: string[] = [];
    b.on("typing", ({ from, typing }) => seen.push(`${from} ${typing}`));
    a.typing();
    a.typing();
    await world.clock.advance(50);
    assert.deepEqual(b.typists, ["ann"]);
    await world.clock.advance(7000);
    assert.deepEqual(b.typists, []);
    a.typing();
    await world.clock.advance(50);
    void a.publish("done");
    await world.clock.advance(50);
    assert.deepEqual(seen, ["ann true", "ann false", "ann true", "ann false"]);
    // A datagram for each start that was not a repetition.
    const typed = [...world.links].flatMap(({ sentOn }) => sentOn).filter(({ type }) =>
      type.startsWith("typing")
    );
    assert.equal(typed.length, 0);
  }));

Deno.test("delivery: edits and deletions come in their place among the messages, and leave no gap", () =>
  inWorld(async (world, make) => {
    const { client, got, events } = make();
    await connected(world, client);
    const chat = client.channel("chat:x");
    const seen: unknown[] = [];
    chat.on("edited", ({ target, text }) => seen.push(["edited", target, text]));
    chat.on("deleted", ({ target }) => seen.push(["deleted", target]));
    const joined = chat.subscribe(({ text }) => seen.push(text));
    await world.clock.advance(50);
    await joined;
    const receipts = [
      chat.publish("a"),
      chat.edit(1, "b"),
      chat.publish("c"),
      chat.delete(3),
      chat.publish("d"),
    ];
    await world.clock.advance(100);
    assert.deepEqual((await Promise.all(receipts)).map(({ offset }) => offset), [1, 2, 3, 4, 5]);
    assert.deepEqual(seen, ["a", ["edited", 1, "b"], "c", ["deleted", 3], "d"]);
    assert.equal(chat.position?.offset, 5);
    world.cut();
    await world.until(() => client.manager.isConnected());
    await world.clock.advance(2000);
    assert.equal(got.length, 5);
    assert.deepEqual(events, ["disconnected 0"]);
  }));

Deno.test("delivery: an async iterable joins the channel, gives its messages in order and ends with the client", () =>
  inWorld(async (world, make) => {
    const { client } = make();
    await connected(world, client);
    const read: string[] = [];
    const reading = (async () => {
      for await (const { text } of client.channel("chat:x")) read.push(text!);
    })();
    await world.clock.advance(50);
    for (const text of ["a", "b"]) void client.channel("chat:x").publish(text);
    await world.clock.advance(50);
    await client.close();
    await reading;
    assert.deepEqual(read, ["a", "b"]);
  }));

Deno.test("delivery: the store shows what a user interface wants to know", () =>
  inWorld(async (world, make) => {
    const { client } = make();
    const seen: [ClientEvents["status"], string | null][] = [];
    client.store.subscribe(({ status, transport }) => seen.push([status, transport]));
    await connected(world, client);
    const state = client.store.getState();
    assert.deepEqual([state.status, state.transport, state.userId], ["connected", "webtransport", "ann"]);
    assert.equal(state.sessionId, client.manager.sessionId);
    await world.clock.advance(6000);
    assert.equal(client.store.getState().rtt, 10);
    await client.disconnect();
    assert.equal(client.store.getState().transport, null);
    assert.equal(seen[0]![0], "connecting");
  }));
