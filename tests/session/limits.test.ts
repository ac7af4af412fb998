import assert from "node:assert/strict";
import fc from "fast-check";
import { TokenBucket } from "../../src/session/bucket.ts";
import { Admission, hostOf } from "../../src/session/limits.ts";
import { testSettings } from "./support.ts";

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

Deno.test("connections are limited by address, by node and by rate, and counted down again", () => {
  const settings = testSettings({ maxConnections: 3, perIp: { connections: 2, rate: 1, burst: 3 } });
  const admission = new Admission(() => settings);
  assert.equal(admission.enter("a", 0), undefined);
  assert.equal(admission.enter("a", 0), undefined);
  assert.equal(admission.enter("a", 0), "connection_limit");
  assert.equal(admission.enter("b", 0), undefined);
  assert.equal(admission.enter("c", 0), "connection_limit");
  admission.leave("a");
  assert.equal(admission.enter("a", 0), undefined);
  for (let i = 0; i < 3; i++) assert.equal(admission.admitHandshake("a", 0), undefined);
  assert.equal(admission.admitHandshake("a", 0), "rate_limited");
  assert.equal(admission.admitHandshake("b", 0), undefined);
  assert.equal(admission.admitHandshake("a", 1000), undefined);
});

Deno.test("the host of an address is the address without its port, IPv6 by its /64", () => {
  assert.equal(hostOf("127.0.0.1:80"), "127.0.0.1");
  assert.equal(hostOf("::ffff:10.1.2.3:80"), "10.1.2.3");
  assert.equal(hostOf("[2001:db8:1:2:3:4:5:6]:80"), "2001:db8:1:2::/64");
  assert.equal(hostOf("2001:db8:1:2:9:9:9:9:80"), "2001:db8:1:2::/64");
  assert.equal(hostOf("[::1]:80"), "0:0:0:0::/64");
});

Deno.test("another configuration's rates hold at once, also for an address and a user that are connected", () => {
  let settings = testSettings({ perIp: { connections: 10, rate: 100, burst: 100 } });
  const admission = new Admission(() => settings);
  assert.equal(admission.admitHandshake("a", 0), undefined);
  assert.equal(admission.enter("a", 0), undefined);
  assert.equal(admission.user("ann", 0).charge(1, 0), 0);
  const slow = { messagesPerSecond: 1, messageBurst: 1, bytesPerSecond: 0, byteBurst: 0 };
  settings = testSettings({
    perIp: { connections: 1, rate: 1, burst: 1 },
    rates: { connection: slow, user: slow },
  });
  assert.equal(admission.admitHandshake("a", 0), undefined);
  assert.equal(admission.admitHandshake("a", 0), "rate_limited");
  assert.equal(admission.enter("a", 0), "connection_limit", "the connection it has is still counted");
  const limit = admission.user("ann", 0);
  assert.equal(limit.charge(1, 0), 0);
  assert.ok(limit.charge(1, 0) > 0);
});
