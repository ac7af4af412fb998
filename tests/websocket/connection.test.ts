import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { WebSocketOptions } from "../../src/websocket/connection.ts";
import { handshake, WebSocketConnection } from "../../src/websocket/mod.ts";
import { closePayload, frame, RawClient } from "./raw_client.ts";

const TEXT = 1, CLOSE = 8, PING = 9, PONG = 10;

interface Served {
  readonly connection: WebSocketConnection;
  readonly texts: string[];
  readonly closed: Promise<{ code: number; reason: string }>;
  overhead: number;
}

/** A server that hands out its next connection. */
async function serve(options: WebSocketOptions, deflate = false) {
  const waiting: ((served: Served) => void)[] = [];
  const server: Server = createServer();
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Uint8Array) => {
    const answer = handshake({ method: request.method ?? "", headers: request.headers }, { deflate });
    if (!answer.ok) return void socket.end(`HTTP/1.1 ${answer.status} refused\r\n\r\n`);
    socket.write(answer.head);
    const connection = new WebSocketConnection(socket, head, {
      ...options,
      deflateFrom: answer.deflate ? options.deflateFrom : undefined,
    });
    const { promise: closed, resolve } = Promise.withResolvers<{ code: number; reason: string }>();
    const served: Served = { connection, texts: [], closed, overhead: 0 };
    connection.start({
      text: (text) => served.texts.push(text),
      binary() {},
      overhead: (frames) => served.overhead += frames,
      closed: resolve,
    });
    waiting.shift()?.(served);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    async open(headers: readonly string[] = []): Promise<{ client: RawClient; served: Served }> {
      const served = new Promise<Served>((resolve) => waiting.push(resolve));
      const client = await RawClient.open(port, "/", headers);
      return { client, served: await served };
    },
    port,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

Deno.test("websocket: a paused connection is held back by its network connection", async () => {
  const server = await serve({ maxMessage: 65536 });
  const { client, served } = await server.open();
  served.connection.pause();
  const bytes = frame(TEXT, "*".repeat(60_000));
  let written = 0;
  const sending = (async () => {
    for (let i = 0; i < 400; i++) {
      await client.send(bytes);
      written++;
    }
  })();
  let before = -1;
  // Written until the buffers between are full, and no farther.
  while (written !== before) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(written < 400, "the client cannot write on");
  assert.equal(served.texts.length, 0);
  served.connection.resume();
  await sending;
  await until(() => served.texts.length === 400);
  client.close();
  await served.closed;
  await server.close();
});

Deno.test("websocket: a flood of pings is read at the rate that is allowed", async () => {
  const server = await serve({ maxMessage: 65536, overheadRate: 1000 });
  const { client, served } = await server.open();
  const many = Buffer.concat(Array.from({ length: 10_000 }, () => frame(PING)));
  let sent = 0, ended = false;
  const flood = (async () => {
    while (!ended) {
      await client.send(many);
      sent += 10_000;
    }
  })().catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 1500));
  // A burst of 5,000 and a chunk that was read whole before its pause; not the millions that a loop would read.
  assert.ok(served.overhead < 60_000, `${served.overhead} pings were read`);
  assert.ok(sent > 0);
  ended = true;
  served.connection.destroy();
  await served.closed;
  client.close();
  await flood;
  await server.close();
});

Deno.test("websocket: of pings that come together the newest are answered, in order", async () => {
  const server = await serve({ maxMessage: 65536 });
  const { client, served } = await server.open();
  await client.send(
    ...Array.from({ length: 40 }, (_, i) => frame(PING, `${i}`)),
    frame(CLOSE, closePayload(1000)),
  );
  const pongs = (await client.rest()).filter(({ opcode }) => opcode === PONG);
  const answered = pongs.map(({ payload }) => Number(new TextDecoder().decode(payload)));
  assert.deepEqual(answered.slice(-16), Array.from({ length: 16 }, (_, i) => 24 + i));
  assert.ok(answered.every((number, at) => at === 0 || number > answered[at - 1]!));
  await served.closed;
  client.close();
  await server.close();
});

Deno.test("websocket: a peer that does not answer the close is ended after the time-out", async () => {
  const server = await serve({ maxMessage: 65536 });
  const { client, served } = await server.open();
  served.connection.end(3008, "slow", 50);
  assert.deepEqual(await served.closed, { code: 3008, reason: "slow" });
  client.close();
  await server.close();
});

Deno.test("websocket: a peer that does not read is ended all the same", async () => {
  const server = await serve({ maxMessage: 65536 });
  const { client, served } = await server.open();
  for (let i = 0; i < 300; i++) served.connection.sendText("*".repeat(60_000));
  assert.ok(served.connection.bufferedAmount > 0);
  served.connection.end(3008, "slow", 50);
  assert.equal((await served.closed).code, 3008);
  assert.equal(served.connection.bufferedAmount, 0);
  client.close();
  await server.close();
});

