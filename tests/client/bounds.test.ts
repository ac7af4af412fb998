/** Where a client's patience ends, and what it does not take: refusals, held messages, old positions, paths that failed. */

import assert from "node:assert/strict";
import { SkeinClient, WebSocketTransport } from "../../src/client/mod.ts";
import { ChannelInbox, type Placed } from "../../src/client/session/inbox.ts";
import { Encoded, LANES, ProtocolError } from "../../src/protocol/mod.ts";
import { startTestService } from "../support/service.ts";
import { decode, takeFrames } from "../support/wire.ts";
import { connected, inWorld, refuse } from "./in_world.ts";
import { KeptOutbox } from "./support.ts";

Deno.test("refusals: a message that is refused again and again is given up, and the waits between grow to 30 s", () =>
  inWorld(async (world, makeOne) => {
    const { client } = makeOne();
    await connected(world, client);
    const asked: number[] = [];
    refuse(world, ({ payload }) => {
      if (payload.text !== "refused") return;
      asked.push(world.clock.now());
      throw new Error("not now");
    });
    const channel = client.channel("chat:x");
    let refusal: string | undefined;
    channel.publish("refused").catch(({ error }) => refusal = error);
    const next = channel.publish("next");
    await world.until(() => refusal !== undefined, 900_000);
    assert.equal(refusal, "internal");
    assert.equal(asked.length, 21);
    const waits = asked.slice(1).map((at, i) => at - asked[i]!);
    for (const [at, wait] of waits.entries()) {
      const least = Math.min(30_000, 500 * 2 ** at);
      assert.ok(wait >= least && wait <= least + 100, `${wait} ms, not ${least}`);
    }
    // What stood behind it goes out.
    await world.until(() => client.manager.pending === 0);
    await next;
  }));

Deno.test("refusals: a channel that takes nothing at the moment holds up no other, and keeps its order", () =>
  inWorld(async (world, makeOne) => {
    const { client } = makeOne();
    await connected(world, client);
    const asked: number[] = [];
    let isShut = true;
    refuse(world, ({ channel }) => {
      if (channel !== "chat:shut" || !isShut) return;
      asked.push(world.clock.now());
      throw new ProtocolError("not_available", "not now");
    });
    const texts = (channel: string) =>
      world.engine.log.read(channel).records.map(({ payload }: { payload: { text?: unknown } }) =>
        payload.text
      );
    const shut = ["1", "2", "3"].map((text) => client.channel("chat:shut").publish(text));
    const open = ["1", "2", "3"].map((text) => client.channel("chat:open").publish(text));
    await world.until(() => asked.length > 0);
    await Promise.all(open);
    // While it waits for longer and longer, messages of others are acknowledged as fast as ever.
    for (let i = 4; i < 20; i++) {
      const published = client.channel("chat:open").publish(`${i}`);
      const before = world.clock.now();
      await world.until(() => client.manager.pending === shut.length, 1_000);
      await published;
      assert.ok(world.clock.now() - before < 500);
      await world.clock.advance(3_000);
    }
    shut.push(client.channel("chat:shut").publish("4"));
    // Those behind the refused one were not asked about again with each of its attempts.
    assert.ok(asked.length <= 8, `${asked.length} attempts`);
    isShut = false;
    await world.until(() => client.manager.pending === 0, 60_000);
    await Promise.all(shut);
    assert.deepEqual(texts("chat:shut"), ["1", "2", "3", "4"]);
    assert.deepEqual(texts("chat:open"), Array.from({ length: 19 }, (_, i) => `${i + 1}`));
  }));

Deno.test("refusals: what a channel takes again is sent at once when its handler says so", () =>
  inWorld(async (world, makeOne) => {
    const { client } = makeOne();
    await connected(world, client);
    let attempts = 0;
    refuse(world, () => {
      if (attempts++ === 0) throw new ProtocolError("not_available", "not now", { retryAfter: 60_000 });
    });
    const nothing = () => {};
    const port = client.manager.handleChannel("chat:x", {
      attached: nothing,
      detached: nothing,
      message: nothing,
      failed: nothing,
      refused: nothing,
      room: nothing,
      close: nothing,
    });
    const published = port.publish(["1", "2"].map((text) => ({
      type: "chat_message",
      id: `id-${text}`,
      payload: { channel: "chat:x", text },
    })));
    await world.clock.advance(5_000);
    assert.equal(client.manager.pending, 2);
    port.retry();
    await world.until(() => client.manager.pending === 0, 1_000);
    assert.deepEqual((await Promise.all(published)).map(({ offset }) => offset), [1, 2]);
  }));

