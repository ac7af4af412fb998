import assert from "node:assert/strict";
import fc from "fast-check";
import { coarseClock } from "../../src/async/clock.ts";
import { FakeClock } from "../support/clock.ts";

Deno.test("clock: a coarse one never goes back, and follows the forward clock through steps of the wall clock", () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 5000 }) }),
    fc.record({ op: fc.constant("set" as const), ms: fc.integer({ min: -3_600_000, max: 3_600_000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const clock = new FakeClock();
      const coarse = coarseClock(clock);
      let before = coarse.now();
      for (const { op, ms } of steps) {
        if (op === "set") clock.set(ms);
        else clock.sleep(ms);
        const now = coarse.now();
        assert.ok(now >= before);
        before = now;
        if (op === "set" && ms !== 0) assert.equal(now, clock.now());
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("clock: a coarse one asks the forward clock once for each millisecond of the wall clock", () => {
  let asked = 0, wall = 0;
  const coarse = coarseClock({ now: () => ++asked, wall: () => wall, after: () => () => {} });
  for (let i = 0; i < 1000; i++) coarse.now();
  assert.equal(asked, 1);
  wall++;
  for (let i = 0; i < 1000; i++) coarse.now();
  assert.equal(asked, 2);
});

Deno.test("fake clock: it stands still while other threads work, also when one piece of work follows another", async () => {
  const clock = new FakeClock(), began = clock.now();
  const hash = () => clock.during(crypto.subtle.digest("SHA-256", new Uint8Array(4_000_000)));
  const ended: number[] = [];
  clock.after(10, async () => {
    for (let i = 0; i < 3; i++) {
      await hash();
      ended.push(clock.now() - began);
    }
    const refused = clock.during(
      crypto.subtle.importKey("raw", new Uint8Array(1), "AES-GCM", false, ["encrypt"]),
    );
    await refused.catch(() => ended.push(clock.now() - began));
  });
  for (let i = 0; i < 10; i++) await clock.advance(10);
  assert.deepEqual(ended, [10, 10, 10, 10]);
  assert.equal(clock.now() - began, 100);
});
