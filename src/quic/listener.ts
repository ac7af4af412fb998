/**
 * The listening side: one UDP endpoint for raw QUIC and HTTP/3.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { plainAddress } from "./address.ts";
import { takeNativeSession } from "./deno_webtransport.ts";
import { H3 } from "./h3/errors.ts";
import { Http3Connection } from "./h3/connection.ts";
import { type Settings, settle, transportOptions } from "./listen_options.ts";
import { AsyncQueue } from "./queue.ts";
import { RawConnection } from "./raw_connection.ts";
import type { Address, Connection, Listener, ListenOptions } from "./types.ts";

/** What only another `listen` of the endpoint changes. */
const LISTENED = [
  "cert",
  "key",
  "alpn",
  "maxBidirectionalStreams",
  "maxUnidirectionalStreams",
  "maxIdleTimeout",
  "keepAliveInterval",
  "congestionControl",
] as const satisfies readonly (keyof Settings)[];
/** Milliseconds that sessions have, when the listener closes, to take their close code. */
const CLOSE_GRACE = 1_500;

/**
 * Listens for raw QUIC and WebTransport on one UDP port. Throws what Deno throws when the port cannot be bound or the
 * certificate is bad, RangeError and TypeError on bad options.
 */
export function listen(options: ListenOptions): Listener {
  return new QuicListener(options);
}

/** A connection that can be ended, whatever it carries. */
interface Live {
  close(code: number, reason: string): void;
  readonly ended: Promise<unknown>;
}

class QuicListener implements Listener {
  readonly #endpoint: Deno.QuicEndpoint;
  // All of them stay referenced and drained: collecting an earlier one would stop the later.
  readonly #listeners: Deno.QuicListener[] = [];
  readonly #connections: AsyncQueue<Connection>;
  readonly #live = new Set<Live>();
  #settings: Settings;
  #pending = 0;
  #draining = false;
  #closing: Promise<void> | undefined;

