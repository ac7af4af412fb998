/** How one client connects, moves and notices, over a network in memory with a clock that is moved by hand. */

import assert from "node:assert/strict";
import { connected, inWorld } from "./in_world.ts";

Deno.test("dialling: QUIC that answers within its head start is taken, and WebSocket is never dialled", () =>
  inWorld(async (world, make) => {
    world.paths.quic.latency = 100;
    const { client } = make();
    await connected(world, client);
    assert.equal(client.manager.getTransportType(), "webtransport");
    assert.deepEqual(world.dials.map(({ path }) => path), ["quic"]);
  }));

Deno.test("dialling: with UDP dropped WebSocket is dialled after the head start, and the service hears of the fallback", () =>
  inWorld(async (world, make) => {
    world.paths.quic.dial = "dropped";
    const { client } = make();
    await connected(world, client);
    assert.equal(client.manager.getTransportType(), "websocket");
    const [quic, websocket] = world.dials;
    assert.equal(websocket!.at - quic!.at, 500);
    await world.clock.advance(100);
    const [report] = world.observer.of("report") as { fallbackFrom?: string; connectTime?: number }[];
    assert.equal(report!.fallbackFrom, "webtransport");
    assert.equal(report!.connectTime, 520);
    const [line] = world.observer.events.filter(({ event }) => event === "client fell back");
    assert.deepEqual(
      [line?.fields?.user, line?.fields?.from, line?.fields?.reason],
      ["ann", "webtransport", "no answer within 500 ms"],
    );
    assert.equal(client.manager.measure().fallbacks, 1);
  }));

Deno.test("dialling: QUIC that is refused lets WebSocket begin at once", () =>
  inWorld(async (world, make) => {
    world.paths.quic.dial = "refused";
    const { client } = make();
    await connected(world, client);
    assert.equal(world.dials[1]!.at - world.dials[0]!.at, 10);
  }));

Deno.test("dialling: after WebSocket won on a network it is dialled alone there, until the network changes", () =>
  inWorld(async (world, make) => {
    world.paths.quic.dial = "dropped";
    const { client } = make("ann", { probing: false });
    await connected(world, client);
    await client.disconnect();
    await connected(world, client);
    assert.deepEqual(world.dials.slice(2).map(({ path }) => path), ["websocket"]);
    world.environment.name = "cellular";
    world.environment.tell("network");
    await client.disconnect();
    await connected(world, client);
    assert.deepEqual(world.dials.slice(3).map(({ path, at }) => [path, at - world.dials[3]!.at]), [
      ["quic", 0],
      ["websocket", 500],
    ]);
  }));

Deno.test("dialling: when WebSocket, which won last time, fails, QUIC is dialled at once", () =>
  inWorld(async (world, make) => {
    world.paths.quic.dial = "refused";
    const { client } = make("ann", { probing: false });
    await connected(world, client);
    await client.disconnect();
    world.paths.quic.dial = "open";
    world.paths.websocket.dial = "refused";
    await connected(world, client);
    assert.equal(client.manager.getTransportType(), "webtransport");
    assert.deepEqual(world.dials.slice(2).map(({ path }) => path), ["websocket", "quic"]);
  }));

Deno.test("dialling: where the runtime's QUIC is doubtful WebSocket comes first, and a probe moves up", () =>
  inWorld(async (world, make) => {
    world.environment.quicIsDoubtful = true;
    const { client, events } = make();
    await connected(world, client);
    assert.deepEqual(world.dials.map(({ path }) => path), ["websocket"]);
    await world.until(() => client.manager.getTransportType() === "webtransport");
    assert.deepEqual(events, ["websocket>webtransport"]);
    await client.disconnect();
    // What the probe has found holds for the next connection.
    await connected(world, client);
    assert.equal(world.dials.at(-1)!.path, "quic");
  }));

