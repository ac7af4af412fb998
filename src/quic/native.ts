/**
 * The dialler of raw QUIC on Deno's native QUIC. Loaded only when a `quic:` URL is dialled.
 *
 * @module
 */

import { RawConnection } from "./raw_connection.ts";
import type { Address, ClientEndpoint, Connection, ConnectOptions } from "./types.ts";

/** A client's UDP endpoint over `Deno.QuicEndpoint`. */
export class NativeEndpoint implements ClientEndpoint {
  /** Deno's own object. */
  readonly endpoint: Deno.QuicEndpoint;

  constructor(options: { hostname?: string; port?: number } = {}) {
    this.endpoint = new Deno.QuicEndpoint(options);
  }

  get address(): Address {
    const { hostname, port } = this.endpoint.addr;
    return { hostname, port };
  }

  close(): void {
    this.endpoint.close({ closeCode: 0, reason: "" });
  }
}

/** Defaults of a dial. */
const DEFAULTS = { alpn: "skein/1", maxIdleTimeout: 30_000, timeout: 10_000 } as const;

/**
 * Dials raw QUIC. With `zeroRtt` and a ticket in the endpoint it resolves before the handshake: see
 * `Connection.ready`. Rejects with what the handshake failed of, TimeoutError after `timeout`, or the signal's reason.
 */
export async function dialQuic(address: Address, options: ConnectOptions = {}): Promise<Connection> {
  options.signal?.throwIfAborted();
  const { endpoint, serverCertificateHashes } = options;
  if (endpoint !== undefined && !(endpoint instanceof NativeEndpoint)) {
    throw new TypeError("endpoint must come from createEndpoint()");
  }
  // `connectQuic` may throw at once; being async turns that into a rejection.
  const dialled = Deno.connectQuic<boolean>({
    hostname: address.hostname,
    port: address.port,
    alpnProtocols: [options.alpn ?? DEFAULTS.alpn],
    maxIdleTimeout: options.maxIdleTimeout ?? DEFAULTS.maxIdleTimeout,
    zeroRtt: options.zeroRtt ?? false,
    ...(options.keepAliveInterval === undefined ? {} : { keepAliveInterval: options.keepAliveInterval }),
    ...(options.caCerts === undefined ? {} : { caCerts: [...options.caCerts] }),
    ...(endpoint === undefined ? {} : { endpoint: endpoint.endpoint }),
    ...(serverCertificateHashes === undefined ? {} : {
      serverCertificateHashes: serverCertificateHashes.map((value) => ({ algorithm: "sha-256", value })),
    }),
  });
  if (!(dialled instanceof Promise)) return new RawConnection(dialled, dialled.handshake);
  return new RawConnection(await withDeadline(dialled, options));
}

// There is no way to call off a dial: one that comes late is closed.
function withDeadline(dialled: Promise<Deno.QuicConn>, options: ConnectOptions): Promise<Deno.QuicConn> {
  const timeout = options.timeout ?? DEFAULTS.timeout;
  return new Promise((resolve, reject) => {
    let over = false;
    const giveUp = (reason: unknown): void => {
      over = true;
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", aborted);
      reject(reason);
    };
    const aborted = (): void => giveUp(options.signal!.reason);
    const timer = setTimeout(
      () => giveUp(new DOMException(`no QUIC connection within ${timeout} ms`, "TimeoutError")),
      timeout,
    );
    options.signal?.addEventListener("abort", aborted, { once: true });
    dialled.then((conn) => {
      if (over) return conn.close({ closeCode: 0, reason: "" });
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", aborted);
      resolve(conn);
    }, giveUp);
  });
}
