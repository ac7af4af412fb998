/**
 * Attackers: bare sockets that say what no client of ours would.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { encode, frame as lengthPrefixed, varint } from "../support/wire.ts";
import { frame, RawClient } from "../websocket/raw_client.ts";
import type { Target } from "./support.ts";

const TEXT = 1;

/** What a flood came to. */
export interface Flood {
  /** Bytes that the attackers got rid of, those in the buffers of the system among them. */
  readonly bytes: number;
  /** Attackers that the service cut. */
  readonly cut: number;
}

/** A WebSocket on bare TCP; with a `user` it is authenticated. */
export async function openWebSocket(target: Target, user?: string): Promise<RawClient> {
  const client = await RawClient.open(target.port, "/connection/websocket");
  if (user === undefined) return client;
  await say(client, "auth_request", { token: await target.token(user) });
  const answer = await client.receive();
  if (!new TextDecoder().decode(answer?.payload).includes("auth_response")) {
    throw new Error("the attacker was not authenticated");
  }
  return client;
}

/** Sends a message on a bare WebSocket. */
export async function say(client: RawClient, type: string, payload: Record<string, unknown>): Promise<void> {
  const message = { type, id: crypto.randomUUID(), timestamp: Date.now(), payload };
  await client.send(frame(TEXT, encode(message, "json")));
}

/** Lets each of `clients` send `first` and then `bytes` again and again for `ms` milliseconds, as fast as it is taken. */
export async function floodWebSockets(
  clients: readonly RawClient[],
  bytes: Uint8Array,
  { first, ms = 1500 }: { first?: Uint8Array; ms?: number } = {},
): Promise<Flood> {
  const until = performance.now() + ms;
  let sent = 0, cut = 0;
  const floods = clients.map(async (client) => {
    try {
      if (first !== undefined) await client.send(first);
      while (performance.now() < until) {
        await client.send(bytes);
        sent += bytes.length;
      }
    } catch {
      cut++;
    }
  });
  await new Promise((resolve) => setTimeout(resolve, ms));
  const result = { bytes: sent, cut };
  // A write that the service holds back ends with its socket.
  for (const client of clients) client.close();
  await Promise.all(floods);
  return result;
}

/** `frames`, repeated to about 64 KiB, so that an attacker costs this process little. */
export function repeated(...frames: readonly Uint8Array[]): Uint8Array {
  const once = Buffer.concat(frames);
  return Buffer.concat(Array.from({ length: Math.ceil(65_536 / once.length) }, () => once));
}

/** A raw QUIC connection with lane 0, whose streams nobody reads unless asked to; authenticated with a `user`. */
export class RawQuic implements AsyncDisposable {
  readonly conn: Deno.QuicConn;
  readonly #endpoint: Deno.QuicEndpoint;
  // What is not referenced is collected, and the other side sees an end.
  readonly #kept: unknown[] = [];
  #control: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> | undefined;

  private constructor(conn: Deno.QuicConn, endpoint: Deno.QuicEndpoint) {
    this.conn = conn;
    this.#endpoint = endpoint;
    conn.closed.catch(() => {});
  }

  /** Rejects when the service refuses the connection. */
  static async open(target: Target, user?: string, alpn = "skein/1"): Promise<RawQuic> {
    const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
    try {
      const trust = {
        serverCertificateHashes: [{ algorithm: "sha-256", value: target.certificateHash }],
      };
      const conn = await Deno.connectQuic({
        hostname: "127.0.0.1",
        port: target.quicPort,
        alpnProtocols: [alpn],
        endpoint,
        ...trust,
      });
      const quic = new RawQuic(conn, endpoint);
      if (user !== undefined) await quic.#authenticate(await target.token(user));
      return quic;
    } catch (error) {
      endpoint.close();
      throw error;
    }
  }

  async #authenticate(token: string): Promise<void> {
    const stream = await this.stream();
    await stream.writer.write(varint(0));
    this.#control = stream.writer;
    await this.say("auth_request", { token });
    // The answer; what comes after it stays unread.
    await stream.reader.read();
  }

  /** Sends a message on lane 0. */
  async say(type: string, payload: Record<string, unknown>): Promise<void> {
    const message = { type, id: crypto.randomUUID(), timestamp: Date.now(), payload };
    await this.#control!.write(lengthPrefixed(encode(message, "json")));
  }

  /** A bidirectional stream with nothing on it, once the service allows one more. */
  async stream() {
    const stream = await this.conn.createBidirectionalStream({ waitUntilAvailable: true });
    const writer = stream.writable.getWriter();
    const reader = stream.readable.getReader();
    this.#kept.push(writer, reader);
    writer.closed.catch(() => {});
    reader.closed.catch(() => {});
    return { writer, reader };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.conn.close({ closeCode: 0, reason: "" });
    // One turn of the event loop, or the close never leaves.
    await new Promise((resolve) => setTimeout(resolve, 5));
    this.#endpoint.close();
  }
}
