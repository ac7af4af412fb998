/**
 * Measurements of other libraries: the same client and the same work as for the bare server. The client is the runtime's
 * WebSocket for both; it speaks the little of Socket.IO's protocol (Engine.IO 4) that the work needs.
 *
 * @module
 */

import { many, until } from "../bare/measure.ts";
import { type Child, clock, startChild } from "../child.ts";
import { type Measure, measureTrips } from "../scenario.ts";

/** The libraries. */
export const PEERS = ["ws", "socket.io"] as const;
/** A library. */
export type Peer = typeof PEERS[number];

/** Bytes of a message, as for the bare server. */
const BYTES = 128;

interface Client {
  onText: (text: string) => void;
  send(text: string): void;
}

function start(peer: Peer): Promise<Child> {
  return startChild(["-A", "--no-lock", "tests/bench/peers/server.ts", peer]);
}

/** Its first message may come with the news that it is open, so `onMessage` has to be there before. */
async function open(url: string, onMessage: (text: string, socket: WebSocket) => void): Promise<WebSocket> {
  const socket = new WebSocket(url);
  socket.onmessage = ({ data }) => onMessage(data, socket);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("the WebSocket did not open"));
  });
  return socket;
}

/** Connects and says its mode. */
async function connect(peer: Peer, server: Child, mode: string): Promise<Client> {
  const client = peer === "ws" ? await connectWs(server) : await connectSocketIo(server);
  const ready = new Promise<void>((resolve) => client.onText = () => resolve());
  client.send(mode);
  await ready;
  return client;
}

async function connectWs(server: Child): Promise<Client> {
  const client: Client = { onText: () => {}, send: (text) => socket.send(text) };
  const socket = await open(`ws://127.0.0.1:${server.hello.httpPort}/`, (text) => client.onText(text));
  return client;
}

async function connectSocketIo(server: Child): Promise<Client> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const client: Client = { onText: () => {}, send: (text) => socket.send(`42["m",${JSON.stringify(text)}]`) };
  const url = `ws://127.0.0.1:${server.hello.httpPort}/socket.io/?EIO=4&transport=websocket`;
  const socket = await open(url, (text, socket) => {
    if (text[0] === "0") socket.send("40");
    else if (text.startsWith("40")) resolve();
    else if (text === "2") socket.send("3");
    else if (text.startsWith("42")) client.onText(text);
  });
  await promise;
  return client;
}

/** Round trip of 128 bytes on one connection, microseconds. */
export async function roundTrip(peer: Peer): Promise<Measure> {
  await using server = await start(peer);
  const client = await connect(peer, server, "echo");
  const text = "a".repeat(BYTES);
  return await measureTrips(() =>
    new Promise<void>((resolve) => {
      client.onText = () => resolve();
      client.send(text);
    })
  );
}

/** 128-byte messages of the server to all connections: deliveries a second. */
export async function fanOut(peer: Peer, subscribers: number, deliveries = 200_000): Promise<Measure> {
  await using server = await start(peer);
  let left = 0, ended = 0;
  let finish = () => {};
  const clients = await many(subscribers, () => connect(peer, server, "broadcast"));
  for (const client of clients) {
    client.onText = () => {
      if (--left > 0) return;
      ended = clock();
      finish();
    };
  }
  const run = async (count: number): Promise<number> => {
    left = count * subscribers;
    const all = new Promise<void>((resolve) => finish = resolve);
    const { started } = await server.ask({ kind: "broadcast", messages: count, bytes: BYTES });
    await all;
    return count * subscribers / (ended - started) * 1000;
  };
  const messages = Math.ceil(deliveries / subscribers);
  await run(Math.ceil(messages / 10));
  return { value: await run(messages) };
}

/** Resident memory of one idle connection in KB. */
export async function idleMemory(peer: Peer, count: number): Promise<Measure> {
  await using server = await start(peer);
  await many(20, () => connect(peer, server, "idle"));
  const before = await server.memory();
  await many(count, () => connect(peer, server, "idle"));
  await until(async () => (await server.ask({ kind: "count" })).connections === count + 20);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  return { value: (await server.memory() - before) / count / 1024 };
}
