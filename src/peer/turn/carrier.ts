/**
 * How the messages of a TURN client reach its server: over UDP, TCP or TLS.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";
import { PeerError } from "../errors.ts";
import { openUdpSocket } from "../udp_socket.ts";
import { MessageCutter } from "./channel_data.ts";
import type { ServerUrl } from "./url.ts";

/** Sends and receives the messages of one TURN client. */
export interface TurnCarrier {
  /** Nothing is lost on the way: requests are not sent again. */
  readonly reliable: boolean;
  /** Sends one message, or drops it when too much waits. Settles when `bytes` may be changed; never rejects. */
  send(bytes: Uint8Array): Promise<void> | void;
  /** One listener. `bytes` may be kept only until its promise has settled. */
  onMessage(listener: (bytes: Uint8Array) => Promise<void> | void): void;
  /** Resolves when it can carry nothing any more. */
  readonly closed: Promise<void>;
  /** Ends it; a promise resolves when nothing of it is under way any more. */
  close(): Promise<void> | void;
}

/** Options of `openCarrier`. */
export interface CarrierOptions {
  /** Certificate authorities in PEM to trust for TLS besides the runtime's. */
  readonly caCerts?: readonly string[];
  /** Milliseconds for TCP and TLS to connect. @default 5000 */
  readonly timeout?: number;
  /** Gives the attempt up. */
  readonly signal?: AbortSignal;
}

/** Bytes that may wait in a TCP connection; datagrams beyond are dropped, as a router would. */
const MAX_WAITING = 1024 * 1024;

/** Opens the way to a TURN server. Rejects with PeerError `server_timeout` when it cannot be reached. */
export async function openCarrier(server: ServerUrl, options: CarrierOptions = {}): Promise<TurnCarrier> {
  const { timeout = 5_000, caCerts, signal } = options;
  const { hostname, port } = server;
  signal?.throwIfAborted();
  if (server.transport === "udp") {
    const address = await resolved(hostname, signal);
    signal?.throwIfAborted();
    return udpCarrier(address, port);
  }
  const connecting: Promise<Deno.TcpConn | Deno.TlsConn> = server.transport === "tcp"
    ? Deno.connect({ hostname, port })
    : connectTls({ hostname, port, ...caCerts === undefined ? {} : { caCerts: [...caCerts] } });
  try {
    const late = (): PeerError =>
      new PeerError("server_timeout", `no connection to ${hostname} within ${timeout} ms`);
    return streamCarrier(await deadline(connecting, timeout, late, { signal }));
  } catch (cause) {
    // The runtime cannot call a connection off without losing it when it is there at that moment.
    connecting.then((conn) => conn.close(), () => {});
    if (cause instanceof PeerError) throw cause;
    throw new PeerError("server_timeout", `${hostname}: ${(cause as Error).message}`, { cause });
  }
}

/** The IP address of a host; IPv4 first, as most relays have it. Rejects with PeerError `server_timeout`. */
export async function resolved(hostname: string, signal?: AbortSignal): Promise<string> {
  if (/^[\d.]+$/.test(hostname) || hostname.includes(":")) return hostname;
  for (const type of ["A", "AAAA"] as const) {
    try {
      const [address] = await Deno.resolveDns(hostname, type, signal === undefined ? {} : { signal });
      if (address !== undefined) return address;
    } catch { /* The next type, or the error below. */ }
  }
  if (hostname === "localhost") return "127.0.0.1";
  throw new PeerError("server_timeout", `no address of ${hostname} is known`);
}

async function connectTls(options: Deno.ConnectTlsOptions): Promise<Deno.TlsConn> {
  const conn = await Deno.connectTls(options);
  try {
    await conn.handshake();
    return conn;
  } catch (error) {
    conn.close();
    throw error;
  }
}

function udpCarrier(hostname: string, port: number): TurnCarrier {
  // A socket of its own for each server: on a shared one ChannelData could not be told from QUIC.
  const socket = openUdpSocket({ hostname: hostname.includes(":") ? "::" : "0.0.0.0", buffers: 64 });
  const server = { hostname, port };
  let end!: () => void;
  const closed = new Promise<void>((resolve) => end = resolve);
  return {
    reliable: false,
    send: (bytes) => socket.send(bytes, server),
    onMessage: (listener) =>
      socket.onDatagram((bytes, from) => {
        if (from.port === port && from.hostname === hostname) return listener(bytes);
      }),
    closed,
    close() {
      end();
      return socket.close();
    },
  };
}

function streamCarrier(conn: Deno.TcpConn | Deno.TlsConn): TurnCarrier {
  // Small packets must not wait for the acknowledgement of the one before: QUIC has its own.
  if ("setNoDelay" in conn) conn.setNoDelay(true);
  let end!: () => void, waiting = 0, open = true, reading = Promise.resolve();
  const closed = new Promise<void>((resolve) => end = resolve);
  const shut = (): void => {
    if (!open) return;
    open = false;
    end();
    conn.close();
  };
  const writer = conn.writable.getWriter();
  writer.closed.catch(() => {});
  return {
    reliable: true,
    send(bytes) {
      if (!open || waiting + bytes.length > MAX_WAITING) return;
      waiting += bytes.length;
      return writer.write(bytes).then(() => void (waiting -= bytes.length), shut);
    },
    onMessage(listener) {
      reading = (async () => {
        const cutter = new MessageCutter();
        try {
          for await (const bytes of conn.readable) {
            for (const message of cutter.push(bytes)) await listener(message);
          }
        } catch { /* The connection broke, or what came is no TURN: either way it is over. */ }
        shut();
      })();
    },
    closed,
    close() {
      shut();
      return reading;
    },
  };
}
