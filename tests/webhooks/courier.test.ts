/** The courier on a queue of an engine, with time that is moved by hand. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { Breaker } from "../../src/webhooks/breaker.ts";
import type { Post, Posted, WebhookEvent } from "../../src/webhooks/contract.ts";
import { Courier } from "../../src/webhooks/courier.ts";
import { WebhookQueue } from "../../src/webhooks/queue.ts";
import { type Endpoint } from "../../src/webhooks/mod.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { endpoint } from "./support.ts";

/** A queue, an endpoint that does what a test says, and couriers between them. */
class Office {
  readonly clock = new FakeClock();
  readonly engine = new MemoryEngine({ clock: this.clock, offsets: "store" });
  readonly taken: string[] = [];
  readonly buried: { id: string; attempts: number; failure: string }[] = [];
  readonly requests: { at: number; ids: string[] }[] = [];
  readonly failures: unknown[] = [];
  lost = 0;
  answer: (ids: string[]) => Posted | Promise<Posted> = () => ({ status: 204 });
  readonly endpoint: Endpoint;
  readonly queue: WebhookQueue;
  courier: Courier | undefined;
  life = { killed: false };
  #count = 0;

  constructor(over: Partial<Endpoint> = {}) {
    this.endpoint = endpoint(over);
    this.queue = new WebhookQueue(this.engine, "test", () => this.endpoint);
  }

  readonly post: Post = async ({ id, body }) => {
    const { type, data } = JSON.parse(body);
    const ids: string[] = type === "batch" ? data.events.map((event: WebhookEvent) => event.id) : [id];
    this.requests.push({ at: this.clock.now(), ids });
    const posted = await this.answer(ids);
    if (posted.failure === undefined) this.taken.push(...ids);
    return posted;
  };

  async add(count = 1): Promise<string[]> {
    const ids = [];
    for (let i = 0; i < count; i++) {
      const id = `evt_${++this.#count}`;
      ids.push(id);
      await this.queue.append({ id, type: "message", timestamp: this.clock.wall(), data: { text: id } });
    }
    return ids;
  }

  async open(): Promise<Courier> {
    // A process that was killed does nothing more, and hears of nothing.
    const life = this.life = { killed: false };
    const never = new Promise<never>(() => {});
    const { queue } = this;
    this.courier = new Courier({
      endpoint: this.endpoint,
      queue: {
        read: (...args) => life.killed ? never : queue.read(...args),
        told: () => queue.told(),
        tell: (at) => life.killed ? never : queue.tell(at),
        bury: (letter) => life.killed ? never : queue.bury(letter),
        follow: (listener) => queue.follow(listener),
        unfollow: () => life.killed ? undefined : queue.unfollow(),
      },
      post: async (request) => {
        if (life.killed) return await never;
        const posted = await this.post(request);
        return life.killed ? await never : posted;
      },
      breaker: new Breaker({ random: () => 1 }),
      clock: this.clock,
      random: () => 1,
      events: {
        sent: () => {},
        buried: ({ id }, attempts, failure) => void this.buried.push({ id, attempts, failure }),
        lost: () => void this.lost++,
        failed: (error) => void this.failures.push(error),
      },
    });
    await this.courier.start();
    await settle();
    return this.courier;
  }

  async close(): Promise<void> {
    await this.courier?.stop();
    this.courier = undefined;
  }
}

const DOWN: Posted = { status: 0, failure: "unreachable", isDown: true };
const REFUSED: Posted = { status: 400, failure: "status 400" };

Deno.test("courier: events are told as they come, and each one once", async () => {
  const office = new Office();
  const before = await office.add(3);
  await office.open();
  await office.clock.advance(1);
  const after = await office.add(2);
  await office.clock.advance(1);
  assert.deepEqual(office.taken.toSorted(), [...before, ...after].toSorted());
  await office.close();
  assert.equal(await office.queue.waiting(), 0);
  assert.equal(office.clock.pending, 0);
});

Deno.test("courier: what was told is not told again by its successor", async () => {
  const office = new Office();
  await office.add(5);
  await office.open();
  await office.clock.advance(10);
  await office.close();
  const later = await office.add(1);
  await office.open();
  await office.clock.advance(10);
  assert.equal(office.taken.length, 6);
  assert.equal(office.taken.at(-1), later[0]);
  await office.close();
});

Deno.test("courier: a batch waits for others, for its time and not longer", async () => {
  const office = new Office({ batch: { size: 3, delay: 100 } });
  await office.open();
  const ids = await office.add(2);
  await office.clock.advance(99);
  assert.equal(office.requests.length, 0);
  await office.clock.advance(2);
  assert.deepEqual(office.requests.map(({ ids }) => ids), [ids]);
  const full = await office.add(3);
  await office.clock.advance(1);
  assert.deepEqual(office.requests.map(({ ids }) => ids), [ids, full]);
  await office.close();
});

