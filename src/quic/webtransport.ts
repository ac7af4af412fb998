/**
 * Dials WebTransport with the global `WebTransport`, in browsers and Deno. Names nothing of Deno.
 *
 * @module
 */

import type { Connection, ConnectOptions } from "./types.ts";
import { WebTransportConnection } from "./webtransport_connection.ts";

/** Dials `url` (`https:`). Rejects with TimeoutError after `timeout`, the signal's reason when aborted, else with what failed. */
export async function dialWebTransport(url: URL, options: ConnectOptions): Promise<Connection> {
  const { signal, serverCertificateHashes, timeout = 10_000 } = options;
  signal?.throwIfAborted();
  const transport = new WebTransport(url.href, {
    ...(serverCertificateHashes === undefined ? {} : {
      serverCertificateHashes: serverCertificateHashes.map((value) => ({ algorithm: "sha-256", value })),
    }),
  });
  transport.closed.catch(() => {});
  const ready = transport.ready.then(() => true);
  ready.catch(() => {});
  let timer: ReturnType<typeof setTimeout> | undefined;
  let aborted: (() => void) | undefined;
  try {
    await Promise.race([
      ready,
      new Promise((_, reject) => {
        timer = setTimeout(
          () => reject(new DOMException(`no WebTransport session within ${timeout} ms`, "TimeoutError")),
          timeout,
        );
        aborted = () => reject(signal!.reason);
        signal?.addEventListener("abort", aborted, { once: true });
      }),
    ]);
  } catch (error) {
    // A dial that succeeds after all is not to stay open.
    ready.then(() => transport.close(), () => {});
    try {
      transport.close();
    } catch {
      // Deno cannot close one that is not connected.
    }
    throw error;
  } finally {
    clearTimeout(timer);
    if (aborted !== undefined) signal?.removeEventListener("abort", aborted);
  }
  return new WebTransportConnection(transport, { url });
}
