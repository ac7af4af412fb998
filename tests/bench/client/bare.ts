/**
 * The scenarios of the client with the runtime's own transports alone: connections to a server that echoes, and a client
 * written by hand that reads and writes the messages of the service.
 *
 * @module
 */

import process from "node:process";
import { type Child, startChild } from "../child.ts";
import { type Measure, median } from "../scenario.ts";
import { frames, tokenOf } from "../skein/dial.ts";
import { startSkein } from "../skein/measure.ts";
import { bursts, CHANNEL, MESSAGES, TEXT } from "./traffic.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What carries a connection. */
export type Kind = "quic" | "webtransport" | "websocket";

/** The ports of a server, or of a network in front of it. */
export interface Ports {
  readonly quicPort: number;
  readonly httpPort: number;
}

/** A network with a round trip of `rtt` ms before a server. */
export function startPath(server: Child, rtt: number): Promise<Child> {
  return startChild(["-A", "tests/bench/client/path.ts", JSON.stringify({ ...server.hello, rtt })]);
}

/** Somebody who publishes at the service. */
export function startPublisher(server: Child): Promise<Child> {
  return startChild(["-A", "tests/bench/client/publisher.ts", JSON.stringify(server.hello)]);
}

/** Times `once`, one after the other, after a warm-up; milliseconds. */
export async function measureOnes(once: () => Promise<number>, times: number): Promise<Measure> {
  const samples: number[] = [];
  for (let i = 0; i < 3; i++) await once();
  for (let i = 0; i < times; i++) samples.push(await once());
  return { value: median(samples) };
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

// --- connections ---

/** An open connection; a WebSocket gives texts, a stream gives chunks. */
interface BareClient {
  onData: (data: string | Bytes) => void;
  send(data: string | Bytes): void;
  close(): void;
}

function startServer(): Promise<Child> {
  return startChild(["-A", "tests/bench/client/server.ts"]);
}

/** Connects: `name` is the ALPN or the path. With an `endpoint` of its own raw QUIC has early data. */
async function connect(
  kind: Kind,
  { quicPort, httpPort }: Ports,
  hash: string,
  name: string,
  endpoint?: Deno.QuicEndpoint,
): Promise<BareClient> {
  if (kind === "websocket") return await connectSocket(`ws://127.0.0.1:${httpPort}/${name}`);
  const serverCertificateHashes = [{ algorithm: "sha-256", value: Uint8Array.fromBase64(hash) }];
  if (kind === "webtransport") {
    const session = new WebTransport(`https://127.0.0.1:${quicPort}/${name}`, { serverCertificateHashes });
    session.closed.catch(() => {});
    await session.ready;
    const { readable, writable } = await session.createBidirectionalStream();
    return over(readable, writable, () => session.close());
  }
  const options: Deno.ConnectQuicOptions<boolean> & { serverCertificateHashes: WebTransportHash[] } = {
    hostname: "127.0.0.1",
    port: quicPort,
    alpnProtocols: [name],
    maxIdleTimeout: 120_000,
    serverCertificateHashes,
    zeroRtt: endpoint !== undefined,
    ...(endpoint === undefined ? {} : { endpoint }),
  };
  const connection = await Deno.connectQuic(options);
  connection.closed.catch(() => {});
  const { readable, writable } = await connection.createBidirectionalStream();
  const close = (): void => connection.close({ closeCode: 0, reason: "" });
  return over(readable as ReadableStream<Bytes>, writable, close);
}

async function connectSocket(url: string): Promise<BareClient> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("the WebSocket did not open"));
  });
  const client: BareClient = {
    onData: () => {},
    send: (data) => socket.send(data),
    close: () => socket.close(),
  };
  socket.onmessage = ({ data }) => client.onData(data);
  return client;
}

function over(readable: ReadableStream<Bytes>, writable: WritableStream, close: () => void): BareClient {
  const writer = (writable as WritableStream<Bytes>).getWriter();
  writer.closed.catch(() => {});
  const client: BareClient = {
    onData: () => {},
    send: (data) => void writer.write(data as Bytes).catch(() => {}),
    close,
  };
  void read(readable, client).catch(() => {});
  return client;
}

async function read(readable: ReadableStream<Bytes>, client: BareClient): Promise<void> {
  const reader = readable.getReader({ mode: "byob" });
  for (let buffer: Bytes = new Uint8Array(16_384);;) {
    const { value, done } = await reader.read(buffer);
    if (done) return;
    client.onData(value);
    buffer = new Uint8Array(value.buffer);
  }
}

// --- the first message ---

const HELLO = new TextEncoder().encode(TEXT);