Deno.test("courier: a batch is bounded in bytes", async () => {
  const office = new Office({ batch: { size: 1000, delay: 0 } });
  for (let i = 0; i < 5; i++) {
    const data = { text: "x".repeat(400_000) };
    await office.queue.append({ id: `evt_${i}`, type: "message", timestamp: office.clock.wall(), data });
  }
  await office.open();
  await office.clock.advance(10);
  assert.deepEqual(office.requests.map(({ ids }) => ids.length), [3, 2]);
  await office.close();
});

Deno.test("courier: an event that is refused is tried again later and later, and given up in the end", async () => {
  const office = new Office({ retry: { attempts: 4, minDelay: 1000, maxDelay: 3000, maxAge: 1e9 } });
  office.answer = () => REFUSED;
  const [id] = await office.add();
  await office.open();
  await office.clock.advance(60_000);
  const [first] = office.requests;
  assert.deepEqual(office.requests.map(({ at }) => at - first!.at), [0, 1000, 3000, 6000]);
  assert.deepEqual(office.buried, [{ id, attempts: 4, failure: "status 400" }]);
  const { letters } = await office.queue.dead(0, 10);
  assert.deepEqual(letters.map(({ event, attempts, failure }) => [event.id, attempts, failure]), [[
    id,
    4,
    "status 400",
  ]]);
  assert.deepEqual(letters[0]!.event.data, { text: id });
  await office.close();
  assert.equal(await office.queue.waiting(), 0);
});

Deno.test("courier: a dead letter can be sent again, under its id, once", async () => {
  const office = new Office({ retry: { attempts: 1, minDelay: 1000, maxDelay: 1000, maxAge: 60_000 } });
  office.answer = () => REFUSED;
  const [id] = await office.add();
  await office.open();
  await office.clock.advance(10);
  office.answer = () => ({ status: 200 });
  const [letter] = (await office.queue.dead(0, 10)).letters;
  await office.clock.advance(120_000);
  assert.equal(await office.queue.revive(letter!.offset), true);
  assert.equal(await office.queue.revive(letter!.offset), false);
  assert.equal(await office.queue.revive(99), false);
  await office.clock.advance(10);
  assert.deepEqual(office.taken, [id]);
  assert.deepEqual((await office.queue.dead(0, 10)).letters, []);
  await office.close();
});

Deno.test("courier: an event that nobody takes does not hold up the others", async () => {
  const office = new Office({ concurrency: 1 });
  office.answer = (ids) =>
    ids.includes("evt_1") ? { status: 500, failure: "status 500", isDown: true } : { status: 200 };
  const ids = await office.add(50);
  await office.open();
  await office.clock.advance(30_000);
  assert.deepEqual(office.taken, ids.slice(1));
  await office.close();
});

Deno.test("courier: while the endpoint is down it is looked at now and then, and nothing is given up", async () => {
  const office = new Office({ retry: { attempts: 3, minDelay: 1000, maxDelay: 5000, maxAge: 1e9 } });
  office.answer = () => DOWN;
  const ids = await office.add(20);
  await office.open();
  await office.clock.advance(3_600_000);
  assert.ok(office.requests.length < 100, `${office.requests.length} requests in an hour`);
  assert.deepEqual(office.buried, []);
  office.answer = () => ({ status: 200 });
  await office.clock.advance(70_000);
  assert.deepEqual(office.taken.toSorted(), ids.toSorted());
  await office.close();
});

Deno.test("courier: what is too old is given up also while the endpoint is down", async () => {
  const office = new Office({ retry: { attempts: 100, minDelay: 1000, maxDelay: 5000, maxAge: 600_000 } });
  office.answer = () => DOWN;
  const ids = await office.add(3);
  await office.open();
  await office.clock.advance(1_200_000);
  assert.deepEqual(office.buried.map(({ id }) => id).toSorted(), ids);
  await office.close();
});

Deno.test("courier: an endpoint that asks for time gets it", async () => {
  const office = new Office();
  office.answer = () => ({ status: 429, failure: "status 429", isDown: true, retryAfter: 30_000 });
  await office.add();
  await office.open();
  await office.clock.advance(29_000);
  assert.equal(office.requests.length, 1);
  await office.clock.advance(2000);
  assert.equal(office.requests.length, 2);
  await office.close();
});

