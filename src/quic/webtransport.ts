/**
 * Dials WebTransport: with the browser's own `WebTransport`, and in Deno with the HTTP/3 layer of this library. Names
 * nothing of Deno.
 *
 * @module
 */

import { bounded } from "./dial.ts";
import type { ConnectOptions } from "./client_types.ts";
import type { Connection } from "./types.ts";
import { WebTransportConnection } from "./webtransport_connection.ts";

/**
 * Deno's own client sends no end of a stream, sees no close capsule, puts its close code where HTTP/3 does not expect
 * it, and an empty datagram from the server ends the whole process.
 */
const IN_DENO = globalThis.navigator?.userAgent?.startsWith("Deno/") ?? false;

/** Whether this runtime can dial WebTransport. */
export function canDialWebTransport(): boolean {
  return IN_DENO || typeof globalThis.WebTransport === "function";
}

/** Dials `url` (`https:`). Rejects with DialError, or with the signal's reason when aborted. */
export async function dialWebTransport(url: URL, options: ConnectOptions): Promise<Connection> {
  if (!IN_DENO) return await dialPlatform(url, options);
  return await (await import("./native.ts")).dialSession(url, options);
}

/** The same with the global `WebTransport`. */
export async function dialPlatform(url: URL, options: ConnectOptions): Promise<Connection> {
  const { signal, serverCertificateHashes } = options;
  signal?.throwIfAborted();
  const began = performance.now();
  const transport = new WebTransport(url.href, {
    ...(serverCertificateHashes === undefined ? {} : {
      serverCertificateHashes: serverCertificateHashes.map((value) => ({ algorithm: "sha-256", value })),
    }),
  });
  transport.closed.catch(() => {});
  const close = (): void => {
    try {
      transport.close();
    } catch {
      // Deno cannot close one that is not connected.
    }
  };
  await bounded(transport.ready, { ...options, discard: close }, close);
  return new WebTransportConnection(transport, { url, handshakeTime: performance.now() - began });
}
