/**
 * A server of the bare runtime, without any code of Skein. The ALPN of a QUIC connection, or the path of a WebSocket,
 * says what the server does with it: `echo`, `ack` (a few bytes for every KB), `sink`
 * (one byte when all has come), `broadcast`, `idle`.
 *
 * @module
 */

import { makeCertificate } from "../../support/certificate.ts";
import { clock } from "../child.ts";
import { TextLineStream } from "../lines.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const ACK = 16;
const quicWriters: WritableStreamDefaultWriter<Bytes>[] = [];
const sockets: WebSocket[] = [];
const certificate = await makeCertificate();

const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
const listener = endpoint.listen({
  cert: certificate.cert,
  key: certificate.key,
  alpnProtocols: ["echo", "ack", "sink", "broadcast", "idle"],
  maxConcurrentBidirectionalStreams: 100,
  maxConcurrentUnidirectionalStreams: 100,
  maxIdleTimeout: 120_000,
});

const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.binaryType = "arraybuffer";
  serveSocket(new URL(request.url).pathname.slice(1), socket);
  return response;
});

console.log(JSON.stringify({
  quicPort: endpoint.addr.port,
  httpPort: http.addr.port,
  hash: certificate.hash.toBase64(),
}));

void acceptConnections();
for await (const line of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
  const { kind, messages, bytes } = JSON.parse(line) as { kind: string; messages: number; bytes: number };
  if (kind === "count") {
    console.log(JSON.stringify({ quic: quicWriters.length, websocket: sockets.length }));
    continue;
  }
  const started = clock();
  await (kind === "quic" ? broadcastQuic(messages, bytes) : broadcastSockets(messages, bytes));
  console.log(JSON.stringify({ started }));
}
// Whoever measures may be killed: the server must not outlive it.
Deno.exit();

async function acceptConnections(): Promise<void> {
  for (;;) {
    const incoming = await listener.incoming();
    void (async () => {
      const connection = await incoming.accept();
      connection.closed.catch(() => {});
      for await (const stream of connection.incomingBidirectionalStreams) {
        void serveStream(connection.protocol ?? "", stream).catch(() => {});
      }
    })().catch(() => {});
  }
}

async function serveStream(mode: string, stream: Deno.QuicBidirectionalStream): Promise<void> {
  const writer = (stream.writable as WritableStream<Bytes>).getWriter();
  writer.closed.catch(() => {});
  if (mode === "broadcast") quicWriters.push(writer);
  if (mode === "idle") quicWriters.push(writer);
  const reader = (stream.readable as ReadableStream<Bytes>).getReader({ mode: "byob" });
  const isBusy = mode === "echo" || mode === "ack" || mode === "sink";
  let buffer: Bytes = new Uint8Array(isBusy ? 65536 : 1024);
  let received = 0, acknowledged = 0;
  for (;;) {
    const { value, done } = await reader.read(buffer);
    if (done) break;
    received += value.length;
    if (mode === "echo") await writer.write(value);
    else if (mode === "ack") {
      const whole = Math.floor(received / 1024);
      if (whole > acknowledged) await writer.write(new Uint8Array((whole - acknowledged) * ACK));
      acknowledged = whole;
    }
    buffer = new Uint8Array(value.buffer);
  }
  if (mode === "sink") await writer.write(Uint8Array.of(1));
  await writer.close();
}

function serveSocket(mode: string, socket: WebSocket): void {
  let received = 0;
  socket.onerror = () => {};
  if (mode === "broadcast" || mode === "idle") socket.onopen = () => sockets.push(socket);
  const ack = "a".repeat(ACK);
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (mode === "echo") socket.send(data);
    else if (mode === "ack") socket.send(ack);
    else if (mode === "sink") {
      received += (data as ArrayBuffer).byteLength;
      // The last frame is one byte longer.
      if (received % 65536 !== 0) socket.send("all");
    }
  };
}

async function broadcastQuic(messages: number, bytes: number): Promise<void> {
  const body = new Uint8Array(bytes).fill(0x61);
  for (let i = 0; i < messages; i++) await Promise.all(quicWriters.map((writer) => writer.write(body)));
}

async function broadcastSockets(messages: number, bytes: number): Promise<void> {
  const text = "a".repeat(bytes);
  for (let i = 0; i < messages; i++) {
    for (const socket of sockets) socket.send(text);
    // A WebSocket takes everything at once. To bound its buffer, wait now and then until most of it has left.
    if (i % 32 !== 31) continue;
    while (sockets.some((socket) => socket.bufferedAmount > 65536)) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
