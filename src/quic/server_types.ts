/**
 * What the listening side is told and tells.
 *
 * @module
 */

import type { CongestionControl } from "./client_types.ts";
import type { Address, Connection, ConnectionKind } from "./types.ts";

/** What a server decides about a WebTransport CONNECT request; `status` is an HTTP status. */
export type AdmitResult = { readonly accept: true } | { readonly accept: false; readonly status: number };

/** A WebTransport CONNECT request before it is answered. */
export interface ConnectRequest {
  /** `https:` with authority, path and query. */
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** The `origin` header; browsers always send it. */
  readonly origin: string | undefined;
  /** The peer. */
  readonly remoteAddress: Address;
}

/** Whether a connection may go on: `ended` is called once when it is over; otherwise it is closed with code and reason. */
export type ConnectionAdmission =
  | { readonly accept: true; readonly ended?: () => void }
  | { readonly accept: false; readonly code: number; readonly reason: string };

/** What an authenticator decides. A connection that is not accepted is closed with code and reason. */
export type AuthenticationResult =
  | {
    readonly accept: true;
    /** Becomes `Connection.principal`. */
    readonly principal?: unknown;
    /** Bytes that were the authenticator's; the application reads what follows. @default 0 */
    readonly consumed?: number;
  }
  | {
    readonly accept: false;
    /** @default 401 */
    readonly code?: number;
    /** @default "unauthorized" */
    readonly reason?: string;
  };

/**
 * Decides who a peer is before its connection is handed out. A call that takes longer than `headerTimeout`, or fails,
 * counts as a refusal.
 */
export interface Authenticator {
  /** Asked once for each connection: WebTransport ones have a `url` and `headers`, raw QUIC ones only an address. */
  connection?(connection: Connection): AuthenticationResult | Promise<AuthenticationResult>;
  /**
   * Asked with the first bytes of the first bidirectional stream the peer opens, and again with more of them while it
   * returns "more", up to 4,096 bytes. Nothing else of the peer is handed out before.
   */
  firstBytes?(
    bytes: Uint8Array,
    connection: Connection,
  ): AuthenticationResult | "more" | Promise<AuthenticationResult | "more">;
}

/** Paces what peers cause. What is left out is not limited and costs nothing. `createRateLimiter` makes one. */
export interface RateLimiter {
  /** Whether one more connection of this address may begin; otherwise it is closed at once. */
  connection?(address: Address): boolean;
  /** Milliseconds that an ordinary HTTP/3 request waits for its turn; `Infinity` answers it with 429. */
  request?(address: Address, url: URL): number;
  /** Milliseconds that a stream of the peer waits before it is handed out; `Infinity` refuses it. */
  stream?(address: Address): number;
  /** Whether a datagram of the peer is handed out; otherwise it is dropped. */
  datagram?(address: Address): boolean;
}

/** Decides what of a peer's data reaches the application. What is left out costs nothing. */
export interface Validator {
  /**
   * Whether a stream that begins with these bytes is handed out; otherwise it is refused. It gets the first piece that
   * comes within `headerTimeout`, at most 1,024 bytes; they stay in the stream.
   */
  stream?(head: Uint8Array, connection: Connection): boolean;
  /** Whether a datagram is handed out; otherwise it is dropped. */
  datagram?(bytes: Uint8Array, connection: Connection): boolean;
}

