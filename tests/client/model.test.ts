/**
 * Random lives of several clients - publishes, cuts, silence, moves, kills of the service, reloads - against a
 * reference list: everything published is committed once and in order, and everybody gets everything once and in order.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Position, SkeinClient } from "../../src/client/mod.ts";
import type { Path } from "../../src/client/policy/paths.ts";
import { classOfChannel, laneClass } from "../../src/protocol/mod.ts";
import { KeptOutbox, World } from "./support.ts";

const CHANNELS = ["chat:a", "chat:b", "bot:1"];
const USERS = ["ann", "bob"];

type Step =
  | { do: "publish"; user: number; channel: number; count: number }
  | { do: "wait"; ms: number }
  | { do: "cut"; path: Path | undefined }
  | {
    do: "path";
    path: Path;
    dial: "open" | "refused" | "dropped";
    silent: boolean;
    latency: number;
    spread: number;
  }
  | { do: "kill" }
  | { do: "network" }
  | { do: "reload"; user: number };

const path = fc.constantFrom<Path>("quic", "websocket");
const user = fc.nat(USERS.length - 1);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("publish" as const),
      user,
      channel: fc.nat(CHANNELS.length - 1),
      count: fc.integer({ min: 1, max: 8 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 100, max: 8000 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("cut" as const), path: fc.option(path, { nil: undefined }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("path" as const),
      path,
      dial: fc.constantFrom("open" as const, "open" as const, "refused" as const, "dropped" as const),
      silent: fc.boolean(),
      latency: fc.integer({ min: 1, max: 80 }),
      spread: fc.integer({ min: 0, max: 60 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("kill" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("network" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reload" as const), user }) },
);

/** A user's device: the application's own memory outlives the client, as a page's storage does. */
class Device {
  readonly storage = new KeptOutbox();
  readonly got: Record<string, string[]> = Object.fromEntries(CHANNELS.map((channel) => [channel, []]));
  readonly published: Record<string, string[]> = Object.fromEntries(CHANNELS.map((channel) => [channel, []]));
  readonly positions = new Map<string, Position>();
  readonly gaps: string[] = [];
  client!: SkeinClient;
  #number = 0;

  constructor(readonly world: World, readonly user: string) {
    this.open();
  }

  open(): void {
    const client = this.client = new SkeinClient({
      ...this.world.options(this.user, {
        outbox: { storage: this.storage },
        probing: { first: 300, max: 2000 },
        maxReconnectDelay: 2000,
        breaker: { failures: 1000 },
      }),
    });
    client.on("discontinuity", ({ channel }) => this.gaps.push(channel));
    for (const name of CHANNELS) {
      const channel = client.channel(name);
      const known = this.positions.get(name);
      channel.subscribe(({ text }) => {
        this.got[name]!.push(text!);
        this.positions.set(name, channel.position!);
      }, known).then(() => {
        // Where a channel stood when it was joined counts even when nothing came.
        if (!this.positions.has(name)) this.positions.set(name, channel.position!);
      }).catch(() => {});
    }
  }

  publish(channel: number, count: number): void {
    const name = CHANNELS[channel]!;
    for (let i = 0; i < count; i++) {
      const text = `${this.user}-${this.#number++}`;
      this.published[name]!.push(text);
      this.client.channel(name).publish(text).catch(() => {});
    }
  }

  async reload(): Promise<void> {
    const { client } = this;
    // A page that goes does not wait for its connection.
    for (const link of [...this.world.links]) if (link.owner === this.user) link.cut();
    const closing = client.close();
    await this.world.clock.advance(1);
    await closing;
    this.open();
  }
}

