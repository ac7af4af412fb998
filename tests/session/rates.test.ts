import assert from "node:assert/strict";
import fc from "fast-check";
import { RateLimit, TokenBucket } from "../../src/session/rates.ts";
import { authenticated, handlers, memoryNode, settle, type TestPeer } from "./support.ts";

const OFF = { messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 0, byteBurst: 0 };

Deno.test("rates: a bucket lets a burst pass and then says how long the debt takes", () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 5 }, 0);
  for (let i = 0; i < 5; i++) assert.equal(bucket.take(1, 0), 0);
  assert.equal(bucket.take(1, 0), 100);
  assert.equal(bucket.take(1, 200), 0);
  assert.equal(new TokenBucket({ perSecond: 0, burst: 0 }, 0).take(1e9, 0), 0, "a rate of 0 is no limit");
});

Deno.test("rates: a sender owes something as long as messages or bytes have not come back", () => {
  const settings = { messagesPerSecond: 10, messageBurst: 5, bytesPerSecond: 100, byteBurst: 500 };
  const limit = new RateLimit(settings, 0);
  assert.equal(limit.idle(0), true);
  limit.charge(300, 0);
  assert.equal(limit.idle(2900), false, "bytes are missing");
  assert.equal(limit.idle(3000), true);
  for (let i = 0; i < 5; i++) limit.charge(1, 3000);
  assert.equal(limit.idle(3400), false, "messages are missing");
  assert.equal(limit.idle(3500), true);
});

Deno.test("rates: over any time a bucket lets no more pass than its rate and its burst, when pauses are kept", () => {
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

/** Whether the peer's next message pauses the reading of its connection. Time stands still. */
async function pauses(peer: TestPeer, fill = ""): Promise<boolean> {
  let read = false;
  void peer.peer.send({ type: "ping", id: crypto.randomUUID(), timestamp: 0, payload: { fill } })
    .then(() => read = true);
  await settle();
  return !read;
}

Deno.test("rates: above its rate a connection is paused, not refused", async () => {
  const rate = { ...OFF, messagesPerSecond: 100, messageBurst: 5 };
  const node = memoryNode({ handlers, settings: { rates: { connection: rate, user: OFF } } });
  const peer = await authenticated(node);
  // One after the other, as on a stream: each one waits until the server reads on.
  const all = (async () => {
    for (let i = 0; i < 10; i++) assert.equal((await peer.send("ping"))?.type, "pong");
  })();
  for (let turn = 0; turn < 50; turn++) await settle();
  const atOnce = peer.of("pong").length;
  await node.advance(1000);
  await all;
  assert.ok(atOnce < 10, `${atOnce} of 10 were read at once`);
  assert.equal(peer.of("pong").length, 10);
});

Deno.test("rates: the connections of a user share the user's rate, those of another have their own", async () => {
  const user = { ...OFF, messagesPerSecond: 1, messageBurst: 4 };
  const node = memoryNode({ handlers, settings: { rates: { connection: OFF, user } } });
  const one = await authenticated(node), two = await authenticated(node);
  const other = await authenticated(node, "ok:bob");
  assert.deepEqual([await pauses(one), await pauses(two), await pauses(one), await pauses(two)], [
    false,
    false,
    false,
    false,
  ]);
  assert.equal(await pauses(one), true);
  assert.equal(await pauses(two), true);
  assert.equal(await pauses(other), false);
});

Deno.test("rates: a user's debt outlives the connection that made it", async () => {
  const user = { ...OFF, messagesPerSecond: 1, messageBurst: 2 };
  const node = memoryNode({ handlers, settings: { rates: { connection: OFF, user } } });
  const one = await authenticated(node);
  for (let i = 0; i < 10; i++) await pauses(one);
  one.peer.close();
  await node.advance(5000);
  assert.equal(await pauses(await authenticated(node)), true);
});

for (const whose of ["connection", "user"] as const) {
  Deno.test(`rates: the bytes of messages are charged to the rate of the ${whose}`, async () => {
    const bytes = { ...OFF, bytesPerSecond: 100, byteBurst: 2000 };
    const rates = { connection: OFF, user: OFF, [whose]: bytes };
    const node = memoryNode({ handlers, settings: { rates } });
    const peer = await authenticated(node);
    assert.equal(await pauses(peer, "x".repeat(1500)), false);
    assert.equal(await pauses(peer, "x".repeat(1500)), true, "1,500 bytes twice are above 2,000");
    await node.advance(5000);
    assert.equal(await pauses(peer), true, "100 bytes a second pay for 500 of the debt of 1,200");
    await node.advance(10_000);
    assert.equal(await pauses(peer), false);
  });
}

Deno.test("rates: datagrams before authentication are read no faster than the rate of a connection", async () => {
  const slow = { ...OFF, messagesPerSecond: 0.1, messageBurst: 2 };
  const node = memoryNode({ settings: { rates: { connection: slow, user: slow } } });
  const peer = node.connect();
  const sent = [1, 2, 3].map((id) =>
    peer.peer.sendDatagram({ type: "ping", id: `d${id}`, timestamp: 0, payload: {} })
  );
  await Promise.all(sent.slice(0, 2));
  let over = false;
  const third = sent[2]!.then(() => over = true);
  await settle();
  assert.equal(over, false, "the third is above the burst: nothing more is read");
  peer.peer.close();
  await third;
});

Deno.test("rates: what a transport could not hold back is refused, and a client that goes on is closed with 3013", async () => {
  const node = memoryNode({ handlers });
  const peer = await authenticated(node);
  const [connection] = node.sessions.connections;
  const send = () => {
    const message = { type: "ping", id: crypto.randomUUID(), timestamp: 0, payload: {} };
    void connection!.frame(JSON.stringify(message), {
      lane: 0,
      datagram: false,
      early: false,
      overflow: true,
    });
  };
  for (let i = 0; i < 100; i++) send();
  await settle();
  assert.equal(connection!.phase, "open");
  const refusals = peer.of("error");
  assert.equal(refusals.length, 100);
  assert.deepEqual(node.observer.of("dropped"), new Array(100).fill(["refused", 1]));
  for (const { payload } of refusals) {
    assert.deepEqual([payload.name, payload.temporary, payload.retryAfter], ["rate_limited", true, 2000]);
  }
  send();
  assert.equal((await peer.peer.closed).code, 3013);
  assert.equal(peer.of("close")[0]?.payload.reconnect, true);
  assert.equal(peer.of("pong").length, 0, "nothing of it was handled");
});
