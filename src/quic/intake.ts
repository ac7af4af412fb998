/**
 * The way of one connection from its first packet to the application, and on to its end.
 *
 * @module
 */

import { plainAddress } from "./address.ts";
import type { BaseConnection } from "./connection.ts";
import { guard } from "./guards.ts";
import { takeNativeSession } from "./deno_webtransport.ts";
import { H3 } from "./h3/errors.ts";
import { Http3Server } from "./h3/server.ts";
import type { Handshakes } from "./handshakes.ts";
import { authenticate, guardsOf } from "./introduction.ts";
import type { Settings } from "./listen_options.ts";
import { RawConnection } from "./raw_connection.ts";
import type { Address, Connection } from "./types.ts";

/** Counters of a listener. */
export interface IntakeCounters {
  connections: number;
  connectionsActive: number;
  failedHandshakes: number;
  refused: number;
  streamsRefused: number;
  handedOut: number;
  requests: number;
  requestsRefused: number;
}

/** A connection that can be ended, whatever it carries. */
export interface LiveConnection {
  close(code: number, reason: string): void;
  /** Asks the peer to open another connection for what it does next. */
  leave(): void;
  readonly ended: Promise<unknown>;
}

/** What all connections of a listener share. */
export interface Intake {
  readonly handshakes: Handshakes;
  readonly counters: IntakeCounters;
  readonly live: Set<LiveConnection>;
  /** Gives a connection to the application. */
  handOut(connection: Connection): void;
}

/** Takes a connection and serves it until its end. Never rejects. */
export async function takeConnection(
  incoming: Deno.QuicIncoming,
  settings: Settings,
  intake: Intake,
): Promise<void> {
  intake.counters.connections++;
  let conn: Deno.QuicConn;
  try {
    // Reading the peer's address before this would use the object up. Accepting with 0-RTT gives the connection at
    // once, which is also the only way to put a deadline on the handshake. Transport options here would bring back
    // the certificate of whichever listener took it, perhaps an outdated one: the latest listen() has them.
    conn = incoming.accept({ zeroRtt: true });
  } catch (error) {
    intake.counters.failedHandshakes++;
    return report(settings, error, undefined, "accept");
  }
  await new Arrival(conn, settings, intake).serve();
}

/** One connection while it is new. */
class Arrival implements LiveConnection {
  readonly #conn: Deno.QuicConn;
  readonly #settings: Settings;
  readonly #intake: Intake;
  readonly #ended = Promise.withResolvers<void>();
  readonly #handshake: Promise<number>;
  #remote: Address | undefined;
  #stage = "handshake";
  #active = false;
  /** What carries the connection by now. */
  #carrier: { close(code: number, reason: string): void; leave?(): void };