async function live(world: World, devices: Device[], steps: readonly Step[]): Promise<void> {
  for (const each of steps) {
    switch (each.do) {
      case "publish":
        devices[each.user]!.publish(each.channel, each.count);
        break;
      case "wait":
        await world.clock.advance(each.ms);
        break;
      case "cut":
        world.cut(each.path);
        break;
      case "path": {
        const { dial, silent, latency, spread } = each;
        Object.assign(world.paths[each.path], { dial, silent, latency, spread });
        break;
      }
      case "kill":
        world.kill();
        await world.clock.advance(50);
        world.start();
        break;
      case "network":
        world.environment.tell("network");
        break;
      case "reload":
        await devices[each.user]!.reload();
    }
    await world.clock.advance(0);
  }
}

/**
 * Validates: random lives of several clients are compared with a reference list, over networks that are made to fail at
 * will.
 */
Deno.test("Feature: quic-transport, Property 18: no message is lost, doubled or out of order over random switches of transport (a model of the network)", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), fc.integer(), async (steps, seed) => {
      const world = new World(seed);
      const devices = USERS.map((user) => new Device(world, user));
      try {
        await world.clock.advance(500);
        await live(world, devices, steps);
        for (const conditions of Object.values(world.paths)) {
          Object.assign(conditions, { dial: "open", silent: false, latency: 5, spread: 0 });
        }
        const kept = (channel: string): string[] =>
          world.engine.log.read(channel, { limit: 1e6 }).records.map(({ payload }) => payload.text as string);
        const all = (channel: string): number =>
          devices.reduce((sum, { published }) => sum + published[channel]!.length, 0);
        await world.until(
          () =>
            devices.every(({ client, storage, got }) =>
              client.manager.pending === 0 && storage.messages.size === 0 &&
              CHANNELS.every((channel) => got[channel]!.length >= all(channel))
            ),
          120_000,
          200,
        );
        await world.clock.advance(2000);
        for (const channel of CHANNELS) {
          const committed = kept(channel);
          for (const { user, published, got, gaps } of devices) {
            assert.deepEqual(
              committed.filter((text) => text.startsWith(`${user}-`)),
              published[channel],
              `${user} on ${channel}`,
            );
            assert.deepEqual(got[channel], committed, `${user} received on ${channel}`);
            assert.deepEqual(gaps, []);
          }
        }
      } finally {
        await Promise.all(devices.map(({ client }) => client.close()));
        await world.clock.advance(3000);
      }
      assert.equal(world.clock.pending, 0, "timers are left");
    }),
    { numRuns: 150 },
  );
});

