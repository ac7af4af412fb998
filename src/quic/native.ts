/**
 * The dialler on Deno's native QUIC: raw QUIC, and WebTransport by our own HTTP/3 layer. Loaded only where there is a
 * `Deno`.
 *
 * @module
 */

import { bindEndpoint, plainAddress } from "./address.ts";
import type { ClientEndpoint, ConnectOptions } from "./client_types.ts";
import { bounded } from "./dial.ts";
import { openSession } from "./h3/client.ts";
import { sessionRequestLines } from "./h3/message.ts";
import { RawConnection } from "./raw_connection.ts";
import type { Address, Connection } from "./types.ts";
import { afterTurn } from "./turn.ts";

/** A client's UDP endpoint over `Deno.QuicEndpoint`. */
export class NativeEndpoint implements ClientEndpoint {
  /** Deno's own object. */
  readonly endpoint: Deno.QuicEndpoint;

  constructor(options: { hostname?: string; port?: number } = {}) {
    this.endpoint = bindEndpoint(options);
  }

  get address(): Address {
    return plainAddress(this.endpoint.addr);
  }

  close(): void {
    this.endpoint.close({ closeCode: 0, reason: "" });
  }
}

/** Defaults of a dial. */
const DEFAULTS = {
  alpn: "skein/1",
  maxIdleTimeout: 30_000,
  maxBidirectionalStreams: 100,
  maxUnidirectionalStreams: 100,
} as const;

/**
 * Dials raw QUIC. With `zeroRtt` and a ticket in the endpoint it resolves before the handshake: see
 * `Connection.ready`. Rejects with DialError, or with the signal's reason.
 */
export async function dialQuic(address: Address, options: ConnectOptions = {}): Promise<Connection> {
  options.signal?.throwIfAborted();
  const began = performance.now();
  const { dialled, callOff } = start(address, options, options.alpn ?? DEFAULTS.alpn);
  if (!(dialled instanceof Promise)) return new RawConnection(dialled, { ready: dialled.handshake });
  const conn = await bounded(dialled, { ...options, discard: callOff }, discard);
  return new RawConnection(conn, { handshakeTime: performance.now() - began });
}

/**
 * Dials WebTransport over our own HTTP/3 layer. Rejects with DialError (`refused` with the status when the server does
 * not take the session), with the signal's reason, or with TypeError on a header field that HTTP/3 forbids.
 */
export async function dialSession(url: URL, options: ConnectOptions = {}): Promise<Connection> {
  options.signal?.throwIfAborted();
  const { maxBidirectionalStreams, maxUnidirectionalStreams } = { ...DEFAULTS, ...options };
  const lines = sessionRequestLines(url, Object.entries(options.headers ?? {}));
  const address = {
    hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 443 : Number(url.port),
  };
  const began = performance.now();
  const { dialled, callOff } = start(address, { ...options, zeroRtt: false }, "h3");
  let conn: Deno.QuicConn | undefined;
  let over = false;
  const open = async (): Promise<Connection> => {
    conn = await dialled;
    if (over) discard(conn);
    return await openSession(conn, {
      url,
      handshakeTime: performance.now() - began,
      lines,
      maxStreams: maxBidirectionalStreams + maxUnidirectionalStreams,
    });
  };
  const giveUp = (): void => {
    over = true;
    if (conn !== undefined) discard(conn);
    else callOff();
  };
  return await bounded(open(), { ...options, discard: giveUp }, giveUp);
}

/** HTTP/3 takes three unidirectional streams for itself: control, and two for QPACK. */
const CONTROL_STREAMS = 3;

interface Dial {
  /** At once only with `zeroRtt` and a ticket. */
  readonly dialled: Deno.QuicConn | Promise<Deno.QuicConn>;
  /** Ends the dial. One through a shared endpoint cannot be ended. */
  readonly callOff: () => void;
}

// Deno throws synchronously on some bad options; the callers are async, so that it becomes a rejection.
function start(address: Address, options: ConnectOptions, alpn: string): Dial {
  const { serverCertificateHashes, keepAliveInterval, caCerts, congestionControl } = options;
  const own = options.endpoint === undefined ? new NativeEndpoint() : undefined;
  const endpoint = own ?? options.endpoint;
  if (!(endpoint instanceof NativeEndpoint)) throw new TypeError("endpoint must come from createEndpoint()");
  const settings = { ...DEFAULTS, ...options };
  const close = (): void => own?.close();
  try {
    const dialled = Deno.connectQuic<boolean>({
      endpoint: endpoint.endpoint,
      hostname: address.hostname,
      port: address.port,
      alpnProtocols: [alpn],
      maxIdleTimeout: settings.maxIdleTimeout,
      maxConcurrentBidirectionalStreams: settings.maxBidirectionalStreams,
      maxConcurrentUnidirectionalStreams: settings.maxUnidirectionalStreams +
        (alpn === "h3" ? CONTROL_STREAMS : 0),
      zeroRtt: options.zeroRtt ?? false,
      ...(congestionControl === undefined ? {} : { congestionControl }),
      ...(keepAliveInterval === undefined ? {} : { keepAliveInterval }),
      ...(caCerts === undefined ? {} : { caCerts: [...caCerts] }),
      ...(serverCertificateHashes === undefined ? {} : {
        serverCertificateHashes: serverCertificateHashes.map((value) => ({ algorithm: "sha-256", value })),
      }),
    });
    // The connection's own endpoint closes after it, one turn later, when the last packet has left.
    const closeLater = (): void => afterTurn(close);
    if (own !== undefined) {
      Promise.resolve(dialled).then((conn) => conn.closed.then(closeLater, closeLater), close);
    }
    return { dialled, callOff: close };
  } catch (error) {
    close();
    throw error;
  }
}

function discard(conn: Deno.QuicConn): void {
  conn.closed.catch(() => {});
  conn.close({ closeCode: 0, reason: "" });
}
