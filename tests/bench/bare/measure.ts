/**
 * Measurements of a client at the bare server.
 *
 * @module
 */

import { type Child, clock, startChild } from "../child.ts";
import { type Measure, measureTrips } from "../scenario.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What carries a bare connection. */
export type Kind = "quic" | "websocket";

const TRIP_BYTES = 128;
const ACK = 16;

function startBare(): Promise<Child> {
  return startChild(["-A", "tests/bench/bare/server.ts"]);
}

interface BareQuic {
  readonly connection: Deno.QuicConn;
  readonly writer: WritableStreamDefaultWriter<Bytes>;
  readonly reader: ReadableStreamBYOBReader;
}

async function connectQuic(server: Child, mode: string, endpoint?: Deno.QuicEndpoint): Promise<BareQuic> {
  const options: Deno.ConnectQuicOptions<false> & { serverCertificateHashes: WebTransportHash[] } = {
    hostname: "127.0.0.1",
    port: server.hello.quicPort,
    alpnProtocols: [mode],
    maxIdleTimeout: 120_000,
    serverCertificateHashes: [{ algorithm: "sha-256", value: Uint8Array.fromBase64(server.hello.hash) }],
    ...(endpoint === undefined ? {} : { endpoint }),
  };
  const connection = await Deno.connectQuic(options);
  connection.closed.catch(() => {});
  const stream = await connection.createBidirectionalStream();
  const writer = (stream.writable as WritableStream<Bytes>).getWriter();
  writer.closed.catch(() => {});
  return { connection, writer, reader: stream.readable.getReader({ mode: "byob" }) };
}

