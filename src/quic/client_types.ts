/**
 * What the dialling side is told and tells.
 *
 * @module
 */

import type { Address, Connection } from "./types.ts";

/** How sending is paced: "low-latency" is BBR, "throughput" and "default" are CUBIC. */
export type CongestionControl = "throughput" | "low-latency" | "default";

/** Options of `connect`. Browsers know `serverCertificateHashes`, `timeout` and `signal`; the rest is for Deno. */
export interface ConnectOptions {
  /** SHA-256 hashes of certificates to accept instead of the certificate authorities' word. */
  serverCertificateHashes?: readonly Uint8Array<ArrayBuffer>[];
  /** Give up after this many milliseconds. @default 10000 */
  timeout?: number;
  /** Calls off the dial. */
  signal?: AbortSignal;
  /** Certificate authorities in PEM to trust besides the runtime's. */
  caCerts?: readonly string[];
  /** ALPN of raw QUIC. @default "skein/1" */
  alpn?: string;
  /** Try 0-RTT with a ticket of an earlier connection through the same `endpoint`; raw QUIC only. @default false */
  zeroRtt?: boolean;
  /** Header fields of the request for a WebTransport session. */
  headers?: Readonly<Record<string, string>>;
  /** The UDP endpoint (`createEndpoint`), to share among connections. */
  endpoint?: ClientEndpoint;
  /** Milliseconds between keep-alive packets. @default none */
  keepAliveInterval?: number;
  /** Milliseconds without a packet after which the connection is dead. @default 30000 */
  maxIdleTimeout?: number;
  /** Concurrent bidirectional streams the server may have open. @default 100 */
  maxBidirectionalStreams?: number;
  /** Concurrent unidirectional streams the server may have open. @default 100 */
  maxUnidirectionalStreams?: number;
  /** How sending is paced. @default "default" */
  congestionControl?: CongestionControl;
}

/** A client's UDP endpoint; keeps 0-RTT tickets. */
export interface ClientEndpoint {
  /** The local address. */
  readonly address: Address;
  /** Ends it and every connection on it. */
  close(): void;
}

/** What a client has done so far. */
export interface ClientStats {
  /** Calls of `connect`. */
  readonly dials: number;
  /** Dials that failed or were called off. */
  readonly failedDials: number;
  /** Connections that were made. */
  readonly connections: number;
  /** Connections that live now. */
  readonly connectionsActive: number;
  /** Bytes of streams and datagrams, of all connections. */
  readonly bytesSent: number;
  /** Bytes of streams and datagrams, of all connections. */
  readonly bytesReceived: number;
  /** Streams opened from this side, of all connections. */
  readonly streamsOpened: number;
  /** Streams the servers opened that were taken, of all connections. */
  readonly streamsAccepted: number;
}

/** Options of `createClient`. */
export interface ClientOptions extends ConnectOptions {
  /** Connections that may live at once; dials beyond reject with QuicError `rejected`. @default none */
  maxConnections?: number;
}

/** Dials with common options and counts what its connections do. */
export interface Client {
  /** Like the function `connect`; `options` go before the client's own. */
  connect(to: string | URL | Address, options?: ConnectOptions): Promise<Connection>;
  /** What was done so far. */
  stats(): ClientStats;
  /** Ends every connection; later dials reject. Resolves when the servers have been told, after a second at most. */
  close(code?: number, reason?: string): Promise<void>;
}
