/**
 * The client's scenarios with nothing but the runtime's own transports.
 *
 * @module
 */

import process from "node:process";
import { type Child, startChild } from "../child.ts";
import { type Measure, median } from "../scenario.ts";
import { bursts, countFrames, DELIVERY, framed, MESSAGES, TEXT } from "./traffic.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What carries a connection. */
export type Kind = "quic" | "webtransport" | "websocket";

/** Where a server is reached: itself, or a network before it. */
export interface Ports {
  readonly quicPort: number;
  readonly httpPort: number;
}

/** An open connection that carries texts. */
export interface BareClient {
  onText: (text: string) => void;
  send(text: string): void;
  close(): void;
}

/** A network with a round trip of `rtt` ms before a server. */
export function startPath(server: Child, rtt: number): Promise<Child> {
  return startChild(["-A", "tests/bench/client/path.ts", JSON.stringify({ ...server.hello, rtt })]);
}

/** The bare server. */
export function startServer(): Promise<Child> {
  return startChild(["-A", "tests/bench/client/server.ts"]);
}

/** Connects in a mode of the server. */
export async function connect(
  kind: Kind,
  { quicPort, httpPort }: Ports,
  hash: string,
  mode: string,
  endpoint?: Deno.QuicEndpoint,
): Promise<BareClient> {
  if (kind === "websocket") return await connectSocket(`ws://127.0.0.1:${httpPort}/${mode}`);
  const serverCertificateHashes = [{ algorithm: "sha-256", value: Uint8Array.fromBase64(hash) }];
  if (kind === "webtransport") {
    const session = new WebTransport(`https://127.0.0.1:${quicPort}/${mode}`, { serverCertificateHashes });
    session.closed.catch(() => {});
    await session.ready;
    const stream = await session.createBidirectionalStream();
    return over(stream.readable, stream.writable, () => session.close());
  }
  const options: Deno.ConnectQuicOptions<boolean> & { serverCertificateHashes: WebTransportHash[] } = {
    hostname: "127.0.0.1",
    port: quicPort,
    alpnProtocols: [mode],
    maxIdleTimeout: 120_000,
    serverCertificateHashes,
    zeroRtt: endpoint !== undefined,
    ...(endpoint === undefined ? {} : { endpoint }),
  };
  const connection = await Deno.connectQuic(options);
  connection.closed.catch(() => {});
  const { readable, writable } = await connection.createBidirectionalStream();
  return over(
    readable as ReadableStream<Bytes>,
    writable,
    () => connection.close({ closeCode: 0, reason: "" }),
  );
}

async function connectSocket(url: string): Promise<BareClient> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("the WebSocket did not open"));
  });
  const client: BareClient = {
    onText: () => {},
    send: (text) => socket.send(text),
    close: () => socket.close(),
  };
  socket.onmessage = ({ data }) => client.onText(data);
  return client;
}

function over(readable: ReadableStream<Bytes>, writable: WritableStream, close: () => void): BareClient {
  const writer = (writable as WritableStream<Bytes>).getWriter();
  writer.closed.catch(() => {});
  const client: BareClient = {
    onText: () => {},
    send: (text) => void writer.write(framed(text)).catch(() => {}),
    close,
  };
  void read(readable, client).catch(() => {});
  return client;
}

async function read(readable: ReadableStream<Bytes>, client: BareClient): Promise<void> {
  const decoder = new TextDecoder();
  const take = countFrames((frame) => client.onText(decoder.decode(frame)));
  const reader = readable.getReader({ mode: "byob" });
  for (let buffer: Bytes = new Uint8Array(16_384);;) {
    const { value, done } = await reader.read(buffer);
    if (done) return;
    take(value);
    buffer = new Uint8Array(value.buffer);
  }
}

/** Resolves with the next text; asked for before what brings it is sent. */
function nextText(client: BareClient): Promise<string> {
  return new Promise((resolve) => client.onText = resolve);
}

/** Times `once`, one after the other, after a warm-up; milliseconds. */
export async function measureOnes(once: () => Promise<number>, times: number): Promise<Measure> {
  const samples: number[] = [];
  for (let i = 0; i < 3; i++) await once();
  for (let i = 0; i < times; i++) samples.push(await once());
  return { value: median(samples) };
}

/** From dialling to the first message echoed, milliseconds. */
export async function firstMessage(kind: Kind, rtt: number): Promise<Measure> {
  await using server = await startServer();
  await using path = rtt > 0 ? await startPath(server, rtt) : undefined;
  return await measureOnes(async () => {
    const begun = performance.now();
    const client = await connect(kind, (path ?? server).hello as Ports, server.hello.hash, "echo");
    const answer = nextText(client);
    client.send(TEXT);
    await answer;
    const took = performance.now() - begun;
    client.close();
    return took;
  }, rtt > 0 ? 7 : 20);
}

/** The same on raw QUIC with a ticket of an earlier connection and early data. */
export async function firstMessageEarly(rtt: number): Promise<Measure> {
  await using server = await startServer();
  await using path = await startPath(server, rtt);
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  return await measureOnes(async () => {
    const begun = performance.now();
    const client = await connect("quic", path.hello as Ports, server.hello.hash, "echo", endpoint);
    const answer = nextText(client);
    client.send(TEXT);
    await answer;
    const took = performance.now() - begun;
    // The ticket comes behind the handshake.
    await new Promise((resolve) => setTimeout(resolve, 2 * rtt));
    client.close();
    return took;
  }, 7);
}

/** Silence when a client closes one transport and dials the other: until the first echo there, milliseconds. */
export function silence(to: Kind, rtt: number): Promise<Measure> {
  return firstMessage(to, rtt);
}

/** Processor time of this process for each message in microseconds, over all of them, after a warm-up. */
export async function processorPer(
  messages: number,
  run: (count: number) => Promise<void>,
): Promise<Measure> {
  await run(messages / 5);
  const before = process.cpuUsage();
  await run(messages);
  const { user, system } = process.cpuUsage(before);
  return { value: (user + system) / messages };
}

/** Receives messages that come in bursts, and reads their JSON. */
export async function receiving(kind: Kind): Promise<Measure> {
  await using server = await startServer();
  const client = await connect(kind, server.hello as Ports, server.hello.hash, "push");
  // A stream that says nothing is not there.
  client.send("hello");
  await new Promise((resolve) => setTimeout(resolve, 100));
  return await processorPer(MESSAGES, async (count) => {
    let left = count, offsets = 0;
    const all = new Promise<void>((resolve) =>
      client.onText = (text) => {
        offsets += JSON.parse(text).payload.offset;
        if (--left === 0) resolve();
      }
    );
    await server.ask({ messages: count, text: DELIVERY });
    await all;
    if (offsets !== 10_000 * count) throw new Error("what came is not what was sent");
  });
}

/** Sends JSON messages in bursts, and reads the answer to each. */
export async function publishing(kind: Kind): Promise<Measure> {
  await using server = await startServer();
  const client = await connect(kind, server.hello as Ports, server.hello.hash, "ack");
  const payload = { channel: "chat:bench", text: TEXT };
  return await processorPer(MESSAGES, async (count) => {
    let left = count;
    const all = new Promise<void>((resolve) =>
      client.onText = (text) => {
        if (JSON.parse(text).type === "message_ack" && --left === 0) resolve();
      }
    );
    await bursts(count, () =>
      client.send(
        JSON.stringify({ type: "chat_message", id: crypto.randomUUID(), timestamp: Date.now(), payload }),
      ));
    await all;
  });
}
