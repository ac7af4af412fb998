/** What is published arrives once and in order, whatever is refused, delayed or forgotten meanwhile. */

import { openDocument } from "../../src/client/documents.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { OutboxStorage } from "../../src/client/mod.ts";
import { Pace } from "../../src/client/policy/pace.ts";
import type { Payload } from "../../src/protocol/mod.ts";
import { crowd } from "./crowd.ts";
import { connected, inWorld, make, refuse } from "./in_world.ts";
import { KeptOutbox, seeded, World } from "./support.ts";

const texts = (world: World, channel = "chat:x") =>
  world.engine.log.read(channel, { limit: 1e6 }).records.map(({ payload }) => payload.text as string);

Deno.test("pace: never more leaves than the rates allow, and what waits is told how long", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1000, max: 1_000_000 }),
      fc.integer({ min: 1000, max: 1_000_000 }),
      (seed, messagesPerSecond, messageBurst, bytesPerSecond, byteBurst) => {
        const random = seeded(seed), pace = new Pace();
        let now = 1000, sent = 0, bytes = 0;
        pace.limit({ messagesPerSecond, messageBurst, bytesPerSecond, byteBurst }, now);
        for (let i = 0; i < 200; i++) {
          const size = 1 + Math.floor(random() * 1000);
          const wait = pace.take(size, now);
          if (wait > 0) {
            // It is told truly: after that time it goes.
            now += wait;
            assert.equal(pace.take(size, now), 0);
          }
          sent++;
          bytes += size;
          const seconds = (now - 1000) / 1000;
          assert.ok(sent <= Math.max(1, messageBurst * 0.9) + seconds * messagesPerSecond + 1e-6);
          assert.ok(bytes <= byteBurst * 0.9 + 1000 + seconds * bytesPerSecond + 1e-6);
          if (random() < 0.1) now += random() * 2000;
        }
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("pace: without rates everything leaves at once", () => {
  const pace = new Pace();
  pace.limit({ messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 0, byteBurst: 0 }, 0);
  for (let i = 0; i < 10_000; i++) assert.equal(pace.take(1e6, 0), 0);
});

Deno.test("pace: a client keeps to the rates that the server told it, also on its next connection", () =>
  inWorld(async (world, makeOne) => {
    const rates = { messagesPerSecond: 20, messageBurst: 10, bytesPerSecond: 0, byteBurst: 0 };
    // The server of this world counts by another clock, so it has no rates of its own.
    world.swallow = ({ type, payload }) => {
      if (type === "auth_response") (payload.limits as Payload).rates = rates;
      return false;
    };
    const { client } = makeOne();
    await connected(world, client);
    const said = Array.from({ length: 100 }, (_, i) => `m${i}`);
    for (const text of said) client.channel("chat:x").publish(text);
    let [link] = world.links, began = world.clock.now(), links = 1;
    for (let steps = 0; client.manager.pending > 0 && steps < 500; steps++) {
      const [newest] = world.links;
      if (newest !== undefined && newest !== link) {
        [link, began, links] = [newest, world.clock.now(), links + 1];
      }
      const sent = link!.sentOn.filter(({ type }) => type === "chat_message").length;
      const allowed = 10 + 20 * (world.clock.now() - began) / 1000;
      assert.ok(sent <= allowed, `${sent} left, ${allowed} may`);
      if (links === 1 && sent > 40) world.cut();
      await world.clock.advance(50);
    }
    assert.equal(links, 2);
    assert.deepEqual(texts(world), said);
  }));

Deno.test("publishing: a burst of 6,000 texts that are no ASCII keeps its order over a WebSocket", async () => {
  await using place = await crowd();
  const ann = place.join("ann", { enableQuic: false, outbox: { maxBytes: 1e9 } });
  await ann.connect();
  const rejected: unknown[] = [];
  ann.on("rejected", ({ error }) => rejected.push(error));
  const channel = ann.channel("chat:x");
  const receipts = await Promise.all(
    Array.from({ length: 6000 }, (_, i) => channel.publish(`${i} ${"é".repeat(1000)}`)),
  );
  assert.deepEqual(rejected, []);
  assert.deepEqual(receipts.map(({ offset }) => offset), receipts.map((_, i) => i + 1));
});

Deno.test("publishing: pages of one user that share a rate hold each other back, and each keeps its order", async () => {
  const rate = { messagesPerSecond: 400, messageBurst: 100, bytesPerSecond: 0, byteBurst: 0 };
  await using place = await crowd({ session: { rates: { user: rate, connection: rate } } });
  const bob = await place.service.connect("websocket", "bob");
  const told = bob.messages.find(({ type }) => type === "auth_response")!.payload.limits.rates;
  assert.equal(told.messagesPerSecond, 400, "each page paces itself by what its user has alone");
  await bob.close();
  const pages = [0, 1, 2].map(() => place.join("ann", { enableQuic: false }));
  await Promise.all(pages.map((page) => page.connect()));
  const offsets = await Promise.all(pages.map(async (page, number) => {
    const channel = page.channel("chat:x");
    const all = Array.from({ length: 300 }, (_, i) => channel.publish(`${number} ${i}`));
    return (await Promise.all(all)).map(({ offset }) => offset);
  }));
  for (const own of offsets) assert.deepEqual(own, own.toSorted((a, b) => a - b));
  assert.equal(new Set(offsets.flat()).size, 900);
});

Deno.test("publishing: order holds when a server refuses now and then", () =>
  inWorld(async (world, makeOne) => {
    const { client } = makeOne();
    await connected(world, client);
    // The hub fails as an engine on a full disk does.
    let calls = 0;
    refuse(world, () => {
      if (++calls % 7 === 3) throw Object.assign(new Error(), { name: "ProtocolError" });
    });
    const channel = client.channel("chat:x");
    const said = Array.from({ length: 60 }, (_, i) => `m${i}`);
    for (const text of said) channel.publish(text);
    await world.until(() => client.manager.pending === 0, 300_000);
    assert.deepEqual(texts(world), said);
  }));

Deno.test("settling: a message whose acknowledgement was lost is not said twice, however long the line was gone", () =>
  inWorld(async (world, makeOne) => {
    const { client } = makeOne();
    await connected(world, client);
    world.swallow = ({ type }) => type === "message_ack";
    const channel = client.channel("chat:x");
    const receipts = ["one", "two"].map((text) => channel.publish(text));
    const direct = client.direct("bob", "three");
    await world.clock.advance(100);
    world.swallow = () => false;
    world.paths.quic.dial = world.paths.websocket.dial = "dropped";
    world.cut();
    receipts.push(channel.publish("four"));
    await world.clock.advance(330_000);
    // Twice, as ids are remembered in two generations.
    world.engine.sweep();
    world.ahead += 330_000;
    world.engine.sweep();
    world.paths.quic.dial = world.paths.websocket.dial = "open";
    await world.until(() => client.manager.pending === 0);
    assert.deepEqual(texts(world), ["one", "two", "four"]);
    assert.deepEqual(texts(world, "user:bob"), ["three"]);
    const all = await Promise.all(receipts);
    const kept = world.engine.log.read("chat:x").records.map(({ offset }) => offset);
    assert.deepEqual(all.map(({ offset }) => offset), kept);
    assert.deepEqual(all.map(({ duplicate }) => duplicate), [true, true, false]);
    assert.equal((await direct).duplicate, true);
  }));

Deno.test("settling: a page that is closed with messages on their way says none of them twice days later", async () => {
  const world = new World();
  const storage = new KeptOutbox();
  const first = make(world, "ann", { outbox: { storage } });
  await connected(world, first.client);
  world.swallow = ({ type }) => type === "message_ack";
  for (const text of ["one", "two"]) first.client.channel("chat:x").publish(text);
  await world.clock.advance(100);
  await first.client.close();
  world.swallow = () => false;
  await world.clock.advance(3_600_000);
  world.engine.sweep();
  world.ahead += 3_600_000;
  world.engine.sweep();
  assert.equal(storage.messages.size, 2);
  const second = make(world, "ann", { outbox: { storage } });
  second.client.channel("chat:x").publish("three");
  await connected(world, second.client);
  await world.until(() => second.client.manager.pending === 0);
  assert.deepEqual(texts(world), ["one", "two", "three"]);
  await world.clock.advance(1000);
  assert.equal(storage.messages.size, 0);
  await second.client.close();
  await world.clock.advance(5000);
});

Deno.test("users: what one user published is never said in another's name", () =>
  inWorld(async (world, makeOne) => {
    let user = "ann";
    const { client } = makeOne("ann", { getToken: () => user });
    await connected(world, client);
    assert.equal(client.manager.userId, "ann");
    world.paths.quic.dial = world.paths.websocket.dial = "refused";
    world.cut();
    client.channel("chat:x").publish("of ann");
    await client.disconnect();
    client.channel("chat:x").publish("of whoever comes next");
    user = "bob";
    world.paths.quic.dial = world.paths.websocket.dial = "open";
    await connected(world, client);
    assert.equal(client.manager.userId, "bob", "the token of ann is forgotten");
    await world.clock.advance(1000);
    const said = () =>
      world.engine.log.read("chat:x").records.map(({ from, payload }) => `${from}: ${payload.text}`);
    assert.deepEqual(said(), ["bob: of whoever comes next"]);
    await client.disconnect();
    user = "ann";
    await connected(world, client);
    await world.until(() => client.manager.pending === 0);
    assert.deepEqual(said(), ["bob: of whoever comes next", "ann: of ann"]);
  }));

Deno.test("door: what no server can read is refused with a SkeinError, and holds nothing up", () =>
  inWorld(async (world, makeOne) => {
    const { client } = makeOne();
    await connected(world, client);
    const channel = client.channel("chat:x");
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    let deep: unknown = 1;
    for (let i = 0; i < 50; i++) deep = [deep];
    let abyss: unknown = 1;
    for (let i = 0; i < 100_000; i++) abyss = [abyss];
    const refused: unknown[] = [cyclic, 1n, { n: 1n }, deep, abyss, JSON.parse('{"a":{"__proto__":1}}')];
    for (const data of refused) {
      await assert.rejects(channel.publish({ data }), { name: "SkeinError", error: "bad_argument" });
    }
    const payloads: [Payload, string?][] = [
      [{ channel: "chat:x", text: "x" }, "an id with spaces"],
      [{ channel: "chat:x", text: Symbol() as never }],
      [JSON.parse('{"channel":"chat:x","text":"x","__proto__":1}')],
    ];
    for (const [payload, id] of payloads) {
      await assert.rejects(client.manager.send("chat_message", payload, id), { error: "bad_argument" });
    }
    assert.equal(client.manager.pending, 0);
    await assert.rejects(client.manager.send("history", { channel: "chat:x", since: cyclic }), {
      error: "bad_argument",
    });
    // What the application changes afterwards is not sent; what JSON leaves out is left out.
    const data = { list: [1], absent: undefined, when: new Date(0) };
    const receipt = channel.publish({ data });
    data.list.push(2);
    await world.clock.advance(100);
    await receipt;
    const [record] = world.engine.log.read("chat:x").records;
    assert.deepEqual(record!.payload.data, { list: [1], when: "1970-01-01T00:00:00.000Z" });
  }));

const hopeless: Record<string, OutboxStorage> = {
  "that throws": {
    load: () => {
      throw new DOMException("denied", "SecurityError");
    },
    add: () => Promise.reject(new Error("denied")),
    remove: () => Promise.reject(new Error("denied")),
  },
  "that rejects": {
    load: () => Promise.reject(new Error("denied")),
    add: () => Promise.reject(new Error("denied")),
    remove: () => Promise.reject(new Error("denied")),
  },
  "that never answers": {
    load: () => new Promise(() => {}),
    add: () => new Promise(() => {}),
    remove: () => new Promise(() => {}),
  },
  "whose disk is full": {
    load: () => Promise.resolve([]),
    add: () => Promise.reject(new Error("full")),
    remove: () => Promise.reject(new Error("full")),
  },
};
for (const [name, storage] of Object.entries(hopeless)) {
  Deno.test(`storage: with one ${name} the client goes on in memory and says so once`, () =>
    inWorld(async (world, makeOne) => {
      const { client, errors } = makeOne("ann", { outbox: { storage } });
      const receipts = ["a", "b"].map((text) => client.channel("chat:x").publish(text));
      await connected(world, client);
      await world.until(() => client.manager.pending === 0);
      await Promise.all(receipts);
      for (let i = 0; i < 5; i++) {
        client.channel("chat:x").publish(`${i}`);
        await world.clock.advance(3000);
      }
      assert.deepEqual(texts(world), ["a", "b", "0", "1", "2", "3", "4"]);
      assert.deepEqual(errors.map(({ error }) => error), ["storage"]);
      assert.match(errors[0]!.message, /in memory only/);
      const closing = client.close();
      await world.clock.advance(30_000);
      await closing;
    }));
}

Deno.test("outbox: an operation in parts is taken whole or not at all", () =>
  inWorld(async (world, makeOne) => {
    const { client } = makeOne("ann", { outbox: { maxMessages: 10 } });
    const document = openDocument(client, "doc:plan");
    const receipt = document.send(new Uint8Array(1_000_000));
    await assert.rejects(receipt, {
      error: "outbox_full",
      message: /bytes in \d+ parts are more than the outbox holds/,
    });
    assert.equal(client.manager.pending, 0);
    const small = document.send(new Uint8Array(200_000));
    await connected(world, client);
    await world.until(() => client.manager.pending === 0);
    await small;
    document.close();
  }));

Deno.test("outbox: when part of an operation will not be sent, the rest of it is not either", () => {
  const world = new World();
  const { client } = make(world, "ann", { outbox: { maxMessages: 10, overflow: "drop-oldest" } });
  const rejected: string[] = [];
  client.on("rejected", ({ error }) => rejected.push(error.error));
  const document = openDocument(client, "doc:plan");
  document.send(new Uint8Array(200_000)).catch(() => {});
  const parts = client.manager.pending;
  assert.ok(parts > 3 && parts < 10);
  for (let i = 0; i <= 10 - parts; i++) client.channel("chat:x").publish(`${i}`);
  assert.equal(rejected.length, parts);
  assert.equal(client.manager.pending, 11 - parts);
  return client.close();
});

Deno.test("promises: calls that nobody waits for are no unhandled rejections when the client is closed", async () => {
  const unhandled: unknown[] = [];
  const note = (event: PromiseRejectionEvent): void => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", note);
  try {
    const world = new World();
    const { client } = make(world);
    const channel = client.channel("chat:x");
    client.connect();
    channel.subscribe(() => {});
    channel.publish("x");
    channel.history();
    channel.presence();
    channel.readUpTo(1);
    client.direct("bob", "x");
    client.broadcast("x");
    client.clientList();
    client.unread(["chat:x"]);
    client.fileLink("f");
    const document = openDocument(client, "doc:plan");
    document.send(new Uint8Array(1));
    document.snapshot(new Uint8Array(1));
    const upload = channel.upload(new Blob(["x"]));
    const download = client.download("f");
    void [upload, download, channel.messages()];
    await world.clock.advance(10);
    await client.close();
    channel.publish("too late");
    channel.subscribe();
    channel.unsubscribe();
    client.connect();
    document.send(new Uint8Array(1));
    await world.clock.advance(60_000);
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(unhandled, []);
  } finally {
    globalThis.removeEventListener("unhandledrejection", note);
  }
});