Deno.test("refusals: a message that is refused for the one before it is not given up for that, however often", () =>
  inWorld(async (world, makeOne) => {
    const { client } = makeOne();
    await connected(world, client);
    let left = 50;
    refuse(world, () => {
      if (left-- > 0) throw new ProtocolError("out_of_order");
    });
    const receipt = client.channel("chat:x").publish("follower");
    await world.until(() => client.manager.pending === 0);
    await receipt;
    assert.equal(left, -1);
  }));

Deno.test("settling: a channel of which the server cannot tell at the moment is asked about again", () =>
  inWorld(async (world, makeOne) => {
    const { client } = makeOne();
    await connected(world, client);
    world.swallow = ({ type }) => type === "message_ack";
    const receipt = client.channel("chat:x").publish("one");
    await world.clock.advance(100);
    world.swallow = () => false;
    world.paths.quic.dial = world.paths.websocket.dial = "dropped";
    world.cut();
    await world.clock.advance(330_000);
    // Twice, as ids are remembered in two generations.
    world.engine.sweep();
    world.ahead += 330_000;
    world.engine.sweep();
    const { history } = world.hub;
    let refusals = 3;
    world.hub.history = (...args) => {
      if (refusals-- > 0) throw new ProtocolError("not_available", "not now", { retryAfter: 200 });
      return history.apply(world.hub, args);
    };
    world.paths.quic.dial = world.paths.websocket.dial = "open";
    await world.until(() => client.manager.pending === 0);
    assert.ok(refusals < 0);
    assert.equal((await receipt).duplicate, true);
    const { records } = world.engine.log.read("chat:x");
    assert.deepEqual(records.map(({ payload }) => payload.text), ["one"]);
  }));

Deno.test("outbox: a client that is closed while its storage is read lets it finish before it closes it", () =>
  inWorld(async (world, makeOne) => {
    const done: string[] = [];
    const storage = Object.assign(new KeptOutbox(), {
      async load() {
        await new Promise<void>((resolve) => void world.clock.after(3000, resolve));
        done.push("read");
        return [];
      },
      close() {
        done.push("closed");
        return Promise.resolve();
      },
    });
    const { client } = makeOne("ann", { outbox: { storage } });
    await connected(world, client);
    const closing = client.close();
    await world.clock.advance(10_000);
    await closing;
    assert.deepEqual(done, ["read", "closed"]);
  }));

Deno.test("outbox: nothing new leaves before what an earlier run left behind is known, however late that is", () =>
  inWorld(async (world, makeOne) => {
    const storage = new KeptOutbox();
    const payload = { channel: "chat:x", text: "old" };
    await storage.add([{ type: "chat_message", id: crypto.randomUUID(), timestamp: 0, payload }]);
    const load = storage.load;
    storage.load = async () => {
      await new Promise<void>((resolve) => void world.clock.after(3000, resolve));
      return await load();
    };
    const { client } = makeOne("ann", { outbox: { storage } });
    await connected(world, client);
    client.channel("chat:x").publish("new");
    await world.clock.advance(1000);
    const texts = () =>
      world.engine.log.read("chat:x", { limit: 10 }).records.map(({ payload }) => payload.text);
    assert.deepEqual(texts(), []);
    await world.until(() => client.manager.pending === 0 && texts().length > 0);
    assert.deepEqual(texts(), ["old", "new"]);
  }));

Deno.test("inbox: a place that lies behind does not take it back", () => {
  const inbox = new ChannelInbox<Placed>();
  inbox.place({ epoch: "e", offset: 9 }, true);
  const { ready, gap } = inbox.place({ epoch: "e", offset: 7 }, false);
  assert.deepEqual([ready, gap?.to.offset], [[], 7]);
  assert.deepEqual(inbox.position, { epoch: "e", offset: 9 });
  assert.deepEqual(inbox.accept({ prev: 7, offset: 8 }), []);
  assert.deepEqual(inbox.accept({ prev: 9, offset: 10 }), [{ prev: 9, offset: 10 }]);
});

