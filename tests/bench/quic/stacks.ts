/**
 * Raw QUIC and WebTransport by `src/quic/` and by the runtime's own API, with one surface, so that both do the same work.
 *
 * @module
 */

import { connect, createEndpoint } from "../../../src/quic/mod.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Who carries the streams: the bare runtime or the library. */
export type Stack = "bare" | "library";
/** What carries them. */
export type Carrier = "quic" | "webtransport";

/** The ALPN of raw QUIC. */
export const ALPN = "bench";

/** What a stream is for: its first byte. */
export const MODE = { echo: 1, sink: 2, idle: 3 } as const;

/** A stream in both directions. */
export interface Stream {
  read(buffer: Bytes): Promise<Bytes | null>;
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

/** A client's connection. */
export interface Connected {
  open(): Promise<Stream>;
  close(): void;
}

/** Where a server listens, and what to trust. */
export interface Target {
  readonly port: number;
  readonly hash: string;
}

/** A UDP socket that connections share; tickets for early data are kept with it. */
export interface Endpoint {
  readonly bare?: Deno.QuicEndpoint;
  readonly library?: ReturnType<typeof createEndpoint>;
}

/** A socket for the connections of one stack. */
export function endpointOf(stack: Stack): Endpoint {
  const at = { hostname: "127.0.0.1", port: 0 };
  return stack === "bare" ? { bare: new Deno.QuicEndpoint(at) } : { library: createEndpoint(at) };
}

/** Connects; with `early` by early data, when `endpoint` has a ticket. */
export async function dial(
  stack: Stack,
  carrier: Carrier,
  { port, hash }: Target,
  { endpoint, early = false }: { endpoint?: Endpoint; early?: boolean } = {},
): Promise<Connected> {
  const value = Uint8Array.fromBase64(hash);
  if (stack === "library") {
    const url = carrier === "quic" ? `quic://127.0.0.1:${port}` : `https://127.0.0.1:${port}/`;
    const connection = await connect(url, {
      serverCertificateHashes: [value],
      alpn: ALPN,
      maxIdleTimeout: 120_000,
      zeroRtt: early,
      ...(endpoint?.library === undefined ? {} : { endpoint: endpoint.library }),
    });
    return {
      open: () => connection.openBidirectionalStream({ wait: true }),
      close: () => void connection.close(),
    };
  }
  const serverCertificateHashes = [{ algorithm: "sha-256", value }];
  if (carrier === "webtransport") {
    const session = new WebTransport(`https://127.0.0.1:${port}/`, { serverCertificateHashes });
    session.closed.catch(() => {});
    await session.ready;
    return {
      open: async () => bareStream(await session.createBidirectionalStream()),
      close: () => session.close(),
    };
  }
  const options: Deno.ConnectQuicOptions<boolean> & { serverCertificateHashes: WebTransportHash[] } = {
    hostname: "127.0.0.1",
    port,
    alpnProtocols: [ALPN],
    maxIdleTimeout: 120_000,
    serverCertificateHashes,
    zeroRtt: early,
    ...(endpoint?.bare === undefined ? {} : { endpoint: endpoint.bare }),
  };
  const connection = await Deno.connectQuic(options);
  connection.closed.catch(() => {});
  return {
    open: async () => bareStream(await connection.createBidirectionalStream({ waitUntilAvailable: true })),
    close: () => connection.close({ closeCode: 0, reason: "" }),
  };
}

/** A stream of the runtime. */
export function bareStream(
  { readable, writable }: { readable: ReadableStream; writable: WritableStream },
): Stream {
  const writer = (writable as WritableStream<Uint8Array>).getWriter();
  writer.closed.catch(() => {});
  const reader = (readable as ReadableStream<Bytes>).getReader({ mode: "byob" });
  return {
    async read(buffer) {
      const { value, done } = await reader.read(buffer);
      return done ? null : value;
    },
    write: (bytes) => writer.write(bytes),
    end: () => writer.close(),
  };
}

/** Reads `wanted` bytes into one buffer of `size` that is used again. */
export async function readAll(stream: Stream, wanted: number, size = 65_536): Promise<void> {
  let buffer: Bytes = new Uint8Array(size);
  for (let had = 0; had < wanted;) {
    const bytes = await stream.read(buffer);
    if (bytes === null) throw new Error(`the stream ended after ${had} of ${wanted} bytes`);
    had += bytes.length;
    buffer = new Uint8Array(bytes.buffer);
  }
}
