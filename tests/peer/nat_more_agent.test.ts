/** The checks of one connection, over a network in memory and a clock moved by hand: what changes, and what is done. */

import assert from "node:assert/strict";
import { sameAddress } from "../../src/peer/address.ts";
import { decodeStun } from "../../src/peer/stun/message.ts";
import { FakeClock } from "../support/clock.ts";
import { agent, Net } from "./memory_net.ts";

/** Two agents that have found the path between A and B. */
async function connected() {
  const clock = new FakeClock(), net = new Net(clock);
  const a = net.socket("192.0.2.1"), b = net.socket("192.0.2.2");
  const ann = agent(net, "ann", a), bob = agent(net, "bob", b);
  ann.agent.addCandidates([{ kind: "host", address: b.address }]);
  bob.agent.addCandidates([{ kind: "host", address: a.address }]);
  ann.agent.setRemote(bob.agent.local);
  bob.agent.setRemote(ann.agent.local);
  await clock.advance(1_000);
  assert.deepEqual(ann.agent.current?.remote, b.address);
  assert.deepEqual(bob.agent.current?.remote, a.address);
  const close = (): void => {
    ann.agent.close();
    bob.agent.close();
  };
  return { clock, net, ann, bob, a, b, [Symbol.dispose]: close };
}

Deno.test("ice agent: an idle path is checked often enough that no NAT forgets it", async () => {
  using pair = await connected();
  const { clock, net, a } = pair;
  net.sent.length = 0;
  await clock.advance(600_000);
  const times = net.sent.filter(({ from }) => from === a.address).map(({ at }) => at);
  const longest = Math.max(...times.slice(1).map((at, i) => at - times[i]!));
  // NATs must keep a mapping for two minutes (RFC 4787 REQ-5); many forget after 30 s.
  assert.ok(longest <= 15_000, `${longest} ms without a packet`);
  assert.ok(times.length < 900, `${times.length} packets in ten minutes`);
});

Deno.test("ice agent: a mapping that changes is taken over after a check has proved it", async () => {
  using pair = await connected();
  const { clock, net, bob, a, b } = pair;
  const moved = net.socket("192.0.2.77", 9);
  pair.ann.listen(moved);
  net.drops = (from, to) => sameAddress(from, a.address) || sameAddress(to, a.address);
  const [socket] = [bob.agent.paths[0]!.socket];
  bob.agent.suspect(socket, moved.address);
  bob.agent.doubt();
  await clock.advance(1_000);
  assert.deepEqual(bob.agent.current?.remote, moved.address);
  assert.equal(bob.agent.current.kind, "punched");
  assert.equal(b.address.port, 1);
});

Deno.test("ice agent: a stranger's address that proves nothing is not taken", async () => {
  using pair = await connected();
  const { clock, bob, a } = pair;
  bob.agent.suspect(bob.agent.paths[0]!.socket, { hostname: "198.51.100.9", port: 9 });
  await clock.advance(5_000);
  assert.deepEqual(bob.agent.current?.remote, a.address);
});

Deno.test("ice agent: a doubted path that still answers stays", async () => {
  using pair = await connected();
  const { clock, ann, b } = pair;
  ann.paths.length = 0;
  ann.agent.doubt();
  await clock.advance(2_000);
  assert.deepEqual(ann.agent.current?.remote, b.address);
  assert.deepEqual(ann.paths, []);
});

Deno.test("ice agent: addresses that replace those before lead to the new place", async () => {
  using pair = await connected();
  const { clock, net, ann, bob, b } = pair;
  const elsewhere = net.socket("192.0.2.9", 4);
  bob.listen(elsewhere);
  net.drops = (from, to) => sameAddress(from, b.address) || sameAddress(to, b.address);
  ann.agent.addCandidates([{ kind: "host", address: elsewhere.address }], true);
  ann.agent.doubt();
  await clock.advance(3_000);
  assert.deepEqual(ann.agent.current?.remote, elsewhere.address);
});

for (const share of [0.01, 0.05]) {
  Deno.test(`ice agent: ${share * 100} of a hundred packets lost at a round trip of 200 ms change no path`, async () => {
    using pair = await connected();
    const { clock, net, ann, bob } = pair;
    net.delay = 100;
    // The first answers still seem late, compared with the round trip before.
    await clock.advance(20_000);
    let count = 0;
    net.drops = () => ++count % Math.round(1 / share) === 0;
    ann.paths.length = bob.paths.length = 0;
    await clock.advance(120_000);
    assert.deepEqual([ann.paths, bob.paths], [[], []]);
  });
}

