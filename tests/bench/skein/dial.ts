/**
 * The client of the bench. It does as little as possible, because the server is measured.
 *
 * @module
 */

import { createTokenSigner } from "../../../src/auth/mod.ts";
import {
  Encoded,
  type Message,
  readVarint,
  uuidv7,
  varintLength,
  varintSize,
  writeVarint,
} from "../../../src/protocol/mod.ts";
import type { Child } from "../child.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What signs the bench's tokens. */
export const SECRET = "the bench's secret, of thirty-two bytes or more";
const signer = createTokenSigner({ key: { alg: "HS256", secret: SECRET } });
const decoder = new TextDecoder();

/** What carries a connection to the service. */
export type Kind = "quic" | "webtransport" | "websocket";

/** An authenticated connection. */
export interface Dialled {
  /** Sends framed messages; resolves when more may be sent. */
  send(bytes: Bytes): void | Promise<void>;
  /** Called with every frame or text that comes, valid only during the call. */
  onFrame: (frame: Uint8Array | string) => void;
  /** Opens a lane of the lowest priority and returns what sends on it; on WebSocket it sends as ever. */
  openLane(lane: number): Promise<Dialled["send"]>;
}

/** A message with its length, ready to be sent. */
export function framed(type: string, payload: Message["payload"]): Bytes {
  return new Encoded({ type, id: uuidv7(), timestamp: Date.now(), payload }).framed("json") as Bytes;
}

/** A user's token. */
export function tokenOf(user: string): Promise<string> {
  return signer.sign({ sub: user, rights: ["broadcast"] });
}

/** Connects, authenticates and resolves with the connection. `quic` shares `endpoint` when there is one. */
export async function dial(
  server: Child,
  kind: Kind,
  user: string,
  endpoint?: Deno.QuicEndpoint,
): Promise<Dialled> {
  const client = kind === "quic"
    ? await dialQuic(server, endpoint)
    : kind === "webtransport"
    ? await dialSession(server)
    : await dialSocket(server);
  const answer = new Promise<void>((resolve, reject) => {
    client.onFrame = (frame) => {
      const text = typeof frame === "string" ? frame : decoder.decode(frame);
      if (text.includes('"auth_response"')) resolve();
      else reject(new Error(text));
    };
  });
  await client.send(framed("auth_request", { token: await tokenOf(user), batch: true }));
  await answer;
  client.onFrame = () => {};
  return client;
}

/** Sends a message and waits for `count` frames. */
export function exchange(client: Dialled, bytes: Bytes, count = 1): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = count;
    client.onFrame = () => {
      if (--left === 0) resolve();
    };
    Promise.resolve(client.send(bytes)).catch(reject);
  });
}

async function dialSession(server: Child): Promise<Dialled> {
  const session = new WebTransport(
    `https://127.0.0.1:${server.hello.quicPort}/connection/webtransport`,
    { serverCertificateHashes: [{ algorithm: "sha-256", value: Uint8Array.fromBase64(server.hello.hash) }] },
  );
  session.closed.catch(() => {});
  await session.ready;
  const open = async (lane: number, onFrame: (frame: Uint8Array) => void): Promise<Dialled["send"]> => {
    const { readable, writable } = await session.createBidirectionalStream();
    const writer = (writable as WritableStream<Bytes>).getWriter();
    writer.closed.catch(() => {});
    const number = new Uint8Array(varintSize(lane));
    writeVarint(number, 0, lane);
    await writer.write(number);
    void read((readable as ReadableStream<Bytes>).getReader({ mode: "byob" }), onFrame);
    return (bytes) => writer.write(bytes);
  };
  const client: Dialled & { session: WebTransport } = {
    session,
    send: () => {},
    onFrame: () => {},
    openLane: (lane) => open(lane, (frame) => client.onFrame(frame)),
  };
  client.send = await open(0, (frame) => client.onFrame(frame));
  return client;
}

