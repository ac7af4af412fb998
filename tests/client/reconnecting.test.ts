/** How a client connects, comes back and gives up: tokens, dials, outages. */

import assert from "node:assert/strict";
import { SkeinClient } from "../../src/client/mod.ts";
import { page } from "../protocol/page.ts";
import { memoryPair } from "../support/memory.ts";
import { connected, inWorld } from "./in_world.ts";

for (const [user, code] of [["ann", 3500], ["ann-late", 3005]] as const) {
  Deno.test(`tokens: one that is refused (${code}) is asked for once more, then the client stops and shows it`, () =>
    inWorld(async (world, make) => {
      world.refused.add(user);
      const { client } = make(user);
      const connecting = assert.rejects(client.connect(), { error: "unauthorized", code });
      await world.until(() => client.manager.status === "unauthorized");
      await connecting;
      assert.equal(client.store.getState().status, "unauthorized");
      assert.equal(world.tokens.get(user), 2);
      const dials = world.dials.length;
      await world.clock.advance(600_000);
      assert.equal(world.dials.length, dials);
      // The user has signed in anew.
      world.refused.delete(user);
      await connected(world, client);
      assert.equal(client.store.getState().status, "connected");
    }));
}

Deno.test("tokens: after a revocation the next one is asked for when its date can tell it from those before", () =>
  inWorld(async (world, make) => {
    const { client } = make("ann");
    await connected(world, client);
    // What is made in this second is refused.
    world.refused.add("ann");
    world.sessions.endTokens(() => true, "the token was revoked");
    await world.clock.advance(1000);
    assert.equal(world.tokens.get("ann"), 1);
    world.refused.delete("ann");
    await world.until(() => client.manager.isConnected(), 3000);
    assert.equal(world.tokens.get("ann"), 2);
  }));

Deno.test("tokens: one that cannot be renewed is not tried again", () =>
  inWorld(async (world) => {
    world.refused.add("ann");
    const { getToken: _, ...rest } = world.options("ann");
    const client = new SkeinClient({ ...rest, token: "ann", autoConnect: false });
    const connecting = assert.rejects(client.connect(), { error: "unauthorized" });
    await world.until(() => client.manager.status === "unauthorized");
    await connecting;
    assert.equal(world.dials.length, 1);
    await client.close();
  }));

Deno.test("tokens: one that is not valid yet is waited for", () =>
  inWorld(async (world, make) => {
    const { client, errors } = make("ann-early");
    void client.connect();
    await world.clock.advance(100);
    assert.equal(client.manager.status, "connecting");
    assert.deepEqual(errors.map(({ error, retryAfter }) => [error, retryAfter]), [["not_available", 8000]]);
    world.refused.add("begun");
    await world.until(() => client.manager.isConnected(), 9000);
    assert.equal(world.tokens.get("ann-early"), 1);
  }));

Deno.test("dialling: why QUIC did not come through is told, once for each reason", () =>
  inWorld(async (world, make) => {
    world.paths.quic.dial = "refused";
    const { client, errors } = make("ann", { probing: false, preference: { expiry: 0 } });
    for (let i = 0; i < 3; i++) {
      await connected(world, client);
      world.cut();
    }
    await connected(world, client);
    assert.deepEqual(errors.map(({ message }) => message), [
      "webtransport did not come through: quic: quic refused",
    ]);
    world.paths.quic.dial = "dropped";
    world.cut();
    await connected(world, client);
    assert.deepEqual(errors.slice(1).map(({ message }) => message), [
      "webtransport did not come through: no answer within 500 ms",
    ]);
  }));

Deno.test("dialling: without anything to dial with connect() rejects and says what is missing", async () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket")!;
  Object.defineProperty(globalThis, "WebSocket", { value: undefined, configurable: true });
  const client = new SkeinClient({ url: "http://a.test", token: "t", enableQuic: false, autoConnect: false });
  Object.defineProperty(globalThis, "WebSocket", before);
  await assert.rejects(client.connect(), {
    error: "no_transport",
    message: /QUIC is switched off; this runtime has no WebSocket, and the option `WebSocket` gives none/,
  });
  assert.equal(client.manager.status, "idle");
  await client.close();
});

Deno.test("reconnecting: a close that says do not come back is obeyed", () =>
  inWorld(async (world, make) => {
    const { client, events } = make();
    await connected(world, client);
    world.sessions.disconnect("ann");
    await world.clock.advance(60_000);
    assert.deepEqual(events.slice(0, 1), ["disconnected 3508"]);
    assert.equal(client.manager.status, "idle");
    assert.equal(world.dials.length, 1);
  }));

Deno.test("reconnecting: a token is renewed in band before it ends, once, however often the connection changes", () =>
  inWorld(async (world, make) => {
    const { client } = make("ann", {
      getToken: () => {
        world.tokens.set("ann", (world.tokens.get("ann") ?? 0) + 1);
        return "ann 100";
      },
    });
    await connected(world, client);
    for (let i = 0; i < 3; i++) {
      world.cut();
      await world.until(() => client.manager.isConnected());
    }
    assert.equal(world.tokens.get("ann"), 1);
    await world.clock.advance(80_000);
    assert.equal(world.tokens.get("ann"), 2);
    assert.equal(world.observer.of("authenticated").filter((result) => result === "refreshed").length, 1);
  }));

