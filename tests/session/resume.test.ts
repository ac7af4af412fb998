import assert from "node:assert/strict";
import { CLOSES, ProtocolError } from "../../src/protocol/mod.ts";
import { authenticated, handlers, memoryNode, settle, type TestPeer } from "./support.ts";

type Node = ReturnType<typeof memoryNode>;

const idOf = (peer: TestPeer): string => peer.of("auth_response")[0]!.payload.sessionId as string;
const resume = (node: Node, sessionId: string, token = "ok:ann") =>
  authenticated(node, token, { resume: { sessionId, channels: {} } });
const resumed = (peer: TestPeer) => peer.of("auth_response")[0]!.payload.resumed;

Deno.test("resume: a session goes on on another connection, and the earlier one ends with 3503", async () => {
  const node = memoryNode();
  const first = await authenticated(node);
  const { sessionId } = first.of("auth_response")[0]!.payload;
  const second = await authenticated(node, "ok:ann", { resume: { sessionId, channels: {} } });
  assert.equal(second.of("auth_response")[0]!.payload.resumed, true);
  assert.equal(second.of("auth_response")[0]!.payload.sessionId, sessionId);
  assert.equal((await first.peer.closed).code, 3503);
  await settle();
  assert.ok(
    !node.membership.calls.includes(`leave ${sessionId}`) &&
      !node.membership.calls.includes(`detach ${sessionId}`),
  );
});

Deno.test("resume: another user's session cannot be had", async () => {
  const node = memoryNode();
  const ann = await authenticated(node);
  const { sessionId } = ann.of("auth_response")[0]!.payload;
  const bob = await authenticated(node, "ok:bob", { resume: { sessionId, channels: {} } });
  assert.equal(bob.of("auth_response")[0]!.payload.resumed, false);
  assert.notEqual(bob.of("auth_response")[0]!.payload.sessionId, sessionId);
});

Deno.test("resume: a lost connection leaves the session for the resume window, a good-bye ends it at once", async () => {
  const node = memoryNode();
  const lost = await authenticated(node);
  const gone = await authenticated(node);
  const id = (peer: TestPeer) => peer.of("auth_response")[0]!.payload.sessionId;
  lost.peer.close(1006, "network");
  gone.peer.close(1000, "bye");
  assert.deepEqual(node.sessions.counts, { attached: 0, detached: 1 });
  assert.ok(node.membership.calls.includes(`leave ${id(gone)}`));
  assert.ok(node.membership.calls.includes(`detach ${id(lost)}`));
  await node.advance(119_000);
  assert.deepEqual(node.sessions.counts, { attached: 0, detached: 1 });
  await node.advance(1000);
  assert.ok(node.membership.calls.includes(`leave ${id(lost)}`));
  assert.deepEqual(node.sessions.counts, { attached: 0, detached: 0 });
});

Deno.test("resume: a session that the hub could not attach leaves nothing, and a resumed one waits on", async () => {
  const node = memoryNode();
  const { attach } = node.membership;
  const down = () => Promise.reject(new ProtocolError("not_available"));
  const first = await authenticated(node);
  const { sessionId } = first.of("auth_response")[0]!.payload;
  first.peer.close(1006, "network");
  node.membership.attach = down;
  const peer = node.connect();
  const resume = { sessionId, channels: {} };
  const refused = await peer.send("auth_request", { token: "ok:ann", resume });
  assert.equal(refused?.payload.name, "not_available");
  assert.deepEqual(node.sessions.counts, { attached: 0, detached: 1 });
  await peer.send("auth_request", { token: "ok:bob" });
  assert.deepEqual(node.sessions.counts, { attached: 0, detached: 1 });
  node.membership.attach = attach;
  const answer = await peer.send("auth_request", { token: "ok:ann", resume });
  assert.equal(answer?.payload.resumed, true);
  peer.peer.close(1000, "bye");
  assert.deepEqual(node.sessions.counts, { attached: 0, detached: 0 });
});

