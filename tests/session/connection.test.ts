import assert from "node:assert/strict";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { memoryPair } from "../support/memory.ts";
import { authenticated, handlers, memoryNode, settle, TestPeer } from "./support.ts";

/** A client whose connection takes until `closed` to close, and what the session was told of it. */
async function slowToClose() {
  const node = memoryNode({ handlers });
  const { server, client } = memoryPair();
  const closed = Promise.withResolvers<void>();
  const close = server.close.bind(server);
  server.close = async (code, reason) => {
    await closed.promise;
    await close(code, reason);
  };
  const admitted = node.sessions.admit(server.remoteAddress);
  if ("refused" in admitted) throw new Error(admitted.refused);
  const peer = new TestPeer(client);
  node.sessions.accept(server, admitted);
  await peer.send("auth_request", { token: "ok:ann" });
  const [connection] = node.sessions.connections;
  return { node, peer, connection: connection!, closed };
}

Deno.test("connection: what its transport tells while it closes or afterwards has no effect", async () => {
  const { node, peer, connection, closed } = await slowToClose();
  connection.failed(new Error("one"), "lane");
  connection.streamLost(1, "reset");
  connection.heldBack(5000.4);
  const [held] = node.observer.of("connection held back") as { user: string; ms: number }[];
  assert.deepEqual([held!.user, held!.ms], ["ann", 5000]);
  connection.failed(new ProtocolError("bad_request"), "lane");
  await settle();
  const counts = () =>
    ["connection failure", "lane reset by the client", "connection held back", "error"].map((event) =>
      node.observer.of(event).length
    );
  assert.deepEqual(counts(), [1, 1, 1, 2]);
  assert.equal(peer.of("error").length, 1);
  node.sessions.disconnect("ann", undefined, "forced");
  assert.equal(connection.phase, "closing");
  const before = counts();
  const answered = peer.of("error").length;
  const late = async () => {
    connection.failed(new Error("late"), "lane");
    connection.failed(new ProtocolError("bad_request"), "lane");
    connection.streamLost(1, "reset");
    connection.heldBack(1);
    await connection.frame('{"type":"ping","id":"p","timestamp":0,"payload":{}}', {
      lane: 0,
      datagram: false,
      early: false,
      overflow: false,
    });
    await settle();
    assert.deepEqual(counts(), before);
    assert.equal(peer.of("error").length, answered);
    assert.equal(peer.of("pong").length, 0);
  };
  await late();
  closed.resolve();
  await peer.peer.closed;
  assert.equal(connection.phase, "closed");
  await late();
});

Deno.test("inbound: a datagram is answered by a datagram, a message by one on its lane", async () => {
  const node = memoryNode({ handlers });
  const peer = await authenticated(node);
  const answers: unknown[] = [];
  peer.peer.onMessage = ({ type, re }, lane, datagram) => answers.push([type, re, lane, datagram]);
  await peer.peer.sendDatagram({ type: "ping", id: "d", timestamp: 0, payload: {} });
  await peer.peer.send({ type: "ping", id: "m", timestamp: 0, payload: {} });
  await settle();
  assert.deepEqual(answers, [["pong", "d", 0, true], ["pong", "m", 0, false]]);
});

Deno.test("inbound: what is wrong with a datagram is counted and not answered", async () => {
  const node = memoryNode({ handlers });
  const peer = await authenticated(node);
  await peer.peer.sendDatagram({ type: "no_such_type", id: "d", timestamp: 0, payload: {} });
  await settle();
  assert.deepEqual(node.observer.of("error"), ["unknown_type"]);
  assert.deepEqual(peer.of("error"), []);
});
