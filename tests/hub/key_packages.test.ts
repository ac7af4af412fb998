/** Key packages: who gets which, how many, and what the owner is told. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { ClaimRates } from "../../src/hub/claim_rates.ts";
import { KeyPackages } from "../../src/hub/key_packages.ts";
import type { ProtocolError } from "../../src/protocol/mod.ts";
import { FakeClock } from "../support/clock.ts";

const MINUTE = 60_000, DAY = 86_400_000;
const nameOf = (n: number): string => `${n}`.padStart(43, "d");
const PHONE = nameOf(0), LAPTOP = nameOf(1);

/** Key packages on a clock that stands, and what owners are told. */
class World {
  readonly clock = new FakeClock();
  readonly engine = new MemoryEngine({ clock: this.clock });
  readonly low: unknown[] = [];
  maxMessage = 65_536;
  readonly packages = new KeyPackages({
    engine: this.engine,
    clock: this.clock,
    maxMessage: () => this.maxMessage,
  });

  constructor() {
    this.engine.log.onEphemeral((channel, { type, payload }) => this.low.push({ channel, type, ...payload }));
    void this.engine.log.follow("user:bob", () => {});
  }

  publish(device: string, count: number, lastResort?: string): Promise<number> {
    const packages = Array.from({ length: count }, (_, i) => `p${i}`);
    const last = lastResort === undefined ? {} : { lastResort };
    return this.packages.publish("bob", { device, packages, ...last });
  }

  /** The package that a claimant gets of bob's phone; `undefined`: none; a number: to be asked for in so many ms. */
  async claim(claimant: string, devices?: string[]): Promise<string | number | undefined> {
    const more = devices === undefined ? {} : { devices };
    try {
      const { packages } = await this.packages.claim({ claimant, userId: "bob", ...more });
      return packages[0]?.package;
    } catch (error) {
      assert.equal((error as ProtocolError).error, "rate_limited");
      return (error as ProtocolError).retryAfter;
    }
  }
}

Deno.test("key packages: a device that has been gone for 90 days makes room for another one", async () => {
  const { clock, packages } = new World();
  const publish = (n: number) => packages.publish("ann", { device: nameOf(n), packages: [`of${n}`] });
  for (let n = 0; n < 16; n++) await publish(n);
  await assert.rejects(publish(16), { error: "limit_exceeded" });
  await clock.advance(60 * DAY);
  // All but the first come back.
  for (let n = 1; n < 16; n++) await publish(n);
  await assert.rejects(publish(16), { error: "limit_exceeded" });
  await clock.advance(60 * DAY);
  await publish(16);
  await assert.rejects(publish(17), { error: "limit_exceeded" });
  const claimed = await packages.claim({ claimant: "eve", userId: "ann" });
  assert.deepEqual(
    claimed.packages.map(({ device }) => device),
    Array.from({ length: 16 }, (_, at) => nameOf(at + 1)),
  );
});

Deno.test("key packages: one user claims another's ten times, and then once in two minutes", async () => {
  const world = new World();
  await world.publish(PHONE, 24, "last");
  for (let i = 0; i < 10; i++) assert.equal(await world.claim("eve"), `p${i}`);
  assert.equal(await world.claim("eve"), 2 * MINUTE);
  assert.equal(await world.claim("ann"), "p10");
  await world.clock.advance(2 * MINUTE - 1);
  assert.equal(await world.claim("eve"), 1);
  await world.clock.advance(1);
  assert.equal(await world.claim("eve"), "p11");
  assert.equal(await world.claim("eve"), 2 * MINUTE);
  assert.deepEqual(world.packages.counts, { given: 12, last_resort: 0, limited: 3 });
});

Deno.test("key packages: who asks in vain may ask again", async () => {
  const world = new World();
  for (let i = 0; i < 30; i++) assert.equal(await world.claim("ann"), undefined);
  await world.publish(PHONE, 1);
  assert.equal(await world.claim("ann"), "p0");
});

