/** The courier on a queue of an engine, with time that is moved by hand. */

import assert from "node:assert/strict";
import { settle } from "../support/clock.ts";
import { DOWN, Office, REFUSED } from "./office.ts";

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
    await office.queue.append({
      id: `evt_${i}`,
      type: "message",
      user: "ann",
      timestamp: office.clock.wall(),
      data,
    });
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

Deno.test("courier: of a batch that is refused only the event that is refused alone is given up", async () => {
  const office = new Office({
    batch: { size: 10, delay: 0 },
    retry: { attempts: 1, minDelay: 1000, maxDelay: 1000, maxAge: 1e9 },
  });
  office.answer = (ids) => ids.includes("evt_3") ? REFUSED : { status: 200 };
  const ids = await office.add(10);
  await office.open();
  await office.clock.advance(10);
  assert.deepEqual(office.taken.toSorted(), ids.filter((id) => id !== "evt_3").toSorted());
  assert.deepEqual(office.buried, [{ id: "evt_3", attempts: 1, failure: "status 400" }]);
  assert.deepEqual(office.requests.map(({ ids }) => ids.length), [10, ...ids.map(() => 1)]);
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

Deno.test("courier: its end waits for what it asks of the engine, and nothing follows it", async () => {
  for (const method of ["read", "tell", "kept", "bury"] as const) {
    const office = new Office({ retry: { attempts: 1, minDelay: 1, maxDelay: 1, maxAge: 1e9 } });
    const begun = Promise.withResolvers<void>(), gate = Promise.withResolvers<void>();
    const call = office.queue[method].bind(office.queue) as (...args: unknown[]) => unknown;
    Object.assign(office.queue, {
      async [method](...args: unknown[]) {
        begun.resolve();
        await gate.promise;
        return await call(...args);
      },
    });
    // What is refused is looked up, and buried.
    if (method === "kept" || method === "bury") office.answer = () => REFUSED;
    const courier = await office.open();
    await office.add();
    await office.clock.advance(1);
    await begun.promise;
    let isOver = false;
    const stopped = courier.stop(1000).then(() => isOver = true);
    await settle();
    assert.equal(isOver, false, method);
    gate.resolve();
    await stopped;
    assert.deepEqual([office.clock.pending, office.failures], [0, []], method);
  }
});

Deno.test("courier: after its end nothing is left of a queue that could not be read", async () => {
  const office = new Office();
  office.queue.read = () => Promise.reject(new Error("no store"));
  const courier = await office.open();
  assert.equal(office.clock.pending, 1, "it is to be asked again");
  await courier.stop();
  assert.equal(office.clock.pending, 0);
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

Deno.test("courier: events of a user who is erased are neither told nor kept as dead letters", async () => {
  const office = new Office({ retry: { attempts: 1, minDelay: 1000, maxDelay: 1000, maxAge: 60_000 } });
  office.answer = () => REFUSED;
  await office.add();
  await office.open();
  await office.clock.advance(10);
  await office.close();
  await office.add();
  for (const channel of await office.engine.log.list()) {
    await office.engine.log.redact(channel, { from: "ann" });
  }
  office.answer = () => ({ status: 200 });
  await office.open();
  await office.clock.advance(10);
  assert.deepEqual(office.taken, []);
  assert.deepEqual((await office.queue.dead(0, 10)).letters, []);
  await office.close();
  assert.equal(await office.queue.waiting(), 0);
});

Deno.test("courier: an event that waits in memory is not told once its user is erased", async () => {
  const office = new Office({ batch: { size: 2, delay: 10 } });
  office.answer = () => DOWN;
  const [first, second] = await office.add(2);
  await office.open();
  await office.clock.advance(20);
  assert.deepEqual(office.requests.map(({ ids }) => ids), [[first, second]]);
  const event = { type: "message", timestamp: office.clock.wall(), data: {} } as const;
  await office.queue.append({ ...event, id: "of-bob", user: "bob" });
  for (const channel of await office.engine.log.list()) {
    await office.engine.log.redact(channel, { from: "ann" });
  }
  office.answer = () => ({ status: 204 });
  await office.clock.advance(60_000);
  assert.deepEqual(office.taken, ["of-bob"]);
  assert.equal(office.courier!.open, 0);
  await office.close();
  assert.equal(await office.queue.waiting(), 0);
});

Deno.test("courier: an event whose user is erased while it is sent becomes no dead letter", async () => {
  const office = new Office({ retry: { attempts: 1, minDelay: 1000, maxDelay: 1000, maxAge: 60_000 } });
  office.answer = async () => {
    for (const channel of await office.engine.log.list()) {
      await office.engine.log.redact(channel, { from: "ann" });
    }
    return REFUSED;
  };
  await office.add();
  await office.open();
  await office.clock.advance(5000);
  assert.equal(office.requests.length, 1);
  assert.deepEqual((await office.queue.dead(0, 10)).letters, []);
  await office.close();
  assert.equal(await office.queue.waiting(), 0);
});

Deno.test("webhook queue: all dead letters are counted, and none that was sent again", async () => {
  const office = new Office();
  const event = { type: "message", user: "ann", timestamp: office.clock.wall(), data: {} } as const;
  for (let i = 0; i < 1100; i++) {
    const letter = { attempts: 1, failure: "status 400", at: office.clock.wall() };
    await office.queue.bury({ offset: i + 1, event: { ...event, id: `evt_${i}` } }, letter);
  }
  assert.equal(await office.queue.countDead(), 1100);
  assert.equal(await office.queue.revive(1), true);
  assert.equal(await office.queue.countDead(), 1099);
  await office.close();
});
