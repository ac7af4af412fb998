/**
 * The adapters the conformance suite runs over, and what both ends of a test need.
 *
 * @module
 */

import { makeCertificate, type TestCertificate } from "../support/certificate.ts";
import { dialWebTransport } from "../../src/quic/webtransport.ts";
import { connect, type Connection, listen, type Listener, type ListenOptions } from "../../src/quic/mod.ts";

/** A way to connect a client and a server. */
export interface Adapter {
  readonly name: string;
  readonly scheme: "quic" | "https";
  /** Who dials WebTransport. */
  readonly client: "skein" | "deno";
  /** Who takes WebTransport sessions. */
  readonly server: "skein" | "deno";
  /** Names of the behaviours that Deno is known to break here. They are run and must fail. */
  readonly broken: readonly string[];
}

/** Deno's WebTransport sends no end when a stream is closed (denoland/deno 36822). */
const DENO_CLIENT: readonly string[] = [
  "the client's end of a stream arrives after its bytes",
  "a stream ended by both sides is no longer active",
  "more streams than the limit can be opened one after the other",
  "a closed stream leaves the others as they are",
];
const DENO_SERVER: readonly string[] = [
  "the server's end of a stream arrives after its bytes",
  "a stream ended by both sides is no longer active",
  "more streams than the limit can be opened one after the other",
  // Its reader is cancelled without a STOP_SENDING.
  "a reader that cancels makes the writer fail",
];

export const ADAPTERS: readonly Adapter[] = [
  { name: "raw QUIC", scheme: "quic", client: "skein", server: "skein", broken: [] },
  { name: "WebTransport", scheme: "https", client: "skein", server: "skein", broken: [] },
  {
    name: "WebTransport with Deno's client",
    scheme: "https",
    client: "deno",
    server: "skein",
    broken: DENO_CLIENT,
  },
  {
    name: "WebTransport with Deno.upgradeWebTransport",
    scheme: "https",
    client: "skein",
    server: "deno",
    broken: DENO_SERVER,
  },
  {
    name: "WebTransport with Deno at both ends",
    scheme: "https",
    client: "deno",
    server: "deno",
    broken: [...new Set([...DENO_CLIENT, ...DENO_SERVER])],
  },
];

let certificate: Promise<TestCertificate> | undefined;

/** One certificate for all tests of a process. */
export function testCertificate(): Promise<TestCertificate> {
  return certificate ??= makeCertificate();
}

/** A client's and a server's end of one connection. */
export interface Pair extends AsyncDisposable {
  readonly listener: Listener;
  readonly client: Connection;
  readonly server: Connection;
  /** Milliseconds to wait for what a broken adapter never does. */
  readonly patience: number;
}

/** Starts a server and connects to it. */
export async function connectedPair(
  adapter: Adapter,
  options: Partial<ListenOptions> = {},
  more: { port?: (listener: Listener) => number; patience?: number } = {},
): Promise<Pair> {
  const { cert, key, hash } = await testCertificate();
  const listener = listen({
    hostname: "127.0.0.1",
    cert,
    key,
    webtransport: adapter.server,
    ...options,
  });
  try {
    const connections = listener.connections[Symbol.asyncIterator]();
    const to = `${adapter.scheme}://127.0.0.1:${more.port?.(listener) ?? listener.address.port}/test?a=b`;
    const trust = { serverCertificateHashes: [hash] };
    const client = await within(
      adapter.client === "deno" ? dialWebTransport(new URL(to), trust) : connect(to, trust),
    );
    const { value: server } = await within(connections.next());
    return {
      listener,
      client,
      server,
      patience: more.patience ?? 10_000,
      async [Symbol.asyncDispose]() {
        void client.close();
        await listener.close();
      },
    };
  } catch (error) {
    await listener.close();
    throw error;
  }
}

/** The result of `work`, or a rejection when it hangs. */
export async function within<T>(work: Promise<T>, ms = 30_000): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`still waiting after ${ms} ms`)), ms);
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}

/** All bytes of a stream, to its end. */
export async function readAll(
  stream: { read(buffer: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | null> },
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (;;) {
    const part = await stream.read(new Uint8Array(16_384));
    if (part === null) return join(parts);
    parts.push(part);
  }
}

/** The next `length` bytes of a stream. */
export async function readExactly(
  stream: { read(buffer: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | null> },
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let left = length; left > 0;) {
    const part = await stream.read(new Uint8Array(Math.min(left, 16_384)));
    if (part === null) throw new Error(`the stream ended ${left} bytes early`);
    parts.push(part);
    left -= part.length;
  }
  return join(parts);
}

/** One after the other. */
export function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The next item, which must come. */
export async function first<T>(items: AsyncIterable<T>): Promise<T> {
  const { done, value } = await within(items[Symbol.asyncIterator]().next());
  if (done) throw new Error("it ended");
  return value;
}

/** Bytes of a text. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Text of bytes. */
export function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

/** Waits until `condition` holds; rejects when it does not within ten seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never came: ${what}`);
}
