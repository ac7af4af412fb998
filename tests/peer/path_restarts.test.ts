/** When browsers are made to look for another path, and when no longer. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { PathRestarts, PATIENCE } from "../../src/client/peers/path_restarts.ts";
import { FakeClock } from "../support/clock.ts";

/** Restarts on a clock that stands, and what came of them. */
class World {
  readonly clock = new FakeClock();
  /** When restarts began, in ms. */
  readonly began: number[] = [];
  readonly told: string[] = [];
  /** What becomes of the next restarts. */
  outcome: () => Promise<void> = () => Promise.resolve();
  isConnected = true;
  readonly restarts = new PathRestarts({
    clock: this.clock,
    random: () => 0,
    canSignal: () => this.isConnected,
    restart: () => {
      this.began.push(this.clock.now());
      return this.outcome();
    },
    onBroken: () => void this.told.push("broken"),
    onMended: () => void this.told.push("mended"),
    onGivenUp: (cause) => void this.told.push(`given up: ${(cause as Error | undefined)?.message}`),
  });

  /** The pauses between restarts, in ms. */
  get pauses(): number[] {
    return this.began.slice(1).map((at, i) => at - this.began[i]!);
  }
}

const refused = (): Promise<void> => Promise.reject(new Error("the peer is not there"));

Deno.test("path restarts: a path that is lost is looked for at once, and the search ends with it", async () => {
  const { restarts, clock, began, told } = new World();
  await clock.advance(100);
  restarts.told("connected");
  assert.equal(clock.pending, 0);
  restarts.told("disconnected");
  assert.ok(restarts.isBroken);
  await clock.advance(0);
  assert.equal(began.length, 1);
  restarts.told("checking");
  restarts.told("connected");
  await clock.advance(10 * PATIENCE);
  assert.equal(began.length, 1);
  assert.deepEqual(told, ["broken", "mended"]);
  assert.equal(clock.pending, 0);
});

Deno.test("path restarts: pauses double from 500 ms, and after a minute it is given up in words", async () => {
  const world = new World();
  const { restarts, clock } = world;
  world.outcome = refused;
  restarts.told("disconnected");
  await clock.advance(PATIENCE - 1);
  assert.deepEqual(world.pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000]);
  assert.deepEqual(world.told, ["broken"]);
  await clock.advance(1);
  assert.deepEqual(world.told, ["broken", "given up: the peer is not there"]);
  await clock.advance(10 * PATIENCE);
  assert.equal(world.began.length, 7);
  assert.equal(clock.pending, 0);
});

Deno.test("path restarts: one that is agreed about has 8 s, or until the browser has tried all addresses", async () => {
  const world = new World();
  const { restarts, clock } = world;
  restarts.told("disconnected");
  await clock.advance(8_499);
  assert.equal(world.began.length, 1);
  await clock.advance(1);
  assert.equal(world.began.length, 2);
  restarts.told("failed");
  await clock.advance(1_000);
  assert.deepEqual(world.pauses, [8_500, 1_000]);
});

Deno.test("path restarts: without the service nothing is tried, and with it at once", async () => {
  const world = new World();
  const { restarts, clock } = world;
  world.isConnected = false;
  restarts.told("disconnected");
  await clock.advance(20_000);
  assert.equal(world.began.length, 0);
  world.isConnected = true;
  restarts.hopeful();
  await clock.advance(0);
  assert.equal(world.began.length, 1);
  restarts.told("connected");
  restarts.hopeful();
  await clock.advance(PATIENCE);
  assert.equal(world.began.length, 1);
});

Deno.test("path restarts: the user's return cuts a long pause short", async () => {
  const world = new World();
  const { restarts, clock } = world;
  world.outcome = refused;
  restarts.told("failed");
  await clock.advance(20_000);
  const { length } = world.began;
  restarts.hopeful();
  await clock.advance(500);
  assert.equal(world.began.length, length + 1);
});

Deno.test("path restarts: another network is told of while the path still answers", async () => {
  const world = new World();
  const { restarts, clock } = world;
  restarts.told("connected");
  await clock.advance(40_000);
  restarts.networkChanged();
  await clock.advance(0);
  assert.equal(world.began.length, 1);
  await clock.advance(PATIENCE);
  assert.equal(world.began.length, 1);
  // A network that comes and goes, and a service that is away at first.
  world.isConnected = false;
  restarts.networkChanged();
  await clock.advance(0);
  assert.equal(world.began.length, 1);
  world.isConnected = true;
  restarts.hopeful();
  await clock.advance(0);
  assert.equal(world.began.length, 2);
});

Deno.test("path restarts: a peer that does not take new addresses is left in peace while there is a path", async () => {
  const world = new World();
  const { restarts, clock } = world;
  world.outcome = refused;
  restarts.told("connected");
  restarts.networkChanged();
  await clock.advance(10 * PATIENCE);
  assert.equal(world.began.length, 5);
  assert.deepEqual(world.told, []);
  assert.equal(clock.pending, 0);
});

Deno.test("path restarts: what happens while one is being agreed about begins no other", async () => {
  const world = new World();
  const { restarts, clock } = world;
  const agreed = Promise.withResolvers<void>();
  world.outcome = () => agreed.promise;
  restarts.told("disconnected");
  await clock.advance(0);
  restarts.asked();
  restarts.told("failed");
  restarts.hopeful();
  await clock.advance(5_000);
  assert.equal(world.began.length, 1);
  restarts.end();
  agreed.resolve();
  await clock.advance(PATIENCE);
  assert.equal(world.began.length, 1);
  assert.equal(clock.pending, 0);
});

/** Validates: whatever the browser, the network and the peer say, restarts are bounded and the search has an end. */
Deno.test("Feature: quic-transport, Property 96: restarts of a path are bounded, and its loss has an end", async () => {
  const step = fc.oneof(
    fc.constantFrom("connected", "completed", "checking", "disconnected", "failed").map((state) => ({
      state,
    })),
    fc.constantFrom("asked", "networkChanged", "hopeful").map((hint) => ({ hint })),
    fc.nat(20_000).map((wait) => ({ wait })),
    fc.boolean().map((connected) => ({ connected })),
    fc.constantFrom("agrees", "refuses").map((peer) => ({ peer })),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World();
      const { restarts, clock } = world;
      for (const each of steps) {
        if ("state" in each) restarts.told(each.state as RTCIceConnectionState);
        else if ("hint" in each) restarts[each.hint as "asked"]();
        else if ("wait" in each) await clock.advance(each.wait);
        else if ("connected" in each) world.isConnected = each.connected;
        else world.outcome = each.peer === "agrees" ? () => Promise.resolve() : refused;
      }
      // All but the first of a while have a pause of 500 ms at least.
      assert.ok(world.pauses.every((pause) => pause >= 500), `${world.pauses}`);
      const wasBroken = restarts.isBroken;
      await clock.advance(PATIENCE);
      const ends = world.told.filter((told) => told.startsWith("given up")).length;
      if (wasBroken) assert.equal(ends, 1);
      assert.ok(ends <= 1);
      const { length } = world.began;
      await clock.advance(20 * PATIENCE);
      assert.ok(world.began.length - length <= 5);
      assert.equal(clock.pending, 0);
    }),
    { numRuns: 200 },
  );
});
