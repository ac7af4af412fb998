import assert from "node:assert/strict";
import { Admission, hostOf } from "../../src/session/admission.ts";
import { testSettings } from "./support.ts";

Deno.test("connections are limited by address, by node and by rate, and counted down again", () => {
  const settings = testSettings({ maxConnections: 3, perIp: { connections: 2, rate: 1, burst: 3 } });
  const admission = new Admission(() => settings);
  assert.equal(admission.acquire("a", 0), undefined);
  assert.equal(admission.acquire("a", 0), undefined);
  assert.equal(admission.acquire("a", 0), "connection_limit");
  assert.equal(admission.acquire("b", 0), undefined);
  assert.equal(admission.acquire("c", 0), "connection_limit");
  admission.release("a");
  assert.equal(admission.acquire("a", 0), undefined);
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
  assert.equal(admission.acquire("a", 0), undefined);
  assert.equal(admission.acquireUser("ann", 0).charge(1, 0), 0);
  const slow = { messagesPerSecond: 1, messageBurst: 1, bytesPerSecond: 0, byteBurst: 0 };
  settings = testSettings({
    perIp: { connections: 1, rate: 1, burst: 1 },
    rates: { connection: slow, user: slow },
  });
  assert.equal(admission.admitHandshake("a", 0), undefined);
  assert.equal(admission.admitHandshake("a", 0), "rate_limited");
  assert.equal(admission.acquire("a", 0), "connection_limit", "the connection it has is still counted");
  const limit = admission.acquireUser("ann", 0);
  assert.equal(limit.charge(1, 0), 0);
  assert.ok(limit.charge(1, 0) > 0);
});