/** Validates: the SDK puts everything of a channel on one lane of the channel's class, on QUIC and on WebSocket. */
Deno.test("Feature: quic-transport, Property 9: lanes by type (what a client sends of a channel stays on one lane of its class)", async () => {
  const name = fc.tuple(fc.constantFrom("chat", "doc", "bot", "room"), fc.integer({ min: 0, max: 40 }))
    .map(([namespace, number]) => `${namespace}:${number}`);
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(name, { minLength: 1, maxLength: 40 }),
      fc.boolean(),
      async (names, quic) => {
        const world = new World();
        const client = new SkeinClient(
          world.options("ann", quic ? { enableWebSocket: false } : { enableQuic: false }),
        );
        try {
          for (const channel of names) {
            void client.channel(channel).subscribe();
            for (let i = 0; i < 3; i++) void client.channel(channel).publish(String(i));
            client.direct("bob", "x").catch(() => {});
          }
          await world.until(() => client.manager.isConnected() && client.manager.pending === 0);
          const [link] = [...world.links];
          const lanes = new Map<unknown, Set<number>>();
          for (const { type, channel, lane } of link!.sentOn) {
            if (channel === undefined) assert.equal(lane, 0, `${type} travels on the control lane`);
            else lanes.set(channel, (lanes.get(channel) ?? new Set()).add(lane));
          }
          assert.equal(lanes.size, names.length);
          for (const [channel, own] of lanes) {
            assert.equal(own.size, 1, `${channel} is on ${[...own]}`);
            const [lane] = own;
            assert.equal(laneClass(lane!), classOfChannel(String(channel)));
          }
          const used = new Set([...lanes.values()].flatMap((own) => [...own]));
          assert.ok(used.size <= 60, "stays below the limit of streams");
          // Active conversations share lanes only when there are more of them than lanes.
          const chats = [...lanes].filter(([channel]) => classOfChannel(String(channel)) === "conversation");
          const chatLanes = new Set(chats.flatMap(([, own]) => [...own]));
          assert.equal(chatLanes.size, quic ? Math.min(chats.length, 16) : Math.min(chats.length, 1));
        } finally {
          await client.close();
          await world.clock.advance(3000);
        }
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("model: whichever path fails and however, a client that has one left is on it within its bounds", async () => {
  const dial = fc.constantFrom("open" as const, "refused" as const, "dropped" as const);
  await fc.assert(
    fc.asyncProperty(
      dial,
      dial,
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 0, max: 2000 }),
      async (quic, websocket, quicLatency, websocketLatency, headStart) => {
        const world = new World(quicLatency);
        Object.assign(world.paths.quic, { dial: quic, latency: quicLatency });
        Object.assign(world.paths.websocket, { dial: websocket, latency: websocketLatency });
        const client = new SkeinClient({ ...world.options("ann", { headStart }), autoConnect: false });
        const began = world.clock.now();
        try {
          client.connect().catch(() => {});
          if (quic !== "open" && websocket !== "open") {
            await world.clock.advance(10_000);
            assert.equal(client.manager.isConnected(), false);
            return;
          }
          await world.until(() => client.manager.isConnected(), 20_000, 1);
          const took = world.clock.now() - began;
          // A handshake is one round trip here, authentication another.
          const viaQuic = 4 * quicLatency, viaWebsocket = headStart + 4 * websocketLatency;
          const best = Math.min(
            quic === "open" ? viaQuic : Infinity,
            websocket === "open" ? viaWebsocket : Infinity,
          );
          // One that is ready first has begun to authenticate when the other becomes ready.
          assert.ok(
            took <= best + 2 * Math.max(quicLatency, websocketLatency) + 5,
            `${took} ms, the best is ${best}`,
          );
          if (quic !== "open") assert.equal(client.manager.getTransportType(), "websocket");
          else if (websocket !== "open") assert.equal(client.manager.getTransportType(), "webtransport");
        } finally {
          await client.close();
          await world.clock.advance(30_000);
        }
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("model: a path that fails is left alone while another works, and when none does the client waits no longer than it says and gives up when told to", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer(),
      async (most, failures, seed) => {
        const world = new World(seed);
        world.paths.quic.dial = "refused";
        const client = new SkeinClient({
          ...world.options("ann", {
            maxReconnectAttempts: most,
            breaker: { failures },
            probing: false,
            // Nothing is remembered: QUIC is dialled first each time.
            preference: { expiry: 0 },
          }),
          autoConnect: false,
        });
        const dials = () => world.dials.filter(({ path }) => path === "quic").length;
        try {
          void client.connect();
          for (let i = 0; i < 8; i++) {
            await world.until(() => client.manager.isConnected());
            world.cut();
          }
          await world.until(() => client.manager.isConnected());
          assert.equal(dials(), Math.min(failures, 9));
          // The service is gone: there is no other path to choose.
          world.paths.websocket.dial = "refused";
          world.dials.length = 0;
          world.cut();
          await world.clock.advance(290_000);
          const waits = world.dials.slice(1).map(({ at }, i) => at - world.dials[i]!.at);
          assert.ok(waits.every((ms) => ms <= 30_100), `${waits}`);
          assert.equal(client.manager.status, world.dials.length > most ? "idle" : "reconnecting");
          const attempts = world.dials.filter(({ path }) => path === "websocket").length;
          assert.ok(attempts <= most + 1 && attempts >= Math.min(most + 1, 9), `${attempts} attempts`);
        } finally {
          await client.close();
          await world.clock.advance(1000);
        }
      },
    ),
    { numRuns: 100 },
  );
});
