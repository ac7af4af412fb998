/** A wall clock that steps, and a process that stands still: neither is the clients' fault. */

import assert from "node:assert/strict";
import { LoopPauses } from "../../src/session/loop_pauses.ts";
import { authenticated, handlers, memoryNode, settle } from "./support.ts";

const STEPS = [["back an hour", -3_600_000], ["ahead 20 s", 20_000], ["ahead a day", 86_400_000]] as const;
const SLOW = { messagesPerSecond: 10, messageBurst: 5, bytesPerSecond: 0, byteBurst: 0 };

for (const [how, step] of STEPS) {
  Deno.test(`clock: a wall clock that steps ${how} closes no connection`, async () => {
    const node = memoryNode({ handlers });
    const peer = await authenticated(node);
    const stranger = node.connect();
    node.clock.set(step);
    await node.advance(3000);
    assert.equal((await peer.send("ping"))?.type, "pong");
    assert.equal((await stranger.send("ping"))?.type, "pong");
    await node.advance(7000);
    assert.equal((await stranger.peer.closed).code, 3506, "its own time to authenticate goes on");
    assert.equal((await peer.send("ping"))?.type, "pong");
  });

  Deno.test(`clock: rates go on when the wall clock steps ${how}`, async () => {
    const node = memoryNode({ handlers, settings: { rates: { connection: SLOW, user: SLOW } } });
    const peer = await authenticated(node);
    for (let i = 0; i < 20; i++) {
      if (i === 10) node.clock.set(step);
      const sent = peer.send("ping");
      await node.clock.advance(100);
      assert.equal((await sent)?.type, "pong");
    }
  });

  Deno.test(`clock: new connections are admitted as before when the wall clock steps ${how}`, async () => {
    const node = memoryNode({ settings: { perIp: { connections: 100, rate: 1, burst: 2 } } });
    const admit = () => node.sessions.admitHandshake("192.0.2.1:1");
    assert.deepEqual([admit(), admit(), admit()], [undefined, undefined, "rate_limited"]);
    node.clock.set(step);
    assert.equal(admit(), "rate_limited", "a step gives no credit");
    await node.advance(1000);
    assert.equal(admit(), undefined, "and takes none");
  });

  Deno.test(`clock: a session waits for its window when the wall clock steps ${how}`, async () => {
    const node = memoryNode({ settings: { resumeWindow: 5000 } });
    const peer = await authenticated(node);
    peer.peer.close(1006);
    node.clock.set(step);
    await node.advance(4000);
    assert.deepEqual(node.sessions.counts, { attached: 0, detached: 1 });
    await node.advance(1000);
    assert.deepEqual(node.sessions.counts, { attached: 0, detached: 0 });
  });
}

Deno.test("clock: a token ends by the wall clock", async () => {
  const node = memoryNode();
  const peer = await authenticated(node, "ok:ann:60000");
  node.clock.set(60_000);
  await node.advance(1000);
  assert.equal((await peer.peer.closed).code, 3005);
});

Deno.test("clock: last activity is told in time of day, as the wall clock says now", async () => {
  const node = memoryNode();
  await authenticated(node);
  const [connection] = node.sessions.connections;
  await node.advance(3000);
  node.clock.set(-1000);
  assert.equal(connection!.lastActivity, node.clock.wall() - 3000);
});

Deno.test("pause: a client that is not read for the service's own pause is not ended", async () => {
  const node = memoryNode({ handlers });
  const peer = await authenticated(node);
  const stranger = node.connect();
  await node.advance(5000);
  node.clock.sleep(30_000);
  node.sessions.sweep();
  assert.equal(node.sessions.connections.size, 2);
  await node.advance(3000);
  assert.equal(node.sessions.connections.size, 2);
  assert.equal((await peer.send("ping"))?.type, "pong");
  await node.advance(1000);
  assert.equal((await stranger.peer.closed).code, 3506, "the pause is left out, the rest counts");
  assert.equal(node.sessions.connections.size, 1);
});

Deno.test("pause: many short ones count as one long one", async () => {
  const node = memoryNode();
  const peer = await authenticated(node);
  for (let i = 0; i < 9; i++) {
    node.clock.sleep(1900);
    node.sessions.sweep();
  }
  assert.equal(node.sessions.connections.size, 1);
  await node.advance(1000);
  assert.equal((await peer.peer.closed).code, 3012);
});

Deno.test("pause: a session that could not be resumed meanwhile waits longer", async () => {
  const node = memoryNode({ settings: { resumeWindow: 5000 } });
  const peer = await authenticated(node);
  const { sessionId } = peer.of("auth_response")[0]!.payload;
  peer.peer.close(1006);
  await node.advance(2000);
  node.clock.sleep(60_000);
  node.sessions.sweep();
  const back = await authenticated(node, "ok:ann", { resume: { sessionId, channels: {} } });
  assert.equal(back.of("auth_response")[0]!.payload.resumed, true);
});

Deno.test("pause: a long one is a log line, and sweeps that are a little late are none", async () => {
  const node = memoryNode();
  await node.advance(2000);
  node.clock.sleep(1040);
  node.sessions.sweep();
  assert.deepEqual(node.observer.of("event loop paused"), []);
  node.clock.sleep(4000);
  node.sessions.sweep();
  assert.deepEqual(node.observer.of("event loop paused"), [{ ms: 3000 }]);
  await settle();
});

Deno.test("pause: only the part of a pause that comes after a moment counts for it, and the longest are remembered", () => {
  const pauses = new LoopPauses();
  assert.equal(pauses.tick(1000), 0);
  assert.equal(pauses.tick(2040), 0, "timers are not exact");
  // Expected at 3040.
  assert.equal(pauses.tick(8040), 5000);
  assert.deepEqual([0, 3040, 6040, 8040, 9000].map((since) => pauses.after(since)), [5000, 5000, 2000, 0, 0]);
  let now = 8040;
  for (let i = 0; i < 200; i++) pauses.tick(now += 1100);
  // 64 are kept: the longest, and 63 of those that took 100 ms each.
  assert.equal(pauses.after(0), 5000 + 63 * 100);
});