Deno.test("websocket: a peer that goes on after a violation is read for a while and then cut", () => {
  let data: (chunk: Uint8Array) => void = () => {};
  let destroyed = 0;
  const socket = {
    writableLength: 0,
    destroyed: false,
    write: () => true,
    end: () => {},
    destroy: () => void destroyed++,
    pause() {},
    resume() {},
    cork() {},
    uncork() {},
    setNoDelay() {},
    setTimeout() {},
    on: (event: string, listener: unknown) => {
      if (event === "data") data = listener as typeof data;
      else if (event === "close") closed = listener as typeof closed;
    },
  };
  let closed: () => void = () => {};
  const connection = new WebSocketConnection(socket, new Uint8Array(), { maxMessage: 1000 });
  connection.start({ text() {}, binary() {}, closed() {} });
  data(frame(TEXT, "too long", { length: 1001 }));
  for (let i = 0; i < 256; i++) data(new Uint8Array(1024));
  assert.equal(destroyed, 0);
  data(new Uint8Array(1));
  assert.equal(destroyed, 1);
  closed();
});

Deno.test("websocket: a cut connection ends with 1006", async () => {
  const server = await serve({ maxMessage: 65536 });
  const { client, served } = await server.open();
  client.close();
  assert.equal((await served.closed).code, 1006);
  await server.close();
});

Deno.test("websocket: frames sent while corked leave together and in order", async () => {
  const server = await serve({ maxMessage: 65536 });
  const { client, served } = await server.open();
  served.connection.cork();
  for (let i = 0; i < 100; i++) served.connection.sendText(`${i}`);
  served.connection.uncork();
  for (let i = 0; i < 100; i++) {
    assert.equal(new TextDecoder().decode((await client.receive())!.payload), `${i}`);
  }
  client.close();
  await served.closed;
  await server.close();
});

Deno.test("websocket: compressed both ways when both sides say so", async () => {
  const server = await serve({ maxMessage: 100_000, deflateFrom: 512 }, true);
  const { client, served } = await server.open([
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
  ]);
  assert.match(client.head, /permessage-deflate; server_no_context_takeover; client_no_context_takeover/i);
  const text = "all the same ".repeat(1000);
  const packed = deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4);
  await client.send(frame(TEXT, packed, { rsv: 0x40 }));
  await until(() => served.texts.length === 1);
  assert.equal(served.texts[0], text);
  served.connection.sendText(text);
  const large = (await client.receive())!;
  assert.ok(large.rsv1 && large.payload.length < text.length / 10);
  const tail = Buffer.concat([large.payload, Uint8Array.of(0, 0, 255, 255)]);
  assert.equal(inflateRawSync(tail, { finishFlush: 2 }).toString(), text);
  served.connection.sendText("small");
  assert.equal((await client.receive())!.rsv1, false);
  client.close();
  await served.closed;
  await server.close();
});

Deno.test("websocket: a small message that becomes too large is refused", async () => {
  const server = await serve({ maxMessage: 10_000, deflateFrom: 512 }, true);
  const { client, served } = await server.open(["Sec-WebSocket-Extensions: permessage-deflate"]);
  const bomb = deflateRawSync(new Uint8Array(5_000_000), { finishFlush: 2 }).subarray(0, -4);
  await client.send(frame(TEXT, bomb, { rsv: 0x40 }));
  const close = (await client.rest()).find(({ opcode }) => opcode === CLOSE)!;
  assert.equal(close.payload[0]! << 8 | close.payload[1]!, 1009);
  await served.closed;
  client.close();
  await server.close();
});

Deno.test("websocket: compression that nobody offered is not used", async () => {
  const server = await serve({ maxMessage: 10_000, deflateFrom: 1 }, true);
  const { client, served } = await server.open();
  assert.doesNotMatch(client.head, /extensions/i);
  served.connection.sendText("plain".repeat(100));
  assert.equal((await client.receive())!.rsv1, false);
  client.close();
  await served.closed;
  await server.close();
});

Deno.test("websocket handshake: what is wrong is refused", async () => {
  const server = await serve({ maxMessage: 1000 });
  const good = { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": "13" };
  const key = { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" };
  const cases: readonly [headers: Record<string, string>, status: number][] = [
    [{ ...good }, 400],
    [{ ...good, "Sec-WebSocket-Key": "short" }, 400],
    [{ ...good, ...key, "Sec-WebSocket-Version": "8" }, 426],
  ];
  for (const [headers, status] of cases) {
    const conn = await Deno.connect({ port: server.port });
    const lines = Object.entries({ Host: "x", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    await conn.write(new TextEncoder().encode(`GET / HTTP/1.1\r\n${lines.join("")}\r\n`));
    const answer = new Uint8Array(100);
    await conn.read(answer);
    assert.match(new TextDecoder().decode(answer), new RegExp(`^HTTP/1.1 ${status}`));
    conn.close();
  }
  await server.close();
});
