import assert from "node:assert/strict";
import fc from "fast-check";
import { TokenBucket } from "../../src/session/rates.ts";

Deno.test("a bucket lets a burst pass and then says how long the debt takes", () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 5 }, 0);
  for (let i = 0; i < 5; i++) assert.equal(bucket.take(1, 0), 0);
  assert.equal(bucket.take(1, 0), 100);
  assert.equal(bucket.take(1, 200), 0);
  assert.equal(new TokenBucket({ perSecond: 0, burst: 0 }, 0).take(1e9, 0), 0, "a rate of 0 is no limit");
});

Deno.test("over any time a bucket lets no more pass than its rate and its burst, when pauses are kept", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 100 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      (perSecond, burst, amounts) => {
        const bucket = new TokenBucket({ perSecond, burst }, 0);
        let now = 0, passed = 0;
        for (const amount of amounts) {
          const wait = bucket.take(amount, now);
          passed += amount;
          now += wait;
          assert.ok(passed <= burst + (now / 1000) * perSecond + 1e-6);
        }
      },
    ),
    { numRuns: 200 },
  );
});
