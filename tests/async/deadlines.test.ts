import assert from "node:assert/strict";
import fc from "fast-check";
import { deferred } from "../../src/async/deferred.ts";
import { Deadlines } from "../../src/async/deadlines.ts";
import type { Timers } from "../../src/async/timers.ts";

/** Timers and a clock that go on when they are told to. */
class ManualTime implements Timers {
  now = 0;
  readonly pending = new Map<() => void, number>();

  after(ms: number, fn: () => void): () => void {
    this.pending.set(fn, this.now + ms);
    return () => void this.pending.delete(fn);
  }

  pass(ms: number): void {
    this.now += ms;
    for (const [fn, at] of [...this.pending]) {
      if (at <= this.now && this.pending.delete(fn)) fn();
    }
  }
}

Deno.test("deadlines: each wait ends in its own time, with one timer for all and none when nobody waits", async () => {
  const step = fc.record({ pass: fc.integer({ min: 0, max: 60 }), settle: fc.integer({ min: 0, max: 20 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
      const time = new ManualTime();
      const deadlines = new Deadlines(100, time, () => time.now);
      const waits: { begun: number; over: string | undefined; work: ReturnType<typeof deferred<string>> }[] =
        [];
      for (const { pass, settle } of steps) {
        const wait = { begun: time.now, over: undefined as string | undefined, work: deferred<string>() };
        waits.push(wait);
        deadlines.wait(wait.work.promise, () => new Error("late")).then(
          (value) => wait.over = value,
          (error) => wait.over = (error as Error).message,
        );
        waits[settle]?.work.resolve("done");
        await flush();
        time.pass(pass);
        await flush();
        assert.ok(time.pending.size <= 1);
        for (const { begun, over } of waits) {
          if (time.now - begun >= 100) assert.notEqual(over, undefined);
          else assert.notEqual(over, "late");
        }
        const waiting = waits.filter(({ over }) => over === undefined).length;
        assert.equal(time.pending.size, waiting > 0 ? 1 : 0);
      }
      time.pass(100);
      await flush();
      assert.ok(waits.every(({ over }) => over !== undefined));
      assert.equal(time.pending.size, 0);
    }),
    { numRuns: 200 },
  );
});

Deno.test("deadlines: a rejection is passed on, and one that comes late is nobody's", async () => {
  const time = new ManualTime();
  const deadlines = new Deadlines(100, time, () => time.now);
  await assert.rejects(
    deadlines.wait(Promise.reject(new Error("failed")), () => new Error("late")),
    /failed/,
  );
  const work = deferred<void>();
  const waited = deadlines.wait(work.promise, () => new Error("late"));
  time.pass(100);
  await assert.rejects(waited, /late/);
  work.reject(new Error("failed later"));
  await flush();
});

async function flush(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}