/** Options of `listen`. */
export interface ListenOptions {
  /** Local IP address to bind. @default all addresses, IPv4 and IPv6 */
  hostname?: string;
  /** UDP port to bind. @default 0, any free port */
  port?: number;
  /** Certificate chain in PEM. */
  cert: string;
  /** Private key in PEM. */
  key: string;
  /** ALPNs of raw QUIC besides "h3". @default ["skein/1"] */
  alpn?: readonly string[];
  /** Who takes WebTransport sessions: our own HTTP/3 layer or `Deno.upgradeWebTransport`. @default "skein" */
  webtransport?: "skein" | "deno";
  /** Take early data on raw QUIC, which an attacker may replay: see `Connection.ready`. @default false */
  zeroRtt?: boolean;
  /** Connections that may live at once; more are refused. @default none */
  maxConnections?: number;
  /** Concurrent bidirectional streams of a peer that the application gets. @default 100 */
  maxBidirectionalStreams?: number;
  /** Concurrent unidirectional streams of a peer that the application gets. @default 100 */
  maxUnidirectionalStreams?: number;
  /** Milliseconds without a packet after which a connection is dead. @default 30000 */
  maxIdleTimeout?: number;
  /** Milliseconds between keep-alive packets from the server. @default none: it is the client's task */
  keepAliveInterval?: number;
  /** How sending is paced. @default "default" */
  congestionControl?: CongestionControl;
  /** Milliseconds for a handshake. @default 3000 */
  handshakeTimeout?: number;
  /** Milliseconds for each stream's header and for the authenticator; an idle HTTP/3 connection ends after it. @default 5000 */
  headerTimeout?: number;
  /**
   * Handshakes at once: one more ends the oldest, so that spoofed ones keep nobody out. Also the number of connections
   * that may wait to be taken from `connections`. @default 1024
   */
  maxPendingConnections?: number;
  /** Bytes of an ordinary HTTP/3 request's body. @default 67108864 */
  maxRequestBody?: number;
  /** Decides who a peer is. @default nobody is asked */
  authenticator?: Authenticator;
  /** Paces peers. @default nothing is limited */
  rateLimiter?: RateLimiter;
  /** Looks at what peers send. @default everything passes */
  validator?: Validator;
  /** Called before a WebTransport session is answered. @default accepts all */
  admit?: (request: ConnectRequest) => AdmitResult;
  /** Called with the address of each new peer, before it is proven: `false` closes the connection at once. @default accepts all */
  admitAddress?: (address: Address) => boolean;
  /**
   * Called for each connection once its handshake has proven its address, or 0-RTT data has come: before anything is
   * read of it, and before a WebTransport session is asked for. `kind` is what it may become. @default accepts all
   */
  admitConnection?: (address: Address, kind: ConnectionKind) => ConnectionAdmission;
  /** Answers ordinary HTTP/3 requests. @default 404 */
  onRequest?: (request: Request, remote: Address) => Response | Promise<Response>;
  /** Told of failures that concern one peer only: bad handshakes, malformed frames, refusals, ... */
  onError?: (error: unknown, context: { remote: Address | undefined; stage: string }) => void;
}

/** What a listener has done so far. */
export interface ListenerStats {
  /** Connections that began, whatever became of them. */
  readonly connections: number;
  /** Connections in their handshake now. */
  readonly handshaking: number;
  /** Connections past their handshake that live now. */
  readonly connectionsActive: number;
  /** Handshakes that failed or were given up. */
  readonly failedHandshakes: number;
  /** Connections refused by a limit, a hook, the rate limiter or the authenticator. */
  readonly refused: number;
  /** Streams refused by the rate limiter or the validator. */
  readonly streamsRefused: number;
  /** WebTransport sessions and raw QUIC connections that were handed out. */
  readonly handedOut: number;
  /** Ordinary HTTP/3 requests. */
  readonly requests: number;
  /** Ordinary HTTP/3 requests that the rate limiter refused. */
  readonly requestsRefused: number;
  /** Bytes of streams and datagrams of the connections that were handed out. */
  readonly bytesSent: number;
  /** Bytes of streams and datagrams of the connections that were handed out. */
  readonly bytesReceived: number;
  /** Streams opened from this side. */
  readonly streamsOpened: number;
  /** Streams of peers that were taken. */
  readonly streamsAccepted: number;
}

/** A listening QUIC endpoint. */
export interface Listener {
  /** Where it is bound. */
  readonly address: Address;
  /** Connections of clients: WebTransport sessions after their CONNECT was accepted, raw QUIC ones at once. Ends with `close`. */
  readonly connections: AsyncIterable<Connection>;
  /** What was done so far. */
  stats(): ListenerStats;
  /** Takes another certificate for new connections; live ones stay. */
  setCertificate(cert: string, key: string): void;
  /** Takes other limits for new connections; live ones stay. */
  update(options: Partial<ListenOptions>): void;
  /** Refuses new connections and asks HTTP/3 clients without a session to go elsewhere; live ones go on. */
  drain(): void;
  /** Takes new connections again after `drain`. Deno frees a UDP port late, so this is the way back to the same port. */
  resume(): void;
  /**
   * Ends the listener and every connection. Resolves when the peers have been told: WebTransport sessions have a
   * second to take their close code. Never rejects.
   */
  close(code?: number, reason?: string): Promise<void>;
}