Deno.test("reconnecting: getToken is not called twice at once, and its failure is tried again", () =>
  inWorld(async (world, make) => {
    let calls = 0, running = 0, most = 0;
    const { client, errors } = make("ann", {
      getToken: async () => {
        most = Math.max(most, ++running);
        await Promise.resolve();
        running--;
        if (++calls < 3) throw new Error("down");
        return "ann";
      },
    });
    await connected(world, client);
    assert.equal(most, 1);
    assert.equal(calls, 3);
    assert.deepEqual(errors.map(({ error }) => error), ["no_token", "no_token"]);
  }));

Deno.test("reconnecting: an outage of any length is over for a client within the longest wait", () =>
  inWorld(async (world, make) => {
    const { client } = make("ann", { maxReconnectDelay: 10_000 });
    for (const outage of [12_000, 60_000, 900_000]) {
      await connected(world, client);
      await world.clock.advance(1000);
      world.kill();
      await world.clock.advance(outage);
      world.start();
      await world.until(() => client.manager.isConnected(), 10_100);
    }
  }));

Deno.test("reconnecting: waits are those of PROTOCOL.md, and begin anew after a connection of the age it says", () =>
  inWorld(async (world, make) => {
    const said =
      /a delay from (\d+) s that doubles up\s+to (\d+) s, each time multiplied by a random number from ([\d.]+) to (\d+); start again at (\d+) s after a connection has\s+lived for (\d+) s/
        .exec(page);
    assert.ok(said !== null, "PROTOCOL.md says how clients come back");
    const [first, longest, least, most, again, life] = said.slice(1).map(Number) as [number, ...number[]];
    const { client } = make("ann", { enableQuic: false });
    /** The wait after a connection that lived for so many milliseconds. */
    const waitAfter = async (lived: number): Promise<number> => {
      await world.until(() => client.manager.isConnected(), 60_000, 1);
      // What the server says reaches the client a moment later.
      await world.clock.advance(lived - world.paths.websocket.latency);
      assert.equal(world.sessions.disconnect("ann", undefined, "rate_limited"), 1);
      await world.until(() => !client.manager.isConnected(), 1000, 1);
      const from = world.clock.now(), dials = world.dials.length;
      await world.until(() => world.dials.length > dials, 60_000, 1);
      return world.dials.at(-1)!.at - from;
    };
    await connected(world, client);
    for (let i = 0; i < 8; i++) {
      const full = Math.min(first * 2 ** i, longest!) * 1000;
      const wait = await waitAfter(i === 0 ? 5 : life! * 1000 - 100);
      assert.ok(wait >= full * least! && wait <= full * most! + 5, `${wait} ms, number ${i}`);
    }
    const wait = await waitAfter(life! * 1000 + 100);
    assert.ok(wait >= again! * 1000 * least! && wait <= again! * 1000 * most! + 5, `${wait} ms after a life`);
  }));

Deno.test("reconnecting: an `online` event ends a wait", () =>
  inWorld(async (world, make) => {
    for (const path of Object.values(world.paths)) path.dial = "refused";
    const { client } = make();
    void client.connect();
    await world.clock.advance(120_000);
    world.paths.websocket.dial = "open";
    world.environment.tell("online");
    await world.until(() => client.manager.isConnected(), 1000);
  }));

Deno.test("reconnecting: a wall clock that is set changes nothing on a living connection", () =>
  inWorld(async (world, make) => {
    const { client, events } = make();
    await connected(world, client);
    for (const step of [-3_600_000, 20_000, 7_200_000]) {
      world.clock.set(step);
      await world.clock.advance(20_000);
    }
    assert.deepEqual(events, []);
    // Nor does it keep a dead one alive.
    world.clock.set(-3_600_000);
    Object.assign(world.paths.quic, { silent: true, dial: "dropped" });
    await world.until(() => events.length > 0, 10_100);
    Object.assign(world.paths.quic, { silent: false });
  }));

Deno.test("reconnecting: a link that was given up before its answer came does not end the client when it takes the session later", () =>
  inWorld(async (world, make) => {
    const { client, events } = make("ann", { enableQuic: false, maxReconnectDelay: 100 });
    await connected(world, client);
    world.cut();
    const dials = world.dials.length;
    await world.until(() => world.dials.length > dials, 100, 1);
    // What the next link says takes longer than the client waits, and comes after what the one after it says.
    world.paths.websocket.latency = 7000;
    await world.until(() => world.links.size === 1);
    await world.clock.advance(4900);
    // Its good-bye comes later still.
    world.paths.websocket.latency = 4000;
    await world.until(() => world.links.size === 0);
    world.paths.websocket.latency = 5;
    await world.until(() => client.manager.isConnected(), 1000);
    await world.until(() => !client.manager.isConnected(), 10_000);
    assert.equal(events.at(-1), "disconnected 3503");
    await world.until(() => client.manager.isConnected(), 1000);
  }));

Deno.test("reconnecting: a client whose session another one has taken does not come back", () =>
  inWorld(async (world, make) => {
    const { client } = make("ann", { enableQuic: false });
    await connected(world, client);
    const { sessionId } = client.manager;
    const { server, client: other } = memoryPair("memory:other");
    world.sessions.accept(server);
    await other.send({
      type: "auth_request",
      id: "1",
      timestamp: 0,
      payload: { token: "ann", resume: { sessionId, channels: {} } },
    }, 0);
    await world.until(() => !client.manager.isConnected());
    await world.clock.advance(60_000);
    assert.deepEqual([client.manager.status, world.dials.length], ["idle", 1]);
    other.close(1000);
  }));
