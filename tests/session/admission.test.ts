import assert from "node:assert/strict";
import { Admission, hostOf } from "../../src/session/admission.ts";
import { authenticated, memoryNode, settle, type TestPeer, testSettings } from "./support.ts";

Deno.test("admission: connections are limited by address, by node and by rate, and counted down again", () => {
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

Deno.test("admission: the host of an address is the address without its port, IPv6 by its /64", () => {
  assert.equal(hostOf("127.0.0.1:80"), "127.0.0.1");
  assert.equal(hostOf("::ffff:10.1.2.3:80"), "10.1.2.3");
  assert.equal(hostOf("[2001:db8:1:2:3:4:5:6]:80"), "2001:db8:1:2::/64");
  assert.equal(hostOf("2001:db8:1:2:9:9:9:9:80"), "2001:db8:1:2::/64");
  assert.equal(hostOf("[::1]:80"), "0:0:0:0::/64");
});

Deno.test("admission: another configuration's rates hold at once, also for addresses and users that are connected", () => {
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

Deno.test("admission: a configuration that leaves the rates as they were forgives no debt", () => {
  const slow = { messagesPerSecond: 1, messageBurst: 1, bytesPerSecond: 0, byteBurst: 0 };
  const make = () =>
    testSettings({
      perIp: { connections: 9, rate: 1, burst: 1 },
      rates: { connection: slow, user: { ...slow } },
    });
  let settings = make();
  const admission = new Admission(() => settings);
  admission.badHandshake("a", 0);
  admission.acquireUser("ann", 0).charge(100, 0);
  settings = make();
  assert.equal(admission.admitHandshake("a", 5000), "rate_limited");
  assert.ok(admission.acquireUser("ann", 0).charge(1, 0) > 0);
});

Deno.test("admission: packets with a forged address do not keep its owner out over TCP", () => {
  const settings = testSettings({ perIp: { connections: 9, rate: 1, burst: 5 } });
  const admission = new Admission(() => settings);
  for (let i = 0; i < 5; i++) assert.equal(admission.admitHandshake("a", 0, true), undefined);
  assert.equal(admission.admitHandshake("a", 0, true), "rate_limited");
  assert.equal(admission.admitHandshake("a", 0), undefined);
  // Who is there and does wrong pays on both.
  admission.badHandshake("b", 0);
  assert.equal(admission.admitHandshake("b", 0, true), "rate_limited");
  assert.equal(admission.admitHandshake("b", 0), "rate_limited");
});

Deno.test("admission: an address and a user are forgotten when they have no connection and owe nothing, not before", () => {
  const slow = { messagesPerSecond: 1, messageBurst: 5, bytesPerSecond: 0, byteBurst: 0 };
  const settings = testSettings({
    perIp: { connections: 9, rate: 1, burst: 5 },
    rates: { connection: slow, user: slow },
  });
  const admission = new Admission(() => settings);
  const size = (now: number) => {
    admission.sweep(now);
    const { addresses, users } = admission.size;
    return [addresses, users];
  };
  admission.acquire("a", 0);
  for (let i = 0; i < 5; i++) admission.admitHandshake("a", 0);
  admission.acquireUser("ann", 0).charge(1, 0);
  assert.deepEqual(size(60_000), [1, 1], "there are connections");
  admission.badHandshake("a", 60_000);
  for (let i = 0; i < 8; i++) admission.acquireUser("ann", 60_000).charge(1, 60_000);
  admission.release("a");
  for (let i = 0; i < 9; i++) admission.releaseUser("ann");
  assert.deepEqual(size(61_000), [1, 1], "they owe something");
  assert.equal(admission.admitHandshake("a", 61_000), "rate_limited");
  assert.deepEqual(size(80_000), [0, 0]);
  // What an unproved handshake used up is a debt as well, and of a rate of its own.
  for (let i = 0; i < 5; i++) admission.admitHandshake("b", 80_000, true);
  assert.deepEqual(size(81_000), [1, 0]);
  assert.equal(admission.admitHandshake("b", 81_000), undefined);
  assert.deepEqual(size(90_000), [0, 0]);
});

const BURST = { perIp: { connections: 100, rate: 1, burst: 15 } };

for (
  const [what, send] of [
    ["a token that is refused", (peer: TestPeer) => peer.send("auth_request", { token: "bad:ann" })],
    ["a request that is malformed", (peer: TestPeer) => peer.send("auth_request", { token: 7 })],
    ["a frame that is none", (peer: TestPeer) => peer.peer.sendRaw("{nonsense")],
  ] as const
) {
  Deno.test(`admission: ${what} counts against its address as ten connections, and against no other`, async () => {
    const node = memoryNode({ settings: BURST });
    const admitted = (address: string) => {
      let count = 0;
      while (node.sessions.admitHandshake(address) === undefined) count++;
      return count;
    };
    await send(node.connect("192.0.2.1:1"));
    assert.equal(admitted("192.0.2.1:2"), 5);
    assert.equal(admitted("192.0.2.2:2"), 15);
    await node.advance(20_000);
    assert.equal(admitted("192.0.2.1:2"), 15);
  });
}

Deno.test("admission: a token that has expired, and one that is accepted, cost an address nothing", async () => {
  const node = memoryNode({ settings: BURST });
  await node.connect("192.0.2.1:1").send("auth_request", { token: "old:ann" });
  await node.connect("192.0.2.1:1").send("auth_request", { token: "ok:ann" });
  for (let i = 0; i < 15; i++) assert.equal(node.sessions.admitHandshake("192.0.2.1:2"), undefined);
});

const few = (maxConnections: number, strangers: number) => ({
  maxConnections,
  preAuth: { maxBytes: 8192, maxStreams: 1, maxConnections: strangers },
});

Deno.test("strangers: when too many do not authenticate, the oldest gives way and may come back", async () => {
  const node = memoryNode({ settings: few(100, 3) });
  const known = await authenticated(node);
  const strangers = [node.connect(), node.connect(), node.connect()];
  await settle();
  assert.equal(node.sessions.connections.size, 4);
  const newest = node.connect();
  const { code } = await strangers[0]!.peer.closed;
  assert.equal(code, 3013);
  assert.equal(strangers[0]!.of("close")[0]!.payload.reconnect, true);
  assert.equal((await newest.send("auth_request", { token: "ok:bob" }))?.type, "auth_response");
  assert.equal((await strangers[1]!.send("auth_request", { token: "ok:cat" }))?.type, "auth_response");
  assert.equal((await known.send("auth_refresh", { token: "ok:ann" }))?.type, "auth_response");
});

Deno.test("strangers: a flood of them keeps nobody out who authenticates", async () => {
  const node = memoryNode({ settings: few(20, 5) });
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 30; i++) {
      node.connect();
      await settle();
    }
    await authenticated(node, `ok:user-${round}`);
  }
  assert.equal(node.sessions.counts.attached, 10);
  assert.equal(node.sessions.connections.size, 14);
});

Deno.test("strangers: with the node full of sessions they are refused, and no session gives way", async () => {
  const node = memoryNode({ settings: few(3, 2) });
  for (const user of ["ann", "bob", "cat"]) await authenticated(node, `ok:${user}`);
  assert.deepEqual(node.sessions.admit("192.0.2.1:1"), { refused: "connection_limit" });
  assert.equal(node.sessions.counts.attached, 3);
});

Deno.test("strangers: one that had its session taken back counts as one again", async () => {
  const node = memoryNode({ settings: few(100, 1) });
  const { attach } = node.membership;
  node.membership.attach = () => Promise.reject(new Error("down"));
  const peer = node.connect();
  await peer.send("auth_request", { token: "ok:ann" });
  node.membership.attach = attach;
  node.connect();
  assert.equal((await peer.peer.closed).code, 3013);
});
