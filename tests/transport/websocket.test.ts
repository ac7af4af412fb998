import assert from "node:assert/strict";
import { startTestService } from "../support/service.ts";
import { type ConnectionSink, WebSocketMessageConnection } from "../../src/transport/mod.ts";

Deno.test("a WebSocket whose sender is always a little ahead of its rate keeps nothing of what was handled", async () => {
  const socket = { bufferedAmount: 0, readyState: 1, send() {}, close() {} } as unknown as WebSocket;
  const connection = new WebSocketMessageConnection(socket, "peer:1", { maxFrame: 1000 });
  const seen: string[] = [];
  const sink: ConnectionSink = {
    frame: (data) => {
      seen.push(data as string);
      return new Promise((resolve) => queueMicrotask(resolve));
    },
    closed: () => {},
    failed: (error) => {
      throw error;
    },
    migrated: () => {},
  };
  connection.start(sink, { take: () => undefined, reroute: () => {} });
  let longest = 0;
  const push = Array.prototype.push;
  const sent: string[] = [];
  try {
    // The queue is the connection's own: its length shows where it grows.
    Array.prototype.push = function (...items) {
      const length = push.apply(this, items);
      if (this !== seen && this !== sent && typeof items[0] === "string" && items[0].startsWith("m")) {
        longest = Math.max(longest, length);
      }
      return length;
    };
    for (let i = 0; i < 5000; i++) {
      const text = `m${i}`;
      sent.push(text);
      socket.onmessage!({ data: text } as MessageEvent);
      // Two are always waiting.
      while (sent.length - seen.length > 2) await Promise.resolve();
    }
    while (seen.length < sent.length) await Promise.resolve();
  } finally {
    Array.prototype.push = push;
  }
  assert.deepEqual(seen, sent);
  assert.ok(longest < 300, `${longest} messages were held`);
});

Deno.test("a socket whose peer never answers the close counts against its address until it has gone", async () => {
  const service = await startTestService({ session: { authTimeout: "100ms", perIp: { connections: 3 } } });
  const { port } = service.service.addresses.http;
  const upgrade = async (): Promise<{ status: number; connection: Deno.TcpConn }> => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(
      new TextEncoder().encode(
        `GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n` +
          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
      ),
    );
    const buffer = new Uint8Array(512);
    const length = await connection.read(buffer) ?? 0;
    return { status: Number(new TextDecoder().decode(buffer.subarray(9, length)).slice(0, 3)), connection };
  };
  const open: Deno.TcpConn[] = [];
  try {
    for (let i = 0; i < 3; i++) {
      const { status, connection } = await upgrade();
      assert.equal(status, 101);
      open.push(connection);
    }
    await until(async () => (await service.stats()).connections === 0);
    const refused = await upgrade();
    refused.connection.close();
    assert.equal(refused.status, 503);
    open.splice(0, 1)[0]!.close();
    await until(async () => {
      const { status, connection } = await upgrade();
      open.push(connection);
      return status === 101;
    });
  } finally {
    for (const connection of open) connection.close();
    await service.stop();
  }
});

async function until(question: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!await question()) {
    if (Date.now() > deadline) throw new Error("it did not come to that");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
