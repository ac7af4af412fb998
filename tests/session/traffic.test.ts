import assert from "node:assert/strict";
import type { Traffic } from "../../src/transport/contract.ts";
import { authenticated, handlers, memoryNode, settle } from "./support.ts";

const FIELDS = ["bytesIn", "bytesOut", "messagesIn", "messagesOut"] as const;

function sum(parts: Traffic[]): Traffic {
  const total = { bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };
  for (const part of parts) for (const field of FIELDS) total[field] += part[field];
  return total;
}

Deno.test("traffic: the sums of a transport are those of its connections, also of those that have ended", async () => {
  const node = memoryNode({ handlers });
  const peers = [await authenticated(node), await authenticated(node, "ok:bob"), await authenticated(node)];
  const connections = [...node.sessions.connections].map(({ connection }) => connection);
  for (const [i, peer] of peers.entries()) {
    for (let n = 0; n <= i; n++) await peer.send("ping", { fill: "x".repeat(100 * n) });
  }
  for (const { traffic } of connections) {
    for (const field of FIELDS) assert.ok(traffic[field] > 0, field);
    assert.notEqual(traffic.bytesIn, traffic.bytesOut);
  }
  const expected = () => sum(connections.map(({ traffic }) => traffic));
  assert.deepEqual(node.sessions.traffic().memory, expected());
  for (const peer of peers) {
    peer.peer.close();
    await settle();
    assert.deepEqual(node.sessions.traffic().memory, expected());
  }
  assert.deepEqual(node.sessions.traffic().quic, sum([]));
});