Deno.test("ice agent: a relay that does not agree at first is asked again", async () => {
  const clock = new FakeClock(), net = new Net(clock);
  const b = net.socket("192.0.2.2");
  const relay = net.socket("192.0.2.50");
  const ann = agent(net, "ann"), bob = agent(net, "bob", b);
  let asked = 0;
  ann.listen(net.socket("2001:db8::1"));
  relay.onDatagram((bytes) => {
    const message = decodeStun(bytes);
    assert.ok(message);
    const answer = message.class === "request" && ann.agent.answer(message, relay, b.address);
    if (answer) void relay.send(answer, b.address);
  });
  ann.agent.addSocket({
    socket: relay,
    relayed: true,
    permit: () => Promise.resolve(++asked > 2),
  });
  ann.agent.addCandidates([{ kind: "host", address: b.address }]);
  bob.agent.setRemote(ann.agent.local);
  ann.agent.setRemote(bob.agent.local);
  await clock.advance(5_000);
  assert.equal(asked, 3);
  assert.deepEqual(bob.agent.current?.remote, relay.address);
  ann.agent.close();
  bob.agent.close();
});

Deno.test("ice agent: a path that was dead for ten minutes is found again", async () => {
  using pair = await connected();
  const { clock, net, ann, bob, a } = pair;
  net.drops = () => true;
  await clock.advance(600_000);
  net.sent.length = 0;
  await clock.advance(60_000);
  const tries = net.sent.filter(({ from }) => from === a.address).length;
  assert.ok(tries >= 3 && tries <= 12, `${tries} checks in a minute of a path that is dead`);
  net.drops = () => false;
  await clock.advance(15_000);
  for (const { agent } of [ann, bob]) assert.equal(agent.current?.failures, 0);
});

Deno.test("ice agent: paths of networks that were left give their places to new ones", async () => {
  using pair = await connected();
  const { clock, net, ann, bob, b } = pair;
  const gone = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const elsewhere = net.socket(`198.51.100.${i}`);
    bob.listen(elsewhere);
    net.drops = (from, to) => ![from, to].some(({ hostname }) => hostname === elsewhere.address.hostname);
    ann.agent.addCandidates([{ kind: "host", address: elsewhere.address }], true);
    await clock.advance(30_000);
    assert.deepEqual(ann.agent.current?.remote, elsewhere.address, `network ${i}`);
    for (const { remote } of ann.agent.paths) gone.add(remote.hostname);
  }
  assert.ok(gone.size > 64 && ann.agent.paths.length <= 64);
  assert.equal(b.address.port, 1);
});

Deno.test("ice agent: a relay that lets the peer in no more is asked again", async () => {
  const clock = new FakeClock(), net = new Net(clock);
  const b = net.socket("192.0.2.2"), relay = net.socket("192.0.2.50");
  const ann = agent(net, "ann"), bob = agent(net, "bob", b);
  let isOpen = false;
  const asked: (boolean | undefined)[] = [];
  ann.listen(relay, true, (_, again) => {
    asked.push(again);
    isOpen = true;
    return Promise.resolve(true);
  });
  net.drops = (_, to) => to.hostname === relay.address.hostname && !isOpen;
  ann.agent.addCandidates([{ kind: "host", address: b.address }]);
  bob.agent.addCandidates([{ kind: "relayed", address: relay.address }]);
  ann.agent.setRemote(bob.agent.local);
  bob.agent.setRemote(ann.agent.local);
  await clock.advance(3_000);
  assert.equal(ann.agent.current?.failures, 0);
  assert.deepEqual(asked, [false]);
  isOpen = false;
  await clock.advance(5_000);
  assert.deepEqual(asked, [false, true]);
  assert.equal(ann.agent.current?.failures, 0);
  ann.agent.close();
  bob.agent.close();
});

Deno.test("ice agent: however late the peer begins, a direct path that NATs let through is taken and no relayed one", async () => {
  for (let start = 0; start < 4_000; start += 70) {
    const clock = new FakeClock(), net = new Net(clock), begins = clock.now() + start;
    const a = net.socket("192.0.2.1"), b = net.socket("192.0.2.2"), relay = net.socket("198.51.100.1");
    const ann = agent(net, "ann", a), bob = agent(net, "bob", b);
    ann.listen(relay, true);
    net.drops = (from, to) => {
      if (clock.now() < begins) return true;
      // The NATs let in what was sent to, the relay everything.
      if (sameAddress(from, relay.address) || sameAddress(to, relay.address)) return false;
      return !net.sent.some((one) => sameAddress(one.from, to) && sameAddress(one.to, from));
    };
    ann.agent.addCandidates([{ kind: "reflexive", address: b.address }]);
    ann.agent.setRemote(bob.agent.local);
    await clock.advance(start);
    bob.agent.addCandidates([{ kind: "reflexive", address: a.address }]);
    // The addresses are known to the peer a while before it begins to check.
    await clock.advance(100);
    bob.agent.setRemote(ann.agent.local);
    await clock.advance(3_000);
    assert.deepEqual(ann.paths.map((path) => path?.kind), ["punched"], `${start} ms`);
    ann.agent.close();
    bob.agent.close();
  }
});