async function dialQuic(server: Child, endpoint?: Deno.QuicEndpoint): Promise<Dialled> {
  const options: Deno.ConnectQuicOptions<false> & { serverCertificateHashes: WebTransportHash[] } = {
    hostname: "127.0.0.1",
    port: server.hello.quicPort,
    alpnProtocols: ["skein/1"],
    maxIdleTimeout: 120_000,
    serverCertificateHashes: [{ algorithm: "sha-256", value: Uint8Array.fromBase64(server.hello.hash) }],
    ...(endpoint === undefined ? {} : { endpoint }),
  };
  const connection = await Deno.connectQuic(options);
  connection.closed.catch(() => {});
  const stream = await connection.createBidirectionalStream();
  const writer = (stream.writable as WritableStream<Bytes>).getWriter();
  writer.closed.catch(() => {});
  await writer.write(Uint8Array.of(0));
  const client: Dialled & { connection: Deno.QuicConn } = {
    connection,
    send: (bytes) => writer.write(bytes),
    onFrame: () => {},
    async openLane(lane) {
      const stream = await connection.createBidirectionalStream({ sendOrder: -1 });
      const writer = (stream.writable as WritableStream<Bytes>).getWriter();
      writer.closed.catch(() => {});
      const number = new Uint8Array(varintSize(lane));
      writeVarint(number, 0, lane);
      await writer.write(number);
      void read(stream.readable.getReader({ mode: "byob" }), (frame) => client.onFrame(frame));
      return (bytes) => writer.write(bytes);
    },
  };
  void read(stream.readable.getReader({ mode: "byob" }), (frame) => client.onFrame(frame));
  return client;
}

async function read(reader: ReadableStreamBYOBReader, onFrame: (frame: Uint8Array) => void): Promise<void> {
  let store = new ArrayBuffer(2048), end = 0;
  try {
    for (;;) {
      const room = store.byteLength - end;
      const { value, done } = await reader.read(new Uint8Array(store, end));
      if (done) return;
      store = value.buffer as ArrayBuffer;
      end += value.length;
      const bytes = new Uint8Array(store, 0, end);
      const at = frames(bytes, onFrame);
      const rest = end - at;
      if (value.length === room && store.byteLength < 65536) {
        const larger = new Uint8Array(store.byteLength * 4);
        larger.set(bytes.subarray(at));
        store = larger.buffer;
      } else {
        bytes.copyWithin(0, at, end);
      }
      end = rest;
    }
  } catch {
    // The server was ended.
  }
}

/** Calls `onFrame` with each whole frame; returns where the rest begins. */
export function frames(bytes: Uint8Array, onFrame: (frame: Uint8Array) => void): number {
  let at = 0;
  for (;;) {
    const length = readVarint(bytes, at);
    if (length < 0) return at;
    const start = at + varintLength(bytes[at]!);
    if (start + length > bytes.length) return at;
    onFrame(bytes.subarray(start, start + length));
    at = start + length;
  }
}

async function dialSocket(server: Child): Promise<Dialled> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.hello.httpPort}/connection/websocket`);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("the WebSocket did not open"));
  });
  // A socket that has ended keeps its unsent bytes in `bufferedAmount`.
  const isOpen = () => {
    if (socket.readyState !== WebSocket.OPEN) throw new Error("the connection has ended");
    return true;
  };
  const client: Dialled = {
    async send(bytes) {
      socket.send(bytes);
      while (isOpen() && socket.bufferedAmount > 262144) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    onFrame: () => {},
    openLane: () =>
      Promise.resolve(async (bytes: Bytes) => {
        // Keep the socket's own buffer short: a later message waits behind it.
        while (isOpen() && socket.bufferedAmount > 131072) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        socket.send(bytes);
      }),
  };
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (typeof data === "string") client.onFrame(data);
    else frames(new Uint8Array(data), client.onFrame);
  };
  return client;
}
