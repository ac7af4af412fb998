/**
 * A listener for tests with what clients need to reach it.
 *
 * @module
 */

import { testCertificate, within } from "./adapters.ts";
import { type Connection, listen, type Listener, type ListenOptions } from "../../src/quic/mod.ts";

/** A running listener. */
export interface TestServer extends AsyncDisposable {
  readonly listener: Listener;
  readonly port: number;
  /** Stages of the failures that were reported. */
  readonly errors: string[];
  /** Where it is dialled by raw QUIC. */
  readonly raw: string;
  /** Where it is dialled by WebTransport. */
  readonly https: string;
  readonly trust: { serverCertificateHashes: Uint8Array<ArrayBuffer>[] };
  /** The next connection, which must come. */
  next(): Promise<Connection>;
}

/** Listens on loopback. */
export async function serve(options: Partial<ListenOptions> = {}): Promise<TestServer> {
  const { cert, key, hash } = await testCertificate();
  const errors: string[] = [];
  const listener = listen({
    hostname: "127.0.0.1",
    cert,
    key,
    onError: (_error, { stage }) => errors.push(stage),
    ...options,
  });
  const { port } = listener.address;
  const connections = listener.connections[Symbol.asyncIterator]();
  return {
    listener,
    port,
    errors,
    raw: `quic://127.0.0.1:${port}`,
    https: `https://127.0.0.1:${port}/`,
    trust: { serverCertificateHashes: [hash] },
    // A browser may take its time to start.
    next: async () => (await within(connections.next(), 30_000)).value!,
    [Symbol.asyncDispose]: () => listener.close(),
  };
}
