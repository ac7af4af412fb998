/**
 * The QUIC listeners of the service: they follow the configuration and hand their connections to the sessions.
 *
 * @module
 */

import { type CloseName, CLOSES } from "../../protocol/mod.ts";
import {
  type Address,
  type Connection,
  type ConnectionAdmission,
  type ConnectionKind,
  listen,
  type Listener,
  type ListenOptions,
} from "../../quic/mod.ts";
import type { Observer, Sessions } from "../../session/mod.ts";
import { QuicMessageConnection } from "../../transport/mod.ts";
import { bindSync } from "../bind.ts";
import type { FetchHandler } from "../http/deps.ts";

/** Settings of the QUIC listener; times in milliseconds. */
export interface QuicListenerSettings {
  readonly enabled: boolean;
  readonly hostname: string;
  readonly port: number;
  readonly alpn: readonly string[];
  readonly webtransport: "skein" | "deno";
  readonly maxStreams: number;
  readonly maxIdleTimeout: number;
  readonly keepAliveInterval: number | null;
  readonly congestionControl: "default" | "throughput" | "low-latency";
  readonly zeroRtt: boolean;
  readonly headerTimeout: number;
}

/** A certificate and its key in PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** What the listener needs of other parts. */
export interface QuicListenerOptions {
  readonly sessions: Sessions;
  readonly observer: Observer;
  /** Answers ordinary HTTP/3 requests. */
  readonly fetch: FetchHandler;
  /** Counts an ordinary request: the milliseconds it has to wait for its turn; `Infinity` refuses it. */
  pace(address: string, pathname: string): number;
  /** Whether a page of `origin` may connect to `host`. */
  originAllowed(origin: string | undefined, host: string): boolean;
}

/** The path of WebTransport on the QUIC port. */
const WEBTRANSPORT_PATH = "/connection/webtransport";

interface Running {
  readonly listener: Listener;
  settings: QuicListenerSettings;
  loop: Promise<void>;
}

/** Milliseconds for a handshake at most: anybody can begin one with a forged address. */
const MAX_HANDSHAKE_TIMEOUT = 3_000;

/** Follows the configuration: starts, updates, moves and ends QUIC listeners. */
export class QuicListener {
  readonly #deps: QuicListenerOptions;
  #current: Running | undefined;
  /**
   * Listeners that take no new connections, by address. They are kept because Deno does not release a UDP port when
   * its endpoint is closed: a configuration that returns to an address must find its old listener. Until then clients
   * are refused there at once.
   */
  readonly #parked = new Map<string, Running>();

  constructor(deps: QuicListenerOptions) {
    this.#deps = deps;
  }

  /** Where it listens now; undefined while QUIC is off. */
  get address(): Address | undefined {
    return this.#current?.listener.address;
  }

  /**
   * Puts `settings` in force. For a new address a listener is started first, then the old one is parked and its
   * connections go on. Other changes apply to new connections. Throws BindError when an address cannot be bound; then the old
   * listener goes on. Without a certificate there is no listener.
   */
  apply(settings: QuicListenerSettings, certificate: KeyPair | undefined): void {
    const current = this.#current;
    if (!settings.enabled || certificate === undefined) return this.#switchOff();
    if (current !== undefined && addressOf(current.settings) === addressOf(settings)) {
      this.#update(current, settings, certificate);
      return;
    }
    this.#current = this.#take(settings, certificate);
    if (current !== undefined) this.#park(current);
  }