Deno.test("key packages: a user claims 128 at once, whoever's they are, and then one a second", () => {
  let now = 0;
  const rates = new ClaimRates(() => now);
  for (let i = 0; i < 128; i++) assert.equal(rates.take("eve", `u${i}`), 0);
  assert.equal(rates.take("eve", "another"), 1_000);
  assert.equal(rates.take("ann", "another"), 0);
  now += 1_000;
  assert.equal(rates.take("eve", "another"), 0);
  assert.equal(rates.take("eve", "a third"), 1_000);
});

Deno.test("key packages: debts are remembered however many others claim", () => {
  let now = 0;
  const rates = new ClaimRates(() => now);
  for (let i = 0; i < 10; i++) rates.take("eve", "bob");
  for (let i = 0; i < 30_000; i++) {
    rates.take(`u${i}`, "bob");
    now += 1;
  }
  assert.ok(rates.take("eve", "bob") > 0);
});

Deno.test("key packages: many users together do not use up a device's, and none is kept from inviting it", async () => {
  const world = new World();
  await world.publish(PHONE, 24, "last");
  for (let i = 0; i < 16; i++) assert.equal(await world.claim(`u${i}`), `p${i}`);
  for (let i = 16; i < 40; i++) assert.equal(await world.claim(`u${i}`), "last");
  assert.equal(await world.publish(PHONE, 0), 8);
  await world.clock.advance(MINUTE);
  assert.equal(await world.claim("u41"), "p16");
  assert.equal(await world.claim("u42"), "last");
  // A clock that is set back holds nobody up for longer than that.
  world.clock.set(-DAY);
  await world.clock.advance(MINUTE);
  assert.equal(await world.claim("u43"), "p17");
  assert.deepEqual(world.packages.counts, { given: 18, last_resort: 25, limited: 0 });
});

Deno.test("key packages: a device without one of last resort is asked for again later", async () => {
  const world = new World();
  await world.publish(PHONE, 20);
  for (let i = 0; i < 16; i++) await world.claim(`u${i}`);
  assert.equal(await world.claim("ann"), MINUTE);
  await world.clock.advance(MINUTE);
  assert.equal(await world.claim("ann"), "p16");
});

Deno.test("key packages: the owner is told when few are left, and that there are none", async () => {
  const world = new World();
  await world.publish(PHONE, 10, "last");
  await world.publish(LAPTOP, 8);
  const told = (device: string, count: number) => ({
    channel: "user:bob",
    type: "key_packages_low",
    device,
    count,
  });
  for (let i = 0; i < 2; i++) await world.claim("ann", [PHONE]);
  assert.deepEqual(world.low, []);
  await world.claim("ann", [PHONE]);
  assert.deepEqual(world.low.splice(0), [told(PHONE, 7)]);
  await world.claim("ann", [LAPTOP]);
  assert.deepEqual(world.low.splice(0), [told(LAPTOP, 7)]);
  for (let i = 0; i < 7; i++) await world.claim(`u${i}`, [PHONE]);
  world.low.splice(0);
  assert.equal(await world.claim("eve", [PHONE]), "last");
  assert.deepEqual(world.low.splice(0), [told(PHONE, 0)]);
});

Deno.test("key packages: what does not fit into an answer is its rest", async () => {
  const { packages, ...world } = new World();
  const devices = Array.from({ length: 16 }, (_, i) => nameOf(i));
  for (const device of devices) {
    await packages.publish("bob", { device, packages: ["p".repeat(16_384), "short"], lastResort: "last" });
  }
  let rest: string[] | undefined;
  const given: string[] = [];
  for (let answers = 0; answers === 0 || rest !== undefined; answers++) {
    assert.ok(answers < 10);
    const answer = await packages.claim({
      claimant: "ann",
      userId: "bob",
      ...rest === undefined ? {} : { devices: rest },
    });
    assert.ok(JSON.stringify(answer).length <= world.maxMessage, "it fits");
    given.push(...answer.packages.map(({ device }) => device));
    rest = answer.rest;
  }
  assert.deepEqual(given, devices);
});