Deno.test("resume: a session that waits makes room when more wait than there may be connections", async () => {
  const node = memoryNode({ settings: { maxConnections: 3 } });
  for (let i = 0; i < 5; i++) {
    const peer = await authenticated(node, `ok:user-${i}`);
    peer.peer.close(1006);
    await settle();
  }
  assert.deepEqual(node.sessions.counts, { attached: 0, detached: 3 });
  assert.equal(node.membership.calls.filter((call) => call.startsWith("leave")).length, 2);
});

Deno.test("resume: a session that was resumed does not end when its first connection's window is over", async () => {
  const node = memoryNode({ handlers, settings: { resumeWindow: 5000 } });
  const first = await authenticated(node);
  first.peer.close(1006);
  await node.advance(4000);
  const second = await resume(node, idOf(first));
  for (let i = 0; i < 4; i++) {
    await node.advance(5000);
    assert.equal((await second.send("ping"))?.type, "pong");
  }
  assert.deepEqual(node.sessions.counts, { attached: 1, detached: 0 });
  assert.ok(!node.membership.calls.includes(`leave ${idOf(first)}`));
});

Deno.test("resume: a session waits anew each time its connection is lost, and ends after its window", async () => {
  const node = memoryNode({ settings: { resumeWindow: 5000 } });
  const first = await authenticated(node);
  const id = idOf(first);
  first.peer.close(1006);
  await node.advance(3000);
  const second = await resume(node, id);
  second.peer.close(1006);
  await node.advance(4000);
  assert.deepEqual(node.sessions.counts, { attached: 0, detached: 1 });
  await node.advance(1000);
  assert.deepEqual(node.sessions.counts, { attached: 0, detached: 0 });
  const third = await resume(node, id);
  assert.equal(resumed(third), false);
  assert.notEqual(idOf(third), id);
});

Deno.test("resume: a session ends at once with a close that tells its client not to come back", async () => {
  const node = memoryNode();
  const peer = await authenticated(node);
  assert.equal(node.sessions.disconnect("ann"), 1);
  assert.equal((await peer.peer.closed).code, CLOSES.forced.code);
  assert.deepEqual(node.sessions.counts, { attached: 0, detached: 0 });
  assert.ok(node.membership.calls.includes(`leave ${idOf(peer)}`));
  assert.equal(resumed(await resume(node, idOf(peer))), false);
});

Deno.test("resume: a session waits after a close that tells its client to come back", async () => {
  const node = memoryNode();
  const peer = await authenticated(node);
  node.sessions.disconnectTransport(["memory"]);
  assert.equal((await peer.peer.closed).code, CLOSES.transport_disabled.code);
  assert.equal(resumed(await resume(node, idOf(peer))), true);
});

Deno.test("resume: each is counted once, by what became of it", async () => {
  const node = memoryNode({ settings: { resumeWindow: 5000 } });
  const first = await authenticated(node);
  const id = idOf(first);
  assert.deepEqual(node.observer.of("resumed"), []);
  const second = await resume(node, id);
  assert.deepEqual(node.observer.of("resumed"), ["replaced"]);
  await first.peer.closed;
  second.peer.close(1006);
  await settle();
  const third = await resume(node, id);
  assert.deepEqual(node.observer.of("resumed"), ["replaced", "resumed"]);
  third.peer.close(1006);
  await node.advance(6000);
  await resume(node, id);
  assert.deepEqual(node.observer.of("resumed"), ["replaced", "resumed", "expired"]);
});

Deno.test("refresh: channels that the new token does not allow are told as refused", async () => {
  const node = memoryNode();
  const peer = await authenticated(node);
  node.membership.refresh = () => ["chat:secret"] as never;
  const answer = await peer.send("auth_refresh", { token: "ok:ann" });
  assert.deepEqual(answer?.payload.refused, { "chat:secret": "permission_denied" });
});