async function echoed(
  kind: Kind,
  ports: Ports,
  hash: string,
  endpoint?: Deno.QuicEndpoint,
): Promise<{ took: number; client: BareClient }> {
  const begun = performance.now();
  const client = await connect(kind, ports, hash, "echo", endpoint);
  const answer = new Promise((resolve) => client.onData = resolve);
  client.send(HELLO.slice());
  await answer;
  return { took: performance.now() - begun, client };
}

/** From dialling to the first message echoed, milliseconds. */
export async function firstMessage(kind: Kind, rtt: number): Promise<Measure> {
  await using server = await startServer();
  await using path = rtt > 0 ? await startPath(server, rtt) : undefined;
  return await measureOnes(async () => {
    const { took, client } = await echoed(kind, (path ?? server).hello as Ports, server.hello.hash);
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
    const { took, client } = await echoed("quic", path.hello as Ports, server.hello.hash, endpoint);
    // The ticket for early data comes after the handshake.
    await new Promise((resolve) => setTimeout(resolve, 2 * rtt));
    client.close();
    return took;
  }, 7);
}

// --- the service's messages ---

/** Connects to the service, authenticates and joins the channel; gives each message that comes, parsed. */
async function join(
  kind: Kind,
  server: Child,
): Promise<{ client: BareClient; hear: (onMessage: (message: { type: string }) => void) => void }> {
  const name = {
    quic: "skein/1",
    webtransport: "connection/webtransport",
    websocket: "connection/websocket",
  };
  const client = await connect(kind, server.hello as Ports, server.hello.hash, name[kind]);
  const hear = (onMessage: (message: { type: string }) => void): void => {
    client.onData = kind === "websocket"
      ? (data) => onMessage(JSON.parse(data as string))
      : framesOf((text) => onMessage(JSON.parse(text)));
  };
  const next = (): Promise<{ type: string }> => new Promise((resolve) => hear(resolve));
  const answer = next();
  if (kind !== "websocket") client.send(Uint8Array.of(0));
  client.send(said(kind, "auth_request", { token: await tokenOf("ann") }));
  const { type } = await answer;
  if (type !== "auth_response") throw new Error(type);
  setInterval(() => client.send(said(kind, "ping", {})), 4_000);
  return { client, hear };
}

/** Texts of the frames in the chunks of one stream. */
function framesOf(onText: (text: string) => void): (chunk: string | Bytes) => void {
  const decoder = new TextDecoder();
  let rest: Bytes = new Uint8Array();
  return (data) => {
    let bytes = data as Bytes;
    if (rest.length > 0) {
      const whole = new Uint8Array(rest.length + bytes.length);
      whole.set(rest);
      whole.set(bytes, rest.length);
      bytes = whole;
    }
    const at = frames(bytes, (frame) => onText(decoder.decode(frame)));
    // Copied, because the chunk's memory is reused by the next read.
    rest = bytes.slice(at);
  };
}

const encoder = new TextEncoder();

/** A message as `kind` carries it: JSON in a text, or with two bytes of length before it. */
function said(kind: Kind, type: string, payload: Record<string, unknown>): string | Bytes {
  const text = JSON.stringify({ type, id: crypto.randomUUID(), timestamp: Date.now(), payload });
  if (kind === "websocket") return text;
  const bytes = new Uint8Array(2 + text.length);
  encoder.encodeInto(text, bytes.subarray(2));
  bytes[0] = 0x40 | text.length >> 8;
  bytes[1] = text.length & 255;
  return bytes;
}

/** Receives messages that another client publishes in bursts: processor time of this process for each. */
export async function receiving(kind: Kind): Promise<Measure> {
  await using server = await startSkein();
  await using other = await startPublisher(server);
  const { client, hear } = await join(kind, server);
  const joined = new Promise((resolve) => hear(resolve));
  client.send(said(kind, "subscribe", { channel: CHANNEL }));
  await joined;
  return await processorPer(MESSAGES, async (count) => {
    let left = count;
    const all = new Promise<void>((resolve) =>
      hear(({ type }) => {
        if (type === "chat_message" && --left === 0) resolve();
      })
    );
    await other.ask({ messages: count });
    await all;
  });
}

/** Publishes in bursts, each acknowledged: processor time of this process for each. */
export async function publishing(kind: Kind): Promise<Measure> {
  await using server = await startSkein();
  const { client, hear } = await join(kind, server);
  return await processorPer(MESSAGES, async (count) => {
    let left = count;
    const all = new Promise<void>((resolve) =>
      hear(({ type }) => {
        if (type === "message_ack" && --left === 0) resolve();
      })
    );
    await bursts(count, () => client.send(said(kind, "chat_message", { channel: CHANNEL, text: TEXT })));
    await all;
  });
}