Deno.test("key packages: one that no message has room for does not stand before the others", async () => {
  const world = new World();
  await world.packages.publish("bob", { device: PHONE, packages: ["p".repeat(16_384)] });
  await world.publish(LAPTOP, 1);
  world.maxMessage = 1_024;
  const answer = await world.packages.claim({ claimant: "ann", userId: "bob" });
  assert.deepEqual(answer.packages.map(({ device }) => device), [LAPTOP]);
  assert.equal(answer.rest, undefined);
});

/** Validates: no package that is given out once is given twice, and nobody gets more than the paces allow. */
Deno.test("Feature: quic-transport, Property 97: key packages are given once, within their paces and the size of a message", async () => {
  const step = fc.oneof(
    fc.record({ publish: fc.nat(3), count: fc.nat(12), size: fc.constantFrom(1, 100, 900) }),
    fc.record({ claim: fc.nat(2) }),
    fc.record({ burst: fc.nat(2), times: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ wait: fc.nat(200_000) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { packages, clock, ...world } = new World();
      const maxMessage = 2_048;
      const bounded = new KeyPackages({ engine: world.engine, clock, maxMessage: () => maxMessage });
      let made = 0;
      const given = new Map<string, number>(), claims = new Map<string, number[]>();
      const ofDevice = new Map<string, number[]>();
      const claim = async (claimant: string, devices: string[] | undefined): Promise<void> => {
        const more = devices === undefined ? {} : { devices };
        try {
          const answer = await bounded.claim({ claimant, userId: "bob", ...more });
          assert.ok(JSON.stringify(answer).length <= maxMessage);
          const named = [...answer.packages.map(({ device }) => device), ...answer.rest ?? []];
          assert.equal(new Set(named).size, named.length);
          if (answer.packages.length > 0) claims.set(claimant, [...claims.get(claimant) ?? [], clock.now()]);
          for (const { device, package: each, lastResort } of answer.packages) {
            assert.equal(lastResort, each.startsWith("last"));
            if (lastResort) continue;
            given.set(each, (given.get(each) ?? 0) + 1);
            ofDevice.set(device, [...ofDevice.get(device) ?? [], clock.now()]);
          }
        } catch (error) {
          assert.equal((error as ProtocolError).error, "rate_limited");
          assert.ok((error as ProtocolError).retryAfter! > 0);
        }
      };
      for (const each of steps) {
        if ("publish" in each) {
          const device = nameOf(each.publish);
          const list = Array.from({ length: each.count }, () => `p${made++}`.padEnd(each.size, "x"));
          const last = each.publish === 0 ? {} : { lastResort: `last${each.publish}` };
          await packages.publish("bob", { device, packages: list, ...last });
        } else if ("claim" in each) await claim(`u${each.claim}`, undefined);
        else if ("burst" in each) {
          await Promise.all(Array.from({ length: each.times }, () => claim(`u${each.burst}`, [nameOf(1)])));
        } else await clock.advance(each.wait);
      }
      assert.deepEqual([...given].filter(([, times]) => times !== 1), []);
      // In any stretch of time no more than the burst and what came back meanwhile.
      const within = (times: number[], burst: number, interval: number): boolean =>
        times.every((from, i) =>
          times.slice(i).every((to, j) => j + 1 <= burst + Math.floor((to - from) / interval) + 1)
        );
      for (const times of claims.values()) assert.ok(within(times, 10, 2 * MINUTE), `${times}`);
      for (const times of ofDevice.values()) assert.ok(within(times, 16, MINUTE), `${times}`);
    }),
    { numRuns: 150 },
  );
});
