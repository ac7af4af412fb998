import assert from "node:assert/strict";
import { type Scrubbed, Scrubs } from "../../src/engine/sqlite/scrubs.ts";
import { FakeClock, settle } from "../support/clock.ts";

/** A clock that work moves on as well: nothing else runs meanwhile. */
function busyClock() {
  const clock = new FakeClock();
  let spent = 0;
  return {
    /** What the parts see. */
    seen: {
      now: () => clock.now() + spent,
      wall: () => clock.wall(),
      after: (ms: number, fn: () => void) => clock.after(ms, fn),
    },
    clock,
    work: (ms: number) => void (spent += ms),
  };
}

function scrubs(ms: number) {
  const { clock, seen, work } = busyClock();
  const began: number[] = [];
  const took: number[] = [];
  const running = new Scrubs({
    clock: seen,
    prepare: () => Promise.resolve(),
    // deno-lint-ignore require-yield -- it is done in one step
    *run() {
      began.push(seen.now());
      work(ms);
    },
    measured: ({ worked }) => void took.push(worked),
  });
  return { clock, scrubs: running, began, took };
}

Deno.test("sqlite scrubs: one time answers all who asked before it began, and not who asked later", async () => {
  const { scrubs: each, began, took } = scrubs(0);
  await Promise.all([each.request(), each.request(), each.request()]);
  assert.equal(began.length, 1);
  await each.request();
  assert.equal(began.length, 2);
  assert.deepEqual(took, [0, 0]);
});

Deno.test("sqlite scrubs: after one as long passes without, and those who ask meanwhile share the next", async () => {
  const { clock, scrubs: each, began, took } = scrubs(400);
  const start = clock.now();
  await each.request();
  let answered = 0;
  const more = [1, 2, 3].map(() => each.request().then(() => answered++));
  await clock.advance(399);
  assert.deepEqual([began.length, answered], [1, 0]);
  await clock.advance(1);
  await Promise.all(more);
  assert.deepEqual(began, [start, start + 800]);
  assert.deepEqual(took, [400, 400]);
});

Deno.test("sqlite scrubs: a failure is for those who asked for that one alone", async () => {
  let fails = true;
  const each = new Scrubs({
    clock: new FakeClock(),
    prepare: () => Promise.resolve(),
    // deno-lint-ignore require-yield -- it is done in one step
    *run() {
      if (fails) throw new Error("disk full");
    },
  });
  await assert.rejects(Promise.all([each.request(), each.request()]), /disk full/);
  fails = false;
  await each.request();
});

Deno.test("sqlite scrubs: when the database is closed nobody waits for the rest", async () => {
  const { scrubs: each, began } = scrubs(400);
  await each.request();
  const next = each.request();
  // It is resting by then.
  for (let i = 0; i < 5; i++) await Promise.resolve();
  each.close();
  await next;
  assert.equal(began.length, 2);
});

Deno.test("sqlite scrubs: the work is done in slices, and others have the process for twice as long after each", async () => {
  const { clock, seen, work } = busyClock();
  const steps: number[] = [];
  const told: Scrubbed[] = [];
  const each = new Scrubs({
    clock: seen,
    prepare: () => Promise.resolve(),
    *run(isSpent) {
      for (let step = 0; step < 7; step++) {
        // Two steps to a slice.
        work(3);
        steps.push(clock.now());
        assert.equal(isSpent(), step % 2 === 1);
        yield;
      }
    },
    measured: (scrubbed) => void told.push(scrubbed),
  });
  const start = clock.now();
  const done = each.request();
  for (const [at, count] of [[0, 2], [11, 2], [12, 4], [24, 6], [36, 7]] as const) {
    await clock.advance(start + at - clock.now());
    assert.equal(steps.length, count, `after ${at} ms`);
  }
  await done;
  assert.deepEqual(told, [{ ms: 36 + 21, worked: 21, longest: 6 }]);
});

Deno.test("sqlite scrubs: one that is under way when the database is closed fails at once", async () => {
  const { seen, work } = busyClock();
  let steps = 0, isOpen = true;
  const each = new Scrubs({
    clock: seen,
    prepare: () => Promise.resolve(),
    *run() {
      for (; steps < 100; steps++) {
        if (!isOpen) throw new Error("closed");
        work(10);
        yield;
      }
    },
    measured: () => assert.fail("it is told of one that came to no end"),
  });
  const done = assert.rejects(each.request(), /closed/);
  for (let i = 0; i < 5; i++) await Promise.resolve();
  isOpen = false;
  await each.close();
  await done;
  assert.equal(steps, 1);
});

Deno.test("sqlite scrubs: the end waits for what has been asked for", async () => {
  const { seen } = busyClock();
  const prepared = Promise.withResolvers<void>();
  let runs = 0;
  const each = new Scrubs({
    clock: seen,
    prepare: () => prepared.promise,
    // deno-lint-ignore require-yield -- it is done in one step
    *run() {
      runs++;
      throw new Error("closed");
    },
  });
  const done = assert.rejects(each.request(), /closed/);
  let isOver = false;
  const closed = each.close().then(() => isOver = true);
  await settle();
  assert.equal(isOver, false);
  prepared.resolve();
  await closed;
  assert.equal(runs, 1);
  await done;
});