  #take(settings: QuicListenerSettings, certificate: KeyPair): Running {
    const parked = this.#parked.get(addressOf(settings));
    if (parked !== undefined) {
      this.#update(parked, settings, certificate);
      this.#parked.delete(addressOf(settings));
      parked.listener.resume();
      return parked;
    }
    const { observer } = this.#deps;
    const listener = bindSync(
      { group: "quic", hostname: settings.hostname, port: settings.port },
      (hostname) => this.#listen({ ...settings, hostname }, certificate),
      () => observer.log("warn", "no IPv6 on this machine, listening on IPv4 alone", { listener: "quic" }),
    );
    const running: Running = { listener, settings, loop: Promise.resolve() };
    running.loop = this.#run(running);
    return running;
  }

  #update(running: Running, settings: QuicListenerSettings, { cert, key }: KeyPair): void {
    running.listener.update({ ...limitsOf(settings), cert, key });
    running.settings = settings;
  }

  #listen(settings: QuicListenerSettings, certificate: KeyPair): Listener {
    return listen({
      ...limitsOf(settings),
      cert: certificate.cert,
      key: certificate.key,
      hostname: settings.hostname,
      port: settings.port,
      admitAddress: (address) => this.#admitHandshake(address),
      admitConnection: (address, kind) => this.#admit(address, kind),
      admit: (request) => {
        if (request.url.pathname !== WEBTRANSPORT_PATH) return { accept: false, status: 404 };
        if (!this.#deps.originAllowed(request.origin, request.url.host)) {
          return { accept: false, status: 403 };
        }
        return { accept: true };
      },
      rateLimiter: { request: ({ hostname }, { pathname }) => this.#deps.pace(hostname, pathname) },
      onRequest: (request, remote) =>
        this.#deps.fetch(request, { remoteAddr: { ...remote, transport: "udp" } }),
      onError: (error, { remote, stage }) => {
        this.#deps.observer.logLimited("debug", "quic peer failure", { remote: text(remote), stage, error });
      },
    });
  }

  /** Takes a new certificate for new connections. */
  setCertificate({ cert, key }: KeyPair): void {
    this.#current?.listener.setCertificate(cert, key);
  }

  /** Takes no new connections. */
  drain(): void {
    this.#current?.listener.drain();
  }

  /** Ends every listener and resolves when none runs any more. Close the sessions before. */
  async close(): Promise<void> {
    const all = [...this.#parked.values(), ...(this.#current === undefined ? [] : [this.#current])];
    this.#parked.clear();
    this.#current = undefined;
    await Promise.all(all.map(async ({ listener, loop }) => {
      await listener.close(CLOSES.shutdown.code, CLOSES.shutdown.reason);
      await loop;
    }));
  }

  #switchOff(): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    this.#park(current);
    this.#deps.sessions.disconnectTransport(["quic", "webtransport"]);
  }

  #park(running: Running): void {
    running.listener.drain();
    // The configuration says port 0: it will never ask for this port by number.
    const key = running.settings.port === 0
      ? `${running.settings.hostname} ${running.listener.address.port}`
      : addressOf(running.settings);
    this.#parked.set(key, running);
  }

  #admitHandshake(address: Address): boolean {
    // Asked at the first packet, whose address anybody can forge.
    const refused = this.#deps.sessions.admitHandshake(text(address)!, true);
    if (refused !== undefined) this.#refused("quic", refused, text(address));
    return refused === undefined;
  }

  /** Counts a connection against its address from the handshake until it has ended, also when it never becomes a session. */
  #admit(address: Address, kind: ConnectionKind): ConnectionAdmission {
    const remote = text(address)!;
    const admitted = this.#deps.sessions.admit(remote);
    if ("release" in admitted) return { accept: true, ended: admitted.release };
    this.#refused(kind, admitted.refused, remote);
    return { accept: false, ...CLOSES[admitted.refused] };
  }

  #refused(kind: "quic" | "webtransport", close: CloseName, remote: string | undefined): void {
    this.#deps.observer.error(kind, close);
    this.#deps.observer.logLimited("info", "connection refused", {
      transport: kind,
      remote,
      reason: CLOSES[close].reason,
    });
  }

  async #run(running: Running): Promise<void> {
    try {
      for await (const connection of running.listener.connections) this.#accept(connection, running.settings);
    } catch (error) {
      this.#deps.observer.log("error", "quic listener failed", { error });
    }
  }

  #accept(connection: Connection, { headerTimeout }: QuicListenerSettings): void {
    const { sessions } = this.#deps;
    sessions.accept(new QuicMessageConnection(connection, sessions.preAuthLimits, headerTimeout));
  }
}

function limitsOf(settings: QuicListenerSettings): Omit<ListenOptions, "cert" | "key"> {
  return {
    alpn: settings.alpn,
    webtransport: settings.webtransport,
    zeroRtt: settings.zeroRtt,
    maxBidirectionalStreams: settings.maxStreams,
    maxUnidirectionalStreams: settings.maxStreams,
    maxIdleTimeout: settings.maxIdleTimeout,
    ...(settings.keepAliveInterval === null ? {} : { keepAliveInterval: settings.keepAliveInterval }),
    congestionControl: settings.congestionControl,
    handshakeTimeout: Math.min(settings.headerTimeout, MAX_HANDSHAKE_TIMEOUT),
    headerTimeout: settings.headerTimeout,
  };
}

function addressOf({ hostname, port }: QuicListenerSettings): string {
  return `${hostname} ${port}`;
}

function text(address: Address | undefined): string | undefined {
  return address === undefined ? undefined : `${address.hostname}:${address.port}`;
}
