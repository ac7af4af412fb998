import assert from "node:assert/strict";
import fc from "fast-check";
import { createRateLimiter } from "../../src/quic/mod.ts";

const at = (hostname: string) => ({ hostname, port: 1 });
const URL_ = new URL("https://localhost/");

Deno.test("rate limiter: a burst passes, then the rate, each address for itself", () => {
  let now = 0;
  const { connection } = createRateLimiter({
    connections: { perAddress: { perSecond: 2, burst: 3 } },
    now: () => now,
  });
  const passed = (hostname: string, tries: number): number => {
    let count = 0;
    for (let i = 0; i < tries; i++) if (connection!(at(hostname))) count++;
    return count;
  };
  assert.equal(passed("192.0.2.1", 10), 3);
  assert.equal(passed("192.0.2.2", 10), 3);
  now += 1000;
  assert.equal(passed("192.0.2.1", 10), 2);
  now += 60_000;
  assert.equal(passed("192.0.2.1", 10), 3);
});

Deno.test("rate limiter: the global rate bounds all addresses together", () => {
  const { connection } = createRateLimiter({
    connections: { global: { perSecond: 1, burst: 5 } },
    now: () => 0,
  });
  let count = 0;
  for (let i = 0; i < 20; i++) if (connection!(at(`192.0.2.${i}`))) count++;
  assert.equal(count, 5);
});

Deno.test("rate limiter: who is refused by one rate is not charged by the other", () => {
  const { connection } = createRateLimiter({
    connections: { perAddress: { perSecond: 1, burst: 1 }, global: { perSecond: 1, burst: 2 } },
    now: () => 0,
  });
  for (let i = 0; i < 5; i++) connection!(at("192.0.2.1"));
  assert.equal(connection!(at("192.0.2.2")), true);
});

Deno.test("rate limiter: waits grow by the rate up to maxWait", () => {
  const { request } = createRateLimiter({
    requests: { perAddress: { perSecond: 10, burst: 1 } },
    maxWait: 250,
    now: () => 0,
  });
  const waits = Array.from({ length: 5 }, () => request!(at("192.0.2.1"), URL_));
  assert.deepEqual(waits, [0, 100, 200, Infinity, Infinity]);
});

Deno.test("rate limiter: an IPv6 network of 64 bits is one peer", () => {
  const { connection } = createRateLimiter({
    connections: { perAddress: { perSecond: 1, burst: 1 } },
    now: () => 0,
  });
  assert.equal(connection!(at("2001:db8:0:1::1")), true);
  for (
    const same of ["2001:db8:0:1::2", "2001:0db8:0:1:ffff::", "2001:db8:0:1:a:b:c:d", "2001:db8::1:0:0:0:7"]
  ) {
    assert.equal(connection!(at(same)), false, same);
  }
  assert.equal(connection!(at("2001:db8:0:2::1")), true);
  assert.equal(connection!(at("::1")), true);
});

Deno.test("rate limiter: debts are not forgotten when ten thousand other addresses come", () => {
  let now = 0;
  const { request } = createRateLimiter({
    requests: { perAddress: { perSecond: 1, burst: 1 } },
    maxWait: 1_000_000,
    now: () => now,
  });
  for (let i = 0; i < 100; i++) request!(at("192.0.2.1"), URL_);
  for (let i = 0; i < 30_000; i++) request!(at(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`), URL_);
  now += 10_000;
  assert.equal(request!(at("192.0.2.1"), URL_), 90_000);
});

Deno.test("rate limiter: what is not limited has no hook", () => {
  assert.deepEqual(Object.keys(createRateLimiter({ streams: {} })), ["stream"]);
});

Deno.test("rate limiter: bad rates are refused", () => {
  for (const rate of [{ perSecond: 0 }, { perSecond: -1 }, { perSecond: NaN }, { perSecond: 1, burst: 0 }]) {
    assert.throws(() => createRateLimiter({ requests: { perAddress: rate } }), RangeError);
    assert.throws(() => createRateLimiter({ requests: { global: rate } }), RangeError);
  }
});

Deno.test("rate limiter: no more than rate and burst pass in any time", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.nat(200), { minLength: 1, maxLength: 200 }),
      (perSecond, burst, steps) => {
        let now = 0;
        const { connection } = createRateLimiter({
          connections: { perAddress: { perSecond, burst } },
          now: () => now,
        });
        let passed = 0;
        for (const step of steps) {
          now += step;
          if (connection!(at("192.0.2.1"))) passed++;
        }
        assert.ok(passed <= burst + (now * perSecond) / 1000 + 1e-6);
      },
    ),
    { numRuns: 200 },
  );
});