Deno.test("datagrams: a path that never carries one is used without, and typing goes by stream", () =>
  inWorld(async (world, make) => {
    const ann = make("ann"), bob = make("bob");
    world.paths.quic.dropDatagrams = true;
    for (const { client } of [ann, bob]) {
      await connected(world, client);
      void client.channel("chat:x").subscribe();
    }
    await world.clock.advance(60_000);
    assert.deepEqual(ann.events, []);
    assert.equal(ann.client.manager.measure().loss, null);
    const typing: string[] = [];
    bob.client.channel("chat:x").on("typing", ({ from }) => typing.push(from));
    ann.client.channel("chat:x").typing();
    const [link] = [...world.links].filter(({ owner }) => owner === "ann");
    assert.ok(link!.sentOn.some(({ type, lane }) => type === "typing_start" && lane > 0));
    world.paths.quic.dropDatagrams = false;
    await world.clock.advance(100);
    assert.deepEqual(typing, ["ann"]);
  }));

Deno.test("moving: a path that is poor again and again is returned to ever more seldom, though each probe succeeds", () =>
  inWorld(async (world, make) => {
    const { client, events } = make();
    await connected(world, client);
    void client.channel("chat:x").subscribe();
    const began = world.clock.now();
    // Datagrams come back while nothing else is under way, and get lost as soon as the session is there.
    client.on("connected", ({ transport }) => {
      world.clock.after(1500, () => world.paths.quic.dropDatagrams = transport === "webtransport");
    });
    world.clock.after(1500, () => world.paths.quic.dropDatagrams = true);
    while (world.clock.now() - began < 600_000) {
      void client.channel("chat:x").publish("x").catch(() => {});
      await world.clock.advance(500);
    }
    const down = events.filter((event) => event === "webtransport>websocket").length;
    assert.ok(down >= 2 && down <= 6, `${down} times down in ten minutes`);
  }));

Deno.test("dialling: with QUIC alone an attempt never takes longer than quicTimeout", () =>
  inWorld(async (world, make) => {
    world.paths.quic.dial = "dropped";
    const { client, errors } = make("ann", { enableWebSocket: false, maxReconnectAttempts: 0 });
    const began = world.clock.now();
    const connecting = assert.rejects(client.connect(), { error: "timeout" });
    await world.until(() => client.manager.status === "idle");
    assert.equal(world.clock.now() - began <= 5020, true);
    await connecting;
    assert.equal(errors.length, 1);
  }));

Deno.test("dialling: only one transport authenticates, and the loser is closed and the service holds one connection", () =>
  inWorld(async (world, make) => {
    world.paths.quic.latency = world.paths.websocket.latency = 250;
    const { client } = make("ann", { headStart: 0 });
    await connected(world, client);
    await world.clock.advance(2000);
    assert.equal(world.dials.length, 2);
    assert.equal(world.sessions.connections.size, 1);
    assert.equal(world.observer.of("authenticated").length, 1);
  }));

Deno.test("dialling: a transport that connects and never answers gives way to the next", () =>
  inWorld(async (world, make) => {
    const { client } = make("ann", { authTimeout: 2000 });
    const connecting = client.connect();
    await world.clock.advance(12);
    world.paths.quic.silent = true;
    await world.until(() => client.manager.isConnected());
    await connecting;
    assert.equal(client.manager.getTransportType(), "websocket");
    world.paths.quic.silent = false;
  }));

