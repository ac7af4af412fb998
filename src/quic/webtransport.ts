/**
 * Dials WebTransport with the global `WebTransport`, as browsers do. Names nothing of Deno.
 *
 * @module
 */

import type { ConnectOptions } from "./client_types.ts";
import { bounded } from "./dial.ts";
import type { Connection } from "./types.ts";
import { WebTransportConnection } from "./webtransport_connection.ts";

/** Dials `url` (`https:`). Rejects with DialError, or with the signal's reason when aborted. */
export async function dialWebTransport(url: URL, options: ConnectOptions): Promise<Connection> {
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
