/**
 * The unified multi-stream API: one surface over raw QUIC (Deno, client and server) and WebTransport
 * (browsers and Deno as clients, Deno as server).
 *
 * @module
 */

/** Stream priorities, 0 to 255: the higher goes first, strictly. Any number between is fine too. */
export const PRIORITY = { CRITICAL: 255, HIGH: 192, NORMAL: 128, LOW: 64, BACKGROUND: 0 } as const;

/** What carries a connection. */
export type ConnectionKind = "quic" | "webtransport";

/** An IP address and UDP port. */
export interface Address {
  /** IP address as text; IPv4 addresses are plain also on an IPv6 socket. */
  readonly hostname: string;
  /** UDP port. */
  readonly port: number;
}

/** Why a connection ended: the peer's or our own code and reason. */
export interface CloseInfo {
  /** Application close code; 0 when none was given. */
  readonly code: number;
  /** As it was given, "" when none was; transports cut long ones at about 1,000 bytes. */
  readonly reason: string;
  /** Who ended it: `timeout` and `error` mean that nobody said good-bye. */
  readonly by: "local" | "remote" | "timeout" | "error";
}

/** What a stream has carried, counted here. */
export interface StreamStats {
  /** Bytes taken by `write`. */
  readonly bytesSent: number;
  /** Bytes given by `read`. */
  readonly bytesReceived: number;
  /** Milliseconds since the epoch. */
  readonly openedAt: number;
}

/** What a connection has carried. Every figure is counted or measured by us; none is made up. */
export interface ConnectionStats {
  /** Bytes of streams and datagrams sent. */
  readonly bytesSent: number;
  /** Bytes of streams and datagrams received. */
  readonly bytesReceived: number;
  /** Datagrams handed to the stack. */
  readonly datagramsSent: number;
  /** Datagrams given to the reader. */
  readonly datagramsReceived: number;
  /** Streams opened from this side. */
  readonly streamsOpened: number;
  /** Streams the peer opened that were taken. */
  readonly streamsAccepted: number;
  /** Streams open now. */
  readonly streamsActive: number;
  /** How often the peer's address changed. */
  readonly migrations: number;
  /** Milliseconds since the epoch. */
  readonly openedAt: number;
  /** When the last byte or datagram came, in milliseconds since the epoch. */
  readonly lastActivityAt: number;
}

/** The sending half of a stream. */
export interface SendStream {
  /** QUIC's stream id where the transport tells it. */
  readonly id: bigint | undefined;
  /** 0 to 255, changeable at any time; applied from the next write on. */
  priority: number;
  /** The W3C stream; made at first use. Use either this or `write`/`end`, not both. */
  readonly writable: WritableStream<Uint8Array>;
  /**
   * Writes all of `bytes`; resolves when the stack has taken them, and only then may they be reused. It is
   * no delivery. One write at a time. Rejects when the stream or the connection has ended.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the stream cleanly after what was written. */
  end(): Promise<void>;
  /** Gives up the stream. Never hangs. The peer may see a clean end: Deno has no RESET_STREAM. */
  abort(reason?: unknown): void;
  /** What was sent so far. */
  stats(): StreamStats;
}

