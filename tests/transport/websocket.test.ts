import assert from "node:assert/strict";
import { Encoded } from "../../src/protocol/mod.ts";
import { Outbox } from "../../src/session/outbox.ts";
import { startTestService } from "../support/service.ts";
import {
  type ConnectionSink,
  DenoServerWebSocket,
  WebSocketMessageConnection,
} from "../../src/transport/mod.ts";

Deno.test("websocket: a connection whose sender is always a little ahead of its rate keeps nothing of what was handled", async () => {
  const socket = { bufferedAmount: 0, readyState: 1, send() {}, close() {} } as unknown as WebSocket;
  const connection = new WebSocketMessageConnection(new DenoServerWebSocket(socket), "peer:1", {
    maxFrame: 1000,
  });
  const seen: string[] = [];
  const sink: ConnectionSink = {
    frame: (data) => {
      seen.push(data as string);
      return new Promise((resolve) => queueMicrotask(resolve));
    },
    ended: () => {},
    failed: (error) => {
      throw error;
    },
    heldBack: () => {},
    streamLost: () => {},
    migrated: () => {},
  };
  connection.start(sink, { take: () => undefined, reroute: () => {}, laneLost: () => {} });
  let longest = 0;
  const push = Array.prototype.push;
  const sent: string[] = [];
  try {
    // The queue is the connection's own: its length shows where it grows.
    Array.prototype.push = function (...items) {
      const length = push.apply(this, items);
      if (this !== seen && this !== sent && typeof items[0]?.data === "string") {
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

Deno.test("websocket: text counts in bytes of UTF-8, in what is measured and in what is limited", async () => {
  const texts = ["plain", "naïve", "слово", "語", "👋🏽", ""];
  const bytesOf = (text: string) => new TextEncoder().encode(text).length;
  const total = texts.reduce((sum, text) => sum + bytesOf(text), 0);
  const out: unknown[] = [];
  const send = (data: unknown) => void out.push(data);
  const socket = { bufferedAmount: 0, readyState: 1, send, close() {} } as unknown as WebSocket;
  const connection = new WebSocketMessageConnection(new DenoServerWebSocket(socket), "peer:1", {
    maxFrame: 11,
  });
  const sizes: (number | undefined)[] = [];
  const failures: unknown[] = [];
  const message = new Encoded({ type: "pong", id: "p", timestamp: 0, payload: { text: texts.join() } });
  const waiting = [{ message, lane: 0, size: 0 }];
  connection.start({
    frame: (_data, _arrival, size) => void sizes.push(size),
    ended: () => {},
    failed: (error) => void failures.push(error),
    heldBack: () => {},
    streamLost: () => {},
    migrated: () => {},
  }, { take: () => waiting.shift(), reroute: () => {}, laneLost: () => {} });
  const receive = (data: string) => socket.onmessage!({ data } as MessageEvent);
  for (const text of texts) receive(text);
  assert.deepEqual(sizes, texts.map(bytesOf));
  assert.equal(connection.traffic.bytesIn, total);
  receive("ж".repeat(6));
  assert.equal(failures.length, 1, "12 bytes are above 11");
  connection.wake();
  await Promise.resolve();
  assert.deepEqual(out, [message.text()]);
  assert.equal(connection.traffic.bytesOut, bytesOf(message.text()));
});

Deno.test("websocket: before authentication a client may send so many bytes, whatever its letters are", async () => {
  const service = await startTestService();
  try {
    const ping = (letter: string, length: number) =>
      JSON.stringify({ type: "ping", id: "p", timestamp: 0, payload: { fill: letter.repeat(length) } });
    const client = await service.dial("websocket");
    client.writeText(ping("x", 4000));
    client.writeText(ping("x", 4000));
    await client.next("pong");
    await client.next("pong");
    await client.close();
    const other = await service.dial("websocket");
    other.writeText(ping("語", 2000));
    await other.next("pong");
    other.writeText(ping("語", 2000));
    assert.equal((await other.ended()).code, 3501);
  } finally {
    await service.stop();
  }
});

Deno.test("websocket: where a peer that does not answer the close keeps its socket, it counts against its address until it has gone", async () => {
  const service = await startTestService({
    http: { websocket: "deno" },
    session: { authTimeout: "100ms", perIp: { connections: 3 } },
  });
  const { port } = service.service.addresses.http;
  const open: Deno.TcpConn[] = [];
  try {
    for (let i = 0; i < 3; i++) {
      const { status, connection } = await upgrade(port);
      assert.equal(status, 101);
      open.push(connection);
    }
    await until(async () => (await service.stats()).connections === 0);
    const refused = await upgrade(port);
    refused.connection.close();
    assert.equal(refused.status, 503);
    open.splice(0, 1)[0]!.close();
    await until(async () => {
      const { status, connection } = await upgrade(port);
      open.push(connection);
      return status === 101;
    });
  } finally {
    for (const connection of open) connection.close();
    await service.stop();
  }
});

Deno.test("websocket: a peer that never answers the close is cut, and its address is free again", async () => {
  const service = await startTestService({ session: { authTimeout: "100ms", perIp: { connections: 3 } } });
  const { port } = service.service.addresses.http;
  const open: Deno.TcpConn[] = [];
  try {
    for (let round = 0; round < 3; round++) {
      await until(async () => {
        const { status, connection } = await upgrade(port);
        open.push(connection);
        return status === 101;
      });
    }
    // Three that say nothing hold the address's three places; a fourth gets one when they have been cut.
    await until(async () => {
      const { status, connection } = await upgrade(port);
      open.push(connection);
      return status === 101;
    });
  } finally {
    for (const connection of open) connection.close();
    await service.stop();
  }
});

/** Asks for a WebSocket over a connection of its own. */
async function upgrade(port: number): Promise<{ status: number; connection: Deno.TcpConn }> {
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
}

async function until(question: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!await question()) {
    if (Date.now() > deadline) throw new Error("it did not come to that");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("websocket: while the socket is full the outbox keeps the order of priority", async () => {
  const out: string[] = [];
  const socket = {
    bufferedAmount: Number.MAX_SAFE_INTEGER,
    readyState: 1,
    send: (data: string) => void out.push(JSON.parse(data).type),
    close() {},
  } as unknown as WebSocket & { bufferedAmount: number };
  const connection = new WebSocketMessageConnection(new DenoServerWebSocket(socket), "peer:1", {
    maxFrame: 1000,
  });
  const outbox = new Outbox(1 << 20, () => "json", { stopped() {}, dropped() {}, overflow() {} });
  connection.start(
    { frame() {}, ended() {}, failed() {}, heldBack() {}, streamLost() {}, migrated() {} },
    outbox,
  );
  const push = (type: string, lane: number) => {
    outbox.push(new Encoded({ type, id: type, timestamp: 0, payload: {} }), lane);
    connection.wake();
  };
  push("file", 100);
  push("bot", 200);
  push("chat", 1);
  await Promise.resolve();
  push("document", 300);
  push("control", 0);
  assert.deepEqual(out, []);
  socket.bufferedAmount = 0;
  const deadline = performance.now() + 30_000;
  while (out.length < 5 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.deepEqual(out, ["control", "document", "chat", "bot", "file"]);
});

Deno.test("websocket: where reading cannot be paused, what comes above 256 KiB in a pause is marked for refusal", async () => {
  const socket = { bufferedAmount: 0, readyState: 1, send() {}, close() {} } as unknown as WebSocket;
  const connection = new WebSocketMessageConnection(new DenoServerWebSocket(socket), "peer:1", {
    maxFrame: 65_536,
  });
  const pause = Promise.withResolvers<void>();
  const seen: boolean[] = [];
  connection.start({
    frame: (_data, { overflow }) => {
      seen.push(overflow);
      return seen.length === 1 ? pause.promise : undefined;
    },
    ended() {},
    failed() {},
    heldBack() {},
    streamLost() {},
    migrated() {},
  }, { take: () => undefined, reroute() {}, laneLost() {} });
  const receive = () => socket.onmessage!({ data: "x".repeat(65_536) } as MessageEvent);
  for (let i = 0; i < 7; i++) receive();
  assert.deepEqual(seen, [false, true, true], "one is handled, four wait, two are too many");
  pause.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.deepEqual(seen.slice(3), [false, false, false, false], "what waited is handled after the pause");
});