Deno.test("courier: with more events than may wait the oldest are lost, and that is told", async () => {
  const office = new Office({ queue: 10 });
  await office.open();
  await office.clock.advance(1);
  await office.close();
  const ids = await office.add(25);
  await office.open();
  await office.clock.advance(10);
  assert.deepEqual(office.taken.toSorted(), ids.slice(-10).toSorted());
  assert.equal(office.lost, 1);
  await office.close();
});

Deno.test("courier: more events than are read at once all come", async () => {
  const office = new Office({ batch: { size: 100, delay: 0 } });
  const ids = await office.add(5000);
  await office.open();
  await office.clock.advance(1000);
  assert.deepEqual(new Set(office.taken), new Set(ids));
  assert.equal(office.taken.length, 5000);
  await office.close();
});

Deno.test("courier: it is kept some times a second how far the endpoint was told, not at each event", async () => {
  const office = new Office({ batch: { size: 1, delay: 0 } });
  let writes = 0;
  const { values } = office.engine;
  const put = values.put.bind(values);
  values.put = (...args) => {
    writes++;
    return put(...args);
  };
  await office.open();
  for (let i = 0; i < 100; i++) {
    await office.add(10);
    await office.clock.advance(10);
  }
  assert.equal(office.taken.length, 1000);
  assert.ok(writes <= 6, `${writes} writes in a second`);
  await office.close();
});

Deno.test("courier: stopping gives up what is under way after its time, and it is told again", async () => {
  const office = new Office();
  office.answer = () => new Promise(() => {});
  const [id] = await office.add();
  const courier = await office.open();
  const stopping = courier.stop(1000);
  await office.clock.advance(1001);
  await stopping;
  office.answer = () => ({ status: 200 });
  await office.open();
  await office.clock.advance(1);
  assert.deepEqual(office.taken, [id]);
  await office.close();
});

Deno.test("courier: an engine that fails for a while loses nothing", async () => {
  const office = new Office();
  const ids = await office.add(3);
  const read = office.queue.read.bind(office.queue);
  let down = true;
  office.queue.read = (...args) => down ? Promise.reject(new Error("no store")) : read(...args);
  await office.open();
  await office.clock.advance(1500);
  assert.ok(office.failures.length > 0);
  down = false;
  await office.clock.advance(1500);
  assert.deepEqual(office.taken.toSorted(), ids);
  await office.close();
});

type Step =
  | { readonly kind: "add"; readonly count: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "down" | "up" | "kill" | "stop" | "mute" }
  | { readonly kind: "poison"; readonly every: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 40 }).map((count) => ({ kind: "add" as const, count })) },
  {
    weight: 5,
    arbitrary: fc.constantFrom(1, 50, 300, 1500, 20_000).map((ms) => ({ kind: "pass" as const, ms })),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom("down", "up", "kill", "stop", "mute").map((kind) => ({ kind } as Step)),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 2, max: 9 }).map((every) => ({ kind: "poison" as const, every })),
  },
);

/** Validates: an endpoint that dies and comes back, and couriers that are killed, lose no event. */
Deno.test("Feature: quic-transport, Property 202: webhooks (every event comes once or more, none is lost)", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40, size: "max" }),
      fc.constantFrom(1, 3, 20),
      fc.constantFrom(1, 4),
      async (steps, size, concurrency) => {
        const office = new Office({ batch: { size, delay: 100 }, concurrency });
        const ids: string[] = [];
        await office.open();
        for (const step of steps) {
          switch (step.kind) {
            case "add":
              ids.push(...await office.add(step.count));
              break;
            case "pass":
              await office.clock.advance(step.ms);
              break;
            case "down":
              office.answer = () => DOWN;
              break;
            case "up":
              office.answer = () => ({ status: 200 });
              break;
            case "mute":
              // It takes events and its answers are lost.
              office.answer = (some) => {
                office.taken.push(...some);
                return DOWN;
              };
              break;
            case "poison":
              office.answer = (some) =>
                some.some((id) => Number(id.slice(4)) % step.every === 0) ? REFUSED : { status: 200 };
              break;
            case "stop":
              await office.close();
              await office.open();
              break;
            case "kill":
              office.life.killed = true;
              await office.open();
          }
        }
        office.answer = () => ({ status: 200 });
        await office.clock.advance(700_000);
        await office.close();
        const dead = new Set((await office.queue.dead(0, 10_000)).letters.map(({ event }) => event.id));
        const taken = new Set(office.taken);
        for (const id of ids) assert.ok(taken.has(id) || dead.has(id), `${id} was lost`);
        assert.deepEqual(office.failures, []);
      },
    ),
    { numRuns: 120 },
  );
});