  constructor(conn: Deno.QuicConn, settings: Settings, intake: Intake) {
    this.#conn = conn;
    this.#settings = settings;
    this.#intake = intake;
    this.#carrier = { close: (closeCode, reason) => conn.close({ closeCode, reason }) };
    this.#handshake = intake.handshakes.wait(conn, settings.handshakeTimeout, settings.maxPendingConnections);
    this.#handshake.catch(() => {});
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  close(code: number, reason: string): void {
    this.#carrier.close(code, reason);
  }

  leave(): void {
    this.#carrier.leave?.();
  }

  async serve(): Promise<void> {
    const { live, counters } = this.#intake;
    let countOut: (() => void) | undefined;
    live.add(this);
    try {
      this.#remote = plainAddress(this.#conn.remoteAddr);
      if (!this.#admitsAddress(this.#remote)) return this.#refuse(H3.EXCESSIVE_LOAD, "");
      // Unknown while the ClientHello is not whole: Chromium's, with its post-quantum key share, takes two packets.
      if (!this.#conn.protocol) await this.#handshake;
      if (this.#conn.protocol !== "h3") await this.#serveRaw((ended) => countOut = ended);
      else await this.#serveHttp3((ended) => countOut = ended);
    } catch (error) {
      if (this.#stage === "handshake") counters.failedHandshakes++;
      this.#report(error);
      this.#conn.close({ closeCode: H3.INTERNAL_ERROR, reason: "" });
    } finally {
      await this.#conn.closed.catch(() => {});
      countOut?.();
      if (this.#active) counters.connectionsActive--;
      live.delete(this);
      this.#ended.resolve();
    }
  }

  async #serveRaw(counted: (ended?: () => void) => void): Promise<void> {
    const settings = this.#settings;
    const early = settings.zeroRtt && settings.authenticator === undefined;
    if (!early) await this.#handshake;
    const connection = new RawConnection(this.#conn, {
      ready: this.#handshake,
      limits: {
        bidirectional: settings.maxBidirectionalStreams,
        unidirectional: settings.maxUnidirectionalStreams,
      },
    });
    this.#carrier = connection;
    if (early) {
      // Handed out before its handshake only when early data has come: most handshakes that are not finished never are.
      const data = connection.arrival().then((arrived) => arrived ? undefined : this.#handshake);
      await Promise.race([this.#handshake, data]);
    }
    this.#stage = "quic";
    if (!this.#admits("quic", counted)) return;
    await this.#introduce(connection);
    await this.#handshake;
    await connection.closed;
  }

  async #serveHttp3(counted: (ended?: () => void) => void): Promise<void> {
    const settings = this.#settings;
    const http3 = settings.webtransport === "deno" ? undefined : this.#http3();
    // Settings tell nothing that is secret; what the peer says is read after the handshake.
    http3?.greet();
    await this.#handshake;
    this.#stage = "http3";
    if (!this.#admits("webtransport", counted)) return;
    if (http3 !== undefined) {
      this.#carrier = http3;
      return await http3.run();
    }
    const session = await takeNativeSession(this.#conn, settings.headerTimeout);
    this.#carrier = session;
    await this.#introduce(session);
    await session.closed;
  }

  #http3(): Http3Server {
    const { admit, onRequest, rateLimiter, headerTimeout, maxRequestBody } = this.#settings;
    const { counters } = this.#intake;
    const remote = (): Address => plainAddress(this.#conn.remoteAddr);
    return new Http3Server(this.#conn, {
      headerTimeout,
      maxStreams: this.#maxStreams,
      maxRequestBody,
      admit,
      respond: (request) => onRequest?.(request, remote()) ?? new Response("not found\n", { status: 404 }),
      pace: (url) => {
        counters.requests++;
        const wait = rateLimiter?.request?.(remote(), url) ?? 0;
        if (wait === Infinity) counters.requestsRefused++;
        return wait;
      },
      onSession: (session) => void this.#introduce(session),
      onError: (error, stage) => report(this.#settings, error, this.#remote, stage),
    });
  }

  get #maxStreams(): number {
    return this.#settings.maxBidirectionalStreams + this.#settings.maxUnidirectionalStreams;
  }

  #admitsAddress(remote: Address): boolean {
    const { admitAddress, rateLimiter } = this.#settings;
    return (admitAddress?.(remote) ?? true) && (rateLimiter?.connection?.(remote) ?? true);
  }

  /** Asks whether the connection may go on, and counts it. Otherwise it has been closed. */
  #admits(kind: "quic" | "webtransport", counted: (ended?: () => void) => void): boolean {
    const { counters } = this.#intake;
    if (counters.connectionsActive >= this.#settings.maxConnections) {
      this.#refuse(H3.EXCESSIVE_LOAD, "too many connections");
      return false;
    }
    const admitted = this.#settings.admitConnection?.(this.#remote!, kind);
    if (admitted?.accept === false) {
      this.#refuse(admitted.code, admitted.reason);
      return false;
    }
    counted(admitted?.ended);
    counters.connectionsActive++;
    this.#active = true;
    return true;
  }

  #refuse(closeCode: number, reason: string): void {
    this.#intake.counters.refused++;
    this.#conn.close({ closeCode, reason });
  }

  /** Puts the checks in place and hands the connection out, when the authenticator agrees. Never rejects. */
  async #introduce(connection: BaseConnection): Promise<void> {
    const { counters } = this.#intake;
    const over = new AbortController();
    void connection.closed.then(() => over.abort());
    const accepted = await authenticate(connection, this.#settings, {
      signal: over.signal,
      onRefused: (error) => {
        counters.refused++;
        this.#report(error);
      },
    });
    if (!accepted) return;
    guard(
      connection,
      guardsOf(connection, this.#settings, {
        maxStreams: this.#maxStreams,
        signal: over.signal,
        onRefused: () => counters.streamsRefused++,
      }),
    );
    this.#intake.handOut(connection);
  }

  #report(error: unknown): void {
    report(this.#settings, error, this.#remote, this.#stage);
  }
}

function report(settings: Settings, error: unknown, remote: Address | undefined, stage: string): void {
  try {
    settings.onError?.(error, { remote, stage });
  } catch {
    // A listener that throws on being told of an error is not to end the process.
  }
}