async function connectSocket(server: Child, mode: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.hello.httpPort}/${mode}`);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("the WebSocket did not open"));
  });
  return socket;
}

/** The next message of a socket. Call it before sending what is answered. */
function answerOf(socket: WebSocket): Promise<unknown> {
  return new Promise((resolve, reject) => {
    socket.onmessage = resolve;
    socket.onclose = () => reject(new Error("the WebSocket closed"));
  });
}

/** Reads `wanted` bytes and calls `onBytes` with how many came each time. */
async function readBytes(reader: ReadableStreamBYOBReader, wanted: number, size: number): Promise<void> {
  let buffer: Bytes = new Uint8Array(size);
  for (let had = 0; had < wanted;) {
    const { value, done } = await reader.read(buffer);
    if (done) throw new Error(`the stream ended after ${had} of ${wanted} bytes`);
    had += value.length;
    buffer = new Uint8Array(value.buffer as ArrayBuffer);
  }
}

/** Round trip of `size` bytes on one connection, microseconds. */
export async function roundTrip(kind: Kind, size = TRIP_BYTES): Promise<Measure> {
  await using server = await startBare();
  // The runtime's WebSocket may take 40 ms for a large message: its parts wait for one another (Nagle, delayed ACK).
  const count = size > 4_096 ? { trips: 200, warmUp: 20 } : {};
  if (kind === "websocket") {
    const socket = await connectSocket(server, "echo");
    const text = "a".repeat(size);
    return await measureTrips(() => {
      const answer = answerOf(socket);
      socket.send(text);
      return answer;
    }, count);
  }
  const { writer, reader } = await connectQuic(server, "echo");
  const bytes = new Uint8Array(size).fill(0x61);
  return await measureTrips(async () => {
    await writer.write(bytes);
    await readBytes(reader, size, size);
  });
}

/** 1 KB messages sent without waiting, each acknowledged; how many a second on one connection. */
export async function pipelined(kind: Kind, messages = 60_000): Promise<Measure> {
  await using server = await startBare();
  const run = kind === "quic" ? await pipelineQuic(server) : await pipelineSocket(server);
  await run(Math.floor(messages / 10));
  const start = performance.now();
  await run(messages);
  return { value: messages / (performance.now() - start) * 1000 };
}

async function pipelineQuic(server: Child): Promise<(messages: number) => Promise<void>> {
  const { writer, reader } = await connectQuic(server, "ack");
  // Small messages are written together, as every sender of many messages would do.
  const batch = new Uint8Array(16 * 1024).fill(0x61);
  return async (messages) => {
    const whole = Math.floor(messages / 16) * 16;
    const acks = readBytes(reader, whole * ACK, 65536);
    for (let i = 0; i < whole; i += 16) await writer.write(batch);
    await acks;
  };
}

async function pipelineSocket(server: Child): Promise<(messages: number) => Promise<void>> {
  const socket = await connectSocket(server, "ack");
  const text = "a".repeat(1024);
  return async (messages) => {
    let acks = 0;
    const all = new Promise<void>((resolve) => {
      socket.onmessage = () => {
        if (++acks === messages) resolve();
      };
    });
    for (let i = 0; i < messages; i++) {
      socket.send(text);
      while (socket.bufferedAmount > 262144) await new Promise((resolve) => setImmediate(resolve));
    }
    await all;
  };
}

/** One stream of 64 KB writes, megabytes a second until the server has all of it. */
export async function throughput(kind: Kind, writes = 6_400): Promise<Measure> {
  await using server = await startBare();
  const chunk = new Uint8Array(65536);
  let start: number;
  if (kind === "quic") {
    const { writer, reader } = await connectQuic(server, "sink");
    start = performance.now();
    for (let i = 0; i < writes; i++) await writer.write(chunk);
    await writer.close();
    await readBytes(reader, 1, 16);
  } else {
    const socket = await connectSocket(server, "sink");
    const all = answerOf(socket);
    start = performance.now();
    for (let i = 0; i < writes; i++) {
      socket.send(chunk);
      while (socket.bufferedAmount > 1 << 20) await new Promise((resolve) => setImmediate(resolve));
    }
    socket.send(new Uint8Array(1));
    await all;
  }
  return { value: writes * 65536 / 1e6 / (performance.now() - start) * 1000 };
}

/** 128-byte messages from one sender to all connections: deliveries a second. */
export async function fanOut(kind: Kind, subscribers: number, deliveries = 200_000): Promise<Measure> {
  await using server = await startBare();
  const messages = Math.ceil(deliveries / subscribers);
  let left = 0, ended = 0;
  let finish = () => {};
  const came = (count: number): void => {
    left -= count;
    if (left <= 0) {
      ended = clock();
      finish();
    }
  };
  if (kind === "quic") {
    // Each on a UDP socket of its own, as clients are.
    const connections = await many(subscribers, () => connectQuic(server, "broadcast"));
    for (const { writer, reader } of connections) {
      await writer.write(Uint8Array.of(0));
      void countBytes(reader, (bytes) => came(bytes / TRIP_BYTES));
    }
  } else {
    const sockets = await many(subscribers, () => connectSocket(server, "broadcast"));
    for (const socket of sockets) socket.onmessage = () => came(1);
  }
  await until(async () => (await server.ask({ kind: "count" }))[kind] === subscribers);
  const run = async (count: number): Promise<number> => {
    left = count * subscribers;
    const all = new Promise<void>((resolve) => finish = resolve);
    const { started } = await server.ask({ kind, messages: count, bytes: TRIP_BYTES });
    await all;
    return count * subscribers / (ended - started) * 1000;
  };
  await run(Math.ceil(messages / 10));
  return { value: await run(messages) };
}

async function countBytes(reader: ReadableStreamBYOBReader, onBytes: (count: number) => void): Promise<void> {
  try {
    for (let buffer: Bytes = new Uint8Array(4096);;) {
      const { value, done } = await reader.read(buffer);
      if (done) return;
      onBytes(value.length);
      buffer = new Uint8Array(value.buffer as ArrayBuffer);
    }
  } catch {
    // The server was ended.
  }
}

/** The cost of idle connections for the server. */
export interface IdleCost {
  /** Resident memory of one connection in KB. */
  readonly memory: Measure;
  /** Share of a core that all of them take, in percent. */
  readonly processor: Measure;
}

/** How long idle connections are looked at, in seconds. */
export interface IdleTimes {
  /** Before the memory is read, and the processor watched. The first heartbeats pay for the compiler, later ones do not. */
  readonly settle: number;
  /** While the processor is watched. */
  readonly watch: number;
}

/** Memory and processor time of `count` idle connections with one stream each. */
export async function idle(
  kind: Kind,
  count: number,
  { settle, watch }: IdleTimes = { settle: 2, watch: 0 },
): Promise<IdleCost> {
  await using server = await startBare();
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  const connect = async (): Promise<unknown> => {
    if (kind === "websocket") return await connectSocket(server, "idle");
    const connected = await connectQuic(server, "idle", endpoint);
    await connected.writer.write(Uint8Array.of(0));
    return connected;
  };
  // The first connections pay for what all share, so they are not counted.
  const kept = await many(20, connect);
  const before = await server.memory();
  kept.push(...await many(count, connect));
  // A few of ten thousand come late after a lost packet. The figure is divided by the number of those that came.
  const come = async (): Promise<number> => (await server.ask({ kind: "count" }))[kind] - 20;
  await until(async () => await come() >= count * 0.99);
  await new Promise((resolve) => setTimeout(resolve, settle * 1_000));
  const memory = { value: (await server.memory() - before) / await come() / 1024 };
  const used = await server.processorTime();
  const from = performance.now();
  await new Promise((resolve) => setTimeout(resolve, watch * 1_000));
  const share = (await server.processorTime() - used) / (performance.now() - from) * 100_000;
  return { memory, processor: { value: watch === 0 ? NaN : share } };
}

/** From starting a process to the first message echoed over WebSocket, milliseconds. */
export async function start(): Promise<Measure> {
  const begun = performance.now();
  await using server = await startChild(["-A", "tests/bench/bare/hello.ts"]);
  const socket = await connectSocket(server, "echo");
  const answer = answerOf(socket);
  socket.send("hello");
  await answer;
  return { value: performance.now() - begun };
}

/** Calls `make` `count` times, 50 at once. */
export async function many<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  for (let left = count; left > 0; left -= 50) {
    made.push(...await Promise.all(Array.from({ length: Math.min(50, left) }, make)));
  }
  return made;
}

/** Asks every 20 ms until the answer is yes; rejects after 30 s. */
export async function until(ask: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 30_000;
  while (!await ask()) {
    if (performance.now() > end) throw new Error("not within 30 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
