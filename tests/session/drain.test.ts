import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { FakeClock } from "../support/clock.ts";
import { memoryPair } from "../support/memory.ts";
import { authenticated, memoryNode, settle, TestPeer } from "./support.ts";

/** Whether a promise has settled. */
function watch(promise: Promise<unknown>): { over: boolean } {
  const state = { over: false };
  void promise.then(() => state.over = true);
  return state;
}

Deno.test("drain: it is over as soon as the last client has gone, and not before", async () => {
  const node = memoryNode();
  const peers = [await authenticated(node), await authenticated(node, "ok:bob")];
  const drained = watch(node.sessions.drain(60_000));
  await settle();
  peers[0]!.peer.close();
  await settle();
  assert.equal(drained.over, false);
  assert.equal(node.sessions.connections.size, 1, "the other one has its time");
  assert.deepEqual(peers[1]!.of("close"), []);
  peers[1]!.peer.close();
  await settle();
  assert.equal(drained.over, true);
});

Deno.test("drain: who is not authenticated is ended at once, and nobody waits for them", async () => {
  const node = memoryNode();
  const { peer } = await authenticated(node);
  const { server, client } = memoryPair();
  node.sessions.accept(server);
  const drained = watch(node.sessions.drain(60_000));
  await settle();
  assert.equal((await client.closed).code, 3001);
  assert.equal(drained.over, false, "the authenticated one has its time");
  peer.close();
  await settle();
  assert.equal(drained.over, true);
});

Deno.test("drain: without clients it is over at once", async () => {
  const drained = watch(memoryNode().sessions.drain(60_000));
  await settle();
  assert.equal(drained.over, true);
});

Deno.test("drain: it waits until the connections that are left have closed", async () => {
  const node = memoryNode();
  const { server, client } = memoryPair();
  const closing = Promise.withResolvers<void>();
  const close = server.close.bind(server);
  server.close = async (code, reason) => {
    await closing.promise;
    await close(code, reason);
  };
  const admitted = node.sessions.admit(server.remoteAddress);
  if ("refused" in admitted) throw new Error(admitted.refused);
  const peer = new TestPeer(client);
  node.sessions.accept(server, admitted);
  await peer.send("auth_request", { token: "ok:ann" });
  const drained = watch(node.sessions.drain(1000));
  await node.clock.advance(1000);
  await settle();
  assert.equal([...node.sessions.connections][0]?.phase, "closing");
  assert.equal(drained.over, false);
  closing.resolve();
  await settle();
  assert.equal(drained.over, true);
  assert.equal((await client.closed).code, 3001);
});

Deno.test("drain: the end waits until it is known whose a session is that was over", async () => {
  const clock = new FakeClock();
  const { commands } = new MemoryEngine({ clock });
  const released = Promise.withResolvers<boolean>();
  const node = memoryNode({
    clock,
    claims: {
      claim: (...args) => commands.claim(...args),
      release: () => released.promise,
      locate: (session) => commands.locate(session),
      onLost: (listener) => commands.onLost(listener),
    },
  });
  const { peer } = await authenticated(node);
  peer.close();
  await settle();
  const closed = watch(node.sessions.close());
  await settle();
  assert.equal(closed.over, false);
  released.resolve(true);
  await settle();
  assert.equal(closed.over, true);
});
