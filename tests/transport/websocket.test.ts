import assert from "node:assert/strict";
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