Deno.test("inbox: no more than a thousand messages wait for one that is missing", () => {
  const inbox = new ChannelInbox<Placed>();
  inbox.place({ epoch: "e", offset: 0 }, true);
  for (let offset = 2; offset <= 3000; offset++) {
    assert.deepEqual(inbox.accept({ prev: offset - 1, offset }), []);
  }
  assert.equal(inbox.accept({ prev: 0, offset: 1 }).length, 1001);
  // The others are asked for again, and are nothing new to it.
  assert.equal(inbox.accept({ prev: 1001, offset: 1002 }).length, 1);
});

Deno.test("breaker: a path that came through is forgiven what it failed before", () =>
  inWorld(async (world) => {
    const client = new SkeinClient({
      ...world.options("ann", {
        breaker: { failures: 5 },
        probing: false,
        preference: { expiry: 0 },
      }),
      autoConnect: false,
    });
    const rounds = async (dial: "open" | "refused", count: number): Promise<unknown[]> => {
      world.paths.quic.dial = dial;
      const used: unknown[] = [];
      for (let i = 0; i < count; i++) {
        world.cut();
        await world.until(() => client.manager.isConnected());
        used.push(client.manager.getTransportType());
      }
      return used;
    };
    try {
      await connected(world, client);
      assert.deepEqual(await rounds("refused", 4), Array(4).fill("websocket"));
      assert.deepEqual(await rounds("open", 1), ["webtransport"]);
      assert.deepEqual(await rounds("refused", 4), Array(4).fill("websocket"));
      assert.deepEqual(await rounds("open", 1), ["webtransport"]);
    } finally {
      await client.close();
    }
  }));

Deno.test("websocket: what waits leaves by the priority of its lane, and in order within one", async () => {
  const received: string[] = [];
  const done = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      const bodies = typeof data === "string" ? [data] : takeFrames(new Uint8Array(data)).bodies;
      for (const body of bodies) received.push(decode(body).id);
      if (received.length === 10) done.resolve();
    };
    return response;
  });
  const transport = new WebSocketTransport(`ws://127.0.0.1:${server.addr.port}/`);
  try {
    await transport.connect();
    for (const turn of [1, 2]) {
      for (const cls of ["file", "bot", "conversation", "document", "control"] as const) {
        const message = new Encoded({ type: "ping", id: `${cls} ${turn}`, timestamp: 0, payload: {} });
        transport.send(message, LANES[cls][0]);
      }
    }
    await done.promise;
    assert.deepEqual(
      received,
      ["control", "document", "conversation", "bot", "file"].flatMap((cls) => [`${cls} 1`, `${cls} 2`]),
    );
  } finally {
    await transport.close();
    await server.shutdown();
  }
});

Deno.test("draining: a client that is told goes elsewhere within half of the time, and tells the application", () =>
  inWorld(async (world, makeOne) => {
    // As late as chance can have it.
    const { client } = makeOne("ann", { probing: false, parts: { random: () => 0.999 } });
    const told: number[] = [];
    client.on("draining", ({ deadline }) => told.push(deadline));
    await connected(world, client);
    const { sessionId } = client.manager;
    const [connection] = world.sessions.connections;
    connection!.outbound.push("server_notice", { kind: "draining", deadline: 10_000 });
    await world.until(() => told.length > 0, 100);
    assert.deepEqual(told, [10_000]);
    await world.clock.advance(4900);
    assert.ok(world.sessions.connections.has(connection!));
    await world.until(() => !world.sessions.connections.has(connection!), 300);
    assert.deepEqual([client.manager.sessionId, client.manager.isConnected()], [sessionId, true]);
  }));

Deno.test("closing: the UDP endpoint of a client is closed once close() has resolved", async () => {
  const service = await startTestService();
  try {
    const token = await service.token("ann");
    for (let i = 0; i < 5; i++) {
      const client = new SkeinClient({
        token,
        quicUrl: `quic://127.0.0.1:${service.quicPort}`,
        certificateHashes: [service.certificateHash.toBase64()],
        enableWebSocket: false,
        autoConnect: false,
      });
      await client.connect();
      let closed = 0;
      const { close } = Deno.QuicEndpoint.prototype;
      Deno.QuicEndpoint.prototype.close = function (...args) {
        closed++;
        return close.apply(this, args);
      };
      try {
        await client.close();
        assert.equal(closed, 1);
      } finally {
        Deno.QuicEndpoint.prototype.close = close;
      }
    }
  } finally {
    await service.stop();
  }
});