  constructor(options: ListenOptions) {
    this.#settings = settle(options);
    const { hostname, port, cert, key } = this.#settings;
    this.#connections = new AsyncQueue(this.#settings.maxPendingConnections, (connection) => {
      connection.close(H3.EXCESSIVE_LOAD, "too many connections wait");
    });
    this.#endpoint = new Deno.QuicEndpoint({ hostname, port });
    try {
      this.setCertificate(cert, key);
    } catch (error) {
      this.#endpoint.close();
      throw error;
    }
  }

  get address(): Address {
    const { hostname, port } = this.#endpoint.addr;
    return { hostname, port };
  }

  get connections(): AsyncIterable<Connection> {
    return this.#connections;
  }

  setCertificate(cert: string, key: string): void {
    if (this.#closing !== undefined) throw new TypeError("the listener is closed");
    const listener = this.#endpoint.listen({
      cert,
      key,
      alpnProtocols: ["h3", ...this.#settings.alpn],
      ...transportOptions(this.#settings),
    });
    this.#settings = { ...this.#settings, cert, key };
    this.#listeners.push(listener);
    void this.#accept(listener);
  }

  update(options: Partial<ListenOptions>): void {
    const before = this.#settings;
    const after = settle(
      { ...before, ...options, hostname: before.hostname, port: before.port } as ListenOptions,
    );
    this.#settings = after;
    if (LISTENED.every((name) => String(after[name]) === String(before[name]))) return;
    try {
      this.setCertificate(after.cert, after.key);
    } catch (error) {
      this.#settings = before;
      throw error;
    }
  }

  drain(): void {
    this.#draining = true;
  }

  resume(): void {
    if (this.#closing === undefined) this.#draining = false;
  }

  close(code = 0, reason = ""): Promise<void> {
    this.#closing ??= this.#close(code, reason);
    return this.#closing;
  }

  async #close(code: number, reason: string): Promise<void> {
    this.#draining = true;
    const live = [...this.#live];
    for (const one of live) one.close(code, reason);
    this.#connections.end(true);
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      Promise.all(live.map((one) => one.ended)),
      new Promise((resolve) => timer = setTimeout(resolve, CLOSE_GRACE)),
    ]);
    clearTimeout(timer);
    // What was closed just now leaves the machine only when the event loop turns.
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#endpoint.close({ closeCode: code, reason });
  }

  async #accept(listener: Deno.QuicListener): Promise<void> {
    for (;;) {
      let incoming: Deno.QuicIncoming;
      try {
        incoming = await listener.incoming();
      } catch {
        return; // The endpoint was closed.
      }
      if (this.#draining || this.#pending >= this.#settings.maxPendingConnections) {
        refuse(incoming);
        continue;
      }
      void this.#take(incoming);
    }
  }

  /** One connection from its first packet to its end. Never rejects. */
  async #take(incoming: Deno.QuicIncoming): Promise<void> {
    const settings = this.#settings;
    let conn: Deno.QuicConn;
    try {
      // Reading the peer's address before this would use the object up. Accepting with 0-RTT gives the connection at
      // once, which is also the only way to put a deadline on the handshake. Transport options here would bring back
      // the certificate of whichever listener took it, an outdated one perhaps: the latest listen() has them.
      conn = incoming.accept({ zeroRtt: true });
    } catch (error) {
      return this.#report(error, undefined, "accept");
    }
    let remote: Address | undefined;
    let stage = "handshake";
    this.#pending++;
    let counted = true;
    let countOut: (() => void) | undefined;
    const shaken = this.#handshake(conn, settings.headerTimeout);
    shaken.catch(() => {});
    const ended = Promise.withResolvers<void>();
    const live: Live = {
      close: (code, reason) => conn.close({ closeCode: code, reason }),
      ended: ended.promise,
    };
    this.#live.add(live);
    try {
      remote = plainAddress(conn.remoteAddr);
      if (settings.admitAddress?.(remote) === false) {
        return conn.close({ closeCode: H3.EXCESSIVE_LOAD, reason: "" });
      }
      // Unknown while the ClientHello is not whole: Chromium's, with its post-quantum key share, takes two packets.
      if (!conn.protocol) await shaken;
      const raw = conn.protocol !== "h3";
      const http3 = raw || settings.webtransport === "deno"
        ? undefined
        : this.#http3(conn, remote, settings, live);
      // Settings tell nothing that is secret; whatever the peer says is read after the handshake.
      http3?.greet();
      if (!raw || !settings.zeroRtt) await shaken;
      stage = raw ? "quic" : "http3";
      const connection = raw ? new RawConnection(conn, shaken) : undefined;
      if (connection !== undefined) {
        live.close = (code, reason) => connection.close(code, reason);
        // Handed out before its handshake only when early data has come: most that is not finished never will be.
        const early = connection.incomingBidirectionalStreams.arrival();
        await Promise.race([shaken, early.then((arrived) => arrived ? undefined : shaken)]);
      }
      const admitted = settings.admitConnection?.(remote, raw ? "quic" : "webtransport");
      if (admitted?.accept === false) {
        return conn.close({ closeCode: admitted.code, reason: admitted.reason });
      }
      countOut = admitted?.ended;
      if (connection !== undefined) {
        this.#connections.push(connection);
        await shaken;
        counted = false;
        this.#pending--;
        await connection.closed;
      } else {
        counted = false;
        this.#pending--;
        if (http3 !== undefined) await http3.run();
        else await this.#serveNative(conn, settings, live);
      }
    } catch (error) {
      this.#report(error, remote, stage);
      conn.close({ closeCode: H3.INTERNAL_ERROR, reason: "" });
    } finally {
      if (counted) this.#pending--;
      await conn.closed.catch(() => {});
      countOut?.();
      this.#live.delete(live);
      ended.resolve();
    }
  }

  async #serveNative(conn: Deno.QuicConn, settings: Settings, live: Live): Promise<void> {
    const session = await takeNativeSession(conn, settings.headerTimeout);
    live.close = (code, reason) => session.close(code, reason);
    this.#connections.push(session);
    await session.closed;
  }

  #http3(conn: Deno.QuicConn, remote: Address, settings: Settings, live: Live): Http3Connection {
    const connection = new Http3Connection(conn, {
      headerTimeout: settings.headerTimeout,
      maxStreams: settings.maxBidirectionalStreams + settings.maxUnidirectionalStreams,
      maxRequestBody: settings.maxRequestBody,
      admit: settings.admit,
      respond: (request) => {
        if (settings.onRequest === undefined) return new Response("not found\n", { status: 404 });
        return settings.onRequest(request, {
          hostname: conn.remoteAddr.hostname,
          port: conn.remoteAddr.port,
        });
      },
      onSession: (session) => this.#connections.push(session),
      onError: (error, stage) => this.#report(error, remote, stage),
    });
    live.close = (code, reason) => connection.close(code, reason);
    return connection;
  }

  #handshake(conn: Deno.QuicConn, timeout: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new DOMException(`no handshake within ${timeout} ms`, "TimeoutError"));
        conn.close({ closeCode: H3.NO_ERROR, reason: "handshake timeout" });
      }, timeout);
      const settled = (): void => clearTimeout(timer);
      conn.closed.then(({ reason: why }) => reject(new Error(`closed within the handshake: ${why}`)), reject)
        .finally(settled);
      // Deno resolves this too when the peer gives up; that the connection has ended shows a turn later.
      conn.handshake.then(() => setImmediate(resolve), reject).finally(settled);
    });
  }

  #report(error: unknown, remote: Address | undefined, stage: string): void {
    try {
      this.#settings.onError?.(error, { remote, stage });
    } catch {
      // A listener that throws on being told of an error is not to end the process.
    }
  }
}

function refuse(incoming: Deno.QuicIncoming): void {
  try {
    incoming.refuse();
  } catch {
    // It has gone already.
  }
}