/** The receiving half of a stream. */
export interface ReceiveStream {
  /** QUIC's stream id where the transport tells it. */
  readonly id: bigint | undefined;
  /** The W3C byte stream; made at first use. Use either this or `read`, not both. */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * Reads into `buffer` from its start. Resolves with a view over the same memory (the passed view is
   * detached), at most as long as it, or with `null` at the end of the stream. Rejects when the stream was reset or the
   * connection ended. One read at a time.
   */
  read(buffer: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Asks the peer to stop sending. */
  cancel(reason?: unknown): void;
  /** What was received so far. */
  stats(): StreamStats;
}

/** A stream in both directions. */
export interface BidirectionalStream extends SendStream, ReceiveStream {
  /** QUIC's stream id where the transport tells it. */
  readonly id: bigint | undefined;
  /** What went both ways so far. */
  stats(): StreamStats;
}

/** Options for opening a stream. */
export interface OpenStreamOptions {
  /** 0 to 255. @default 128 */
  priority?: number;
  /** Wait for stream credit instead of failing when the peer's limit is reached. @default false */
  wait?: boolean;
}

/** The peer's address changed under a live connection. */
export interface MigrationEvent {
  /** Where the peer was. */
  readonly from: Address;
  /** Where it is now. */
  readonly to: Address;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** A connection of many streams and datagrams. */
export interface Connection {
  /** What carries it. */
  readonly kind: ConnectionKind;
  /** What the client asked for: URL of the CONNECT request, or `undefined` on raw QUIC. */
  readonly url: URL | undefined;
  /** Header fields of the CONNECT request, names in lower case; empty on raw QUIC and at clients. */
  readonly headers: ReadonlyMap<string, string>;
  /** The peer's address now; `undefined` in browsers. */
  readonly remoteAddress: Address | undefined;
  /**
   * Resolves when the handshake is complete. Before that (0-RTT) what was received may be a replay, and
   * what was sent may be lost. Rejects when the handshake failed.
   */
  readonly ready: Promise<void>;
  /** Whether `ready` has resolved. */
  readonly handshakeComplete: boolean;
  /** Opens a stream. Rejects with RangeError at the peer's stream limit (unless one waits), else with how the connection ended. */
  openBidirectionalStream(options?: OpenStreamOptions): Promise<BidirectionalStream>;
  /** Opens a stream to send only. Rejects like `openBidirectionalStream`. */
  openUnidirectionalStream(options?: OpenStreamOptions): Promise<SendStream>;
  /** Streams the peer opens; ends quietly with the connection. One consumer. */
  readonly incomingBidirectionalStreams: AsyncIterable<BidirectionalStream>;
  /** Streams the peer opens; ends quietly with the connection. One consumer. */
  readonly incomingUnidirectionalStreams: AsyncIterable<ReceiveStream>;
  /** Largest datagram that may be sent now, in bytes; 0 where there are none. */
  readonly maxDatagramSize: number;
  /** Sends one datagram, unreliably. Rejects with RangeError when it is too large. */
  sendDatagram(bytes: Uint8Array): Promise<void>;
  /** Datagrams of the peer; ends quietly with the connection. One consumer. */
  readonly datagrams: AsyncIterable<Uint8Array>;
  /** What was carried so far. */
  stats(): ConnectionStats;
  /**
   * Looks whether the peer's address has changed since the last look, and if so counts it and calls the
   * `migrated` listeners. Called on a timer of the owner: Deno has no event for it.
   */
  checkPath(): void;
  /** Calls `listener` when the peer's address has changed. Returns a function that stops it. */
  onMigrated(listener: (event: MigrationEvent) => void): () => void;
  /** Ends the connection. Unsent data may be lost. */
  close(code?: number, reason?: string): void;
  /** Resolves when the connection has ended, whatever the cause. Never rejects. */
  readonly closed: Promise<CloseInfo>;
}

/** Options of `connect`. */
export interface ConnectOptions {
  /** SHA-256 hashes of certificates to accept instead of the certificate authorities' word. */
  serverCertificateHashes?: readonly Uint8Array<ArrayBuffer>[];
  /** Certificate authorities in PEM; raw QUIC only. */
  caCerts?: readonly string[];
  /** ALPN of raw QUIC. @default "skein/1" */
  alpn?: string;
  /** Try 0-RTT with a ticket of an earlier connection through the same `endpoint`; raw QUIC only. @default false */
  zeroRtt?: boolean;
  /** The client's UDP endpoint (`createEndpoint`), to share among connections; raw QUIC only. */
  endpoint?: ClientEndpoint;
  /** Milliseconds between keep-alive packets; raw QUIC only. @default none */
  keepAliveInterval?: number;
  /** Milliseconds without a packet after which the connection is dead; raw QUIC only. @default 30000 */
  maxIdleTimeout?: number;
  /** Give up after this many milliseconds. @default 10000 */
  timeout?: number;
  /** Calls off the dial. */
  signal?: AbortSignal;
}

/** A client's UDP endpoint; keeps 0-RTT tickets. */
export interface ClientEndpoint {
  /** The local address. */
  readonly address: Address;
  /** Ends it and every connection on it. */
  close(): void;
}

/** What a server decides about a WebTransport CONNECT request. */
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

/** Options of `listen`. */
export interface ListenOptions {
  /**
   * Local IP address to bind.
   * @default "::"
   */
  hostname?: string;
  /**
   * UDP port to bind.
   * @default 0, any free port
   */
  port?: number;
  /** Certificate chain in PEM. */
  cert: string;
  /** Private key in PEM. */
  key: string;
  /** ALPNs of raw QUIC besides "h3". @default ["skein/1"] */
  alpn?: readonly string[];
  /** Who takes WebTransport sessions: our own HTTP/3 layer or `Deno.upgradeWebTransport`. @default "skein" */
  webtransport?: "skein" | "deno";
  /** Accept 0-RTT on raw QUIC. @default true */
  zeroRtt?: boolean;
  /**
   * Concurrent bidirectional streams a peer may have open.
   * @default 100
   */
  maxBidirectionalStreams?: number;
  /**
   * Concurrent unidirectional streams a peer may have open.
   * @default 100
   */
  maxUnidirectionalStreams?: number;
  /** Milliseconds. @default 30000 */
  maxIdleTimeout?: number;
  /** Milliseconds between keep-alive packets from the server. @default none: it is the client's task */
  keepAliveInterval?: number;
  /**
   * How sending is paced: "low-latency" is BBR, "throughput" CUBIC.
   * @default "default", which is CUBIC
   */
  congestionControl?: "throughput" | "low-latency" | "default";
  /** Milliseconds a peer has for its handshake, and each stream for its header. @default 5000 */
  headerTimeout?: number;
  /** Connections that may be in their handshake or wait to be taken from `connections`; more are refused. @default 1024 */
  maxPendingConnections?: number;
  /** Bytes of an ordinary HTTP/3 request's body. @default 67108864 */
  maxRequestBody?: number;
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
  /** Told of failures that concern one peer only: bad handshakes, malformed frames, ... */
  onError?: (error: unknown, context: { remote: Address | undefined; stage: string }) => void;
}

/** Whether a connection may go on: `ended` is called once when it is over; otherwise it is closed with code and reason. */
export type ConnectionAdmission =
  | { readonly accept: true; readonly ended?: () => void }
  | { readonly accept: false; readonly code: number; readonly reason: string };

/** A listening QUIC endpoint. */
export interface Listener {
  /** Where it is bound. */
  readonly address: Address;
  /** Connections of clients: WebTransport sessions after their CONNECT was accepted, raw QUIC ones at once. Ends with `close`. */
  readonly connections: AsyncIterable<Connection>;
  /** Takes another certificate for new connections; live ones stay. */
  setCertificate(cert: string, key: string): void;
  /** Takes other limits for new connections; live ones stay. */
  update(options: Partial<ListenOptions>): void;
  /** Refuses new connections; live ones go on. */
  drain(): void;
  /** Takes new connections again after `drain`. Deno frees a UDP port late, so this is the way back to the same port. */
  resume(): void;
  /**
   * Ends the listener and every connection. Resolves when the peers have been told: WebTransport sessions have a
   * second to take their close code. Never rejects.
   */
  close(code?: number, reason?: string): Promise<void>;
}
