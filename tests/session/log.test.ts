/** Log lines that operators look for. */

import assert from "node:assert/strict";
import { Encoded } from "../../src/protocol/mod.ts";
import { authenticated, memoryNode, settle } from "./support.ts";

const only = (lines: unknown[]): Record<string, unknown> => {
  assert.equal(lines.length, 1);
  return lines[0] as Record<string, unknown>;
};

Deno.test("log: an opened session and the end of its connection are lines that name both and say how", async () => {
  const node = memoryNode();
  const peer = await authenticated(node);
  const { sessionId, connectionId } = peer.of("auth_response")[0]!.payload;
  const names = {
    connection: connectionId,
    session: sessionId,
    user: "ann",
    transport: "memory",
    remote: "memory:0",
  };
  assert.deepEqual(only(node.observer.of("session open")), { ...names, outcome: "new" });
  await node.advance(2000);
  peer.peer.close(1006, "network");
  await settle();
  const closed = only(node.observer.of("connection closed"));
  assert.deepEqual(closed, { ...names, code: 1006, reason: "network", by: "remote", ms: 2000 });
});

Deno.test("log: a connection that the service ends is a line with the code and the reason", async () => {
  const node = memoryNode();
  const peer = await authenticated(node);
  node.sessions.disconnect("ann", undefined, "forced", "moved to another team");
  await peer.peer.closed;
  const { code, reason, detail } = only(node.observer.of("connection ending"));
  assert.deepEqual([code, reason, detail], [3508, "disconnected by the server", "moved to another team"]);
});

Deno.test("log: a handler that fails is a line with the type and the error, a refusal is none", async () => {
  const node = memoryNode({
    handlers: {
      client_list: () => {
        throw new Error("broken");
      },
      history: () => Promise.reject(new Error("broken later")),
    },
  });
  const peer = await authenticated(node);
  await peer.send("client_list");
  await peer.send("history", { channel: "chat:a" });
  await peer.send("no_such_type");
  const lines = node.observer.of("handler failed") as { type: string; user: string; error: Error }[];
  assert.deepEqual(lines.map(({ type, user, error }) => [type, user, error.message]), [
    ["client_list", "ann", "broken"],
    ["history", "ann", "broken later"],
  ]);
});

Deno.test("log: a channel that is stopped for a slow consumer is a line with the channel and what was dropped", async () => {
  const node = memoryNode({ settings: { maxOutbox: 20_000 } });
  const peer = await authenticated(node);
  const [client] = node.sessions.connections;
  peer.peer.stalled = true;
  for (let offset = 1; offset <= 100; offset++) {
    const payload = { channel: "chat:a", offset, prev: offset - 1, text: "x".repeat(300) };
    client!.send(new Encoded({ type: "chat_message", id: "m", timestamp: 1, payload }), 0);
  }
  const [line] = node.observer.of("channel stopped for a slow consumer") as Record<string, unknown>[];
  assert.equal(line!.channel, "chat:a");
  assert.ok(line!.dropped as number > 10);
});

Deno.test("log: a message that cannot be decoded is a line that does not hold its bytes", async () => {
  const node = memoryNode();
  const peer = await authenticated(node);
  await peer.peer.sendRaw("{secret: nonsense");
  const line = only(node.observer.of("malformed message"));
  assert.deepEqual([line.user, line.lane, line.datagram, line.reason], ["ann", 0, false, "not JSON"]);
  assert.ok(!JSON.stringify(line).includes("secret"));
});