Deno.test("dialling: QUIC that works again takes the session up without a gap, and presence does not flicker", () =>
  inWorld(async (world, make) => {
    const bob = make("bob");
    await connected(world, bob.client);
    const presence: string[] = [];
    bob.client.channel("chat:x").on("online", ({ userId }) => presence.push(`+${userId}`));
    bob.client.channel("chat:x").on("offline", ({ userId }) => presence.push(`-${userId}`));
    const joining = bob.client.channel("chat:x").subscribe();
    await world.clock.advance(50);
    await joining;
    world.paths.quic.dial = "refused";
    const ann = make("ann");
    const subscribed = ann.client.channel("chat:x").subscribe();
    await connected(world, ann.client);
    await world.clock.advance(100);
    await subscribed;
    assert.equal(ann.client.manager.getTransportType(), "websocket");
    world.paths.quic.dial = "open";
    const sent: string[] = [];
    let number = 0;
    await world.until(() => {
      const text = `m${number++}`;
      sent.push(text);
      void bob.client.channel("chat:x").publish(text);
      return ann.client.manager.getTransportType() === "webtransport";
    });
    await world.clock.advance(500);
    assert.deepEqual(ann.got, sent);
    assert.deepEqual(ann.events, ["websocket>webtransport"]);
    assert.deepEqual(presence, ["+ann"]);
    assert.equal(world.sessions.connections.size, 2);
  }));

Deno.test("dialling: QUIC that loses too much leads down to WebSocket, and up again when it heals", () =>
  inWorld(async (world, make) => {
    const { client, events } = make();
    await connected(world, client);
    const chat = client.channel("chat:x");
    void chat.subscribe();
    // Datagrams have come through before.
    await world.clock.advance(1000);
    world.paths.quic.dropDatagrams = true;
    await world.until(
      () => {
        void chat.publish("x").catch(() => {});
        return client.manager.getTransportType() === "websocket";
      },
      60_000,
      200,
    );
    world.paths.quic.dropDatagrams = false;
    await world.until(() => client.manager.getTransportType() === "webtransport", 120_000, 500);
    assert.deepEqual(events, ["webtransport>websocket", "websocket>webtransport"]);
  }));

Deno.test("dialling: QUIC that comes through too slowly is not moved up to", () =>
  inWorld(async (world, make) => {
    world.paths.quic.dial = "refused";
    const { client, events } = make();
    await connected(world, client);
    Object.assign(world.paths.quic, { dial: "open", latency: 900 });
    await world.clock.advance(60_000);
    assert.ok(world.dials.filter(({ path }) => path === "quic").length > 2, "it was probed");
    assert.equal(client.manager.getTransportType(), "websocket");
    assert.deepEqual(events, []);
  }));

Deno.test("dialling: a path that goes silent is noticed within 10 s and the session goes on, on another one", () =>
  inWorld(async (world, make) => {
    const { client, events } = make();
    await connected(world, client);
    await world.clock.advance(31_000);
    const { sessionId } = client.manager;
    Object.assign(world.paths.quic, { silent: true, dial: "dropped" });
    const began = world.clock.now();
    await world.until(() => events.length > 0, 11_000, 50);
    assert.ok(world.clock.now() - began <= 10_050);
    await world.until(() => client.manager.isConnected(), 11_000);
    assert.equal(client.manager.getTransportType(), "websocket");
    assert.equal(client.manager.sessionId, sessionId);
    Object.assign(world.paths.quic, { silent: false });
  }));

Deno.test("dialling: coming back to the page, or another network, makes a dead path noticed in less than 3 s", () =>
  inWorld(async (world, make) => {
    const { client, events } = make();
    await connected(world, client);
    await world.clock.advance(1000);
    Object.assign(world.paths.quic, { silent: true, dial: "dropped" });
    world.environment.tell("network");
    await world.until(() => events.includes("migration failed"), 3000, 50);
    await world.until(() => client.manager.isConnected(), 11_000);
    await world.clock.advance(100);
    const reports = world.observer.of("report") as { migrationFailed?: boolean }[];
    assert.ok(reports.some(({ migrationFailed }) => migrationFailed));
    Object.assign(world.paths.quic, { silent: false });
  }));

Deno.test("dialling: a connection that survives a change of network is told of", () =>
  inWorld(async (world, make) => {
    const { client, events } = make();
    await connected(world, client);
    world.environment.tell("network");
    await world.clock.advance(200);
    assert.deepEqual(events, ["survived"]);
  }));
