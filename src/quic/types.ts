/**
 * Connections and their streams: one surface over raw QUIC (Deno, client and server) and WebTransport (browsers and
 * Deno as clients, Deno as server).
 *
 * @module
 */

/** Stream priorities, 0 to 255: the higher goes first, strictly. Any number between is fine too. */
export const PRIORITY = { CRITICAL: 255, HIGH: 192, NORMAL: 128, LOW: 64, BACKGROUND: 0 } as const;

/** What carries a connection to a listener. */
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
  /** The reason given, or ""; transports cut it at about 1,000 bytes. */
  readonly reason: string;
  /** Who ended it: `timeout` and `error`: the connection broke without a close. */
  readonly by: "local" | "remote" | "timeout" | "error";
}

/** What a stream has carried, counted here. */
export interface StreamStats {
  /** Bytes taken by `write`. */
  readonly bytesSent: number;
  /** Bytes given by `read`. */
  readonly bytesReceived: number;
  /** Bytes given to `write` that the stack has not taken yet. */
  readonly sendBuffered: number;
  /** Bytes that came from the stack and were not read yet. What the stack itself holds is not told. */
  readonly receiveBuffered: number;
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
  /** Datagrams that came for the application. */
  readonly datagramsReceived: number;
  /** Datagrams that came and were dropped: the reader was too slow, or they were not allowed. */
  readonly datagramsDropped: number;
  /** Streams opened from this side. */
  readonly streamsOpened: number;
  /** Streams the peer opened that were taken. */
  readonly streamsAccepted: number;
  /** Streams of both sides that have ended. */
  readonly streamsClosed: number;
  /** Streams open now. */
  readonly streamsActive: number;
  /**
   * Round-trip time in milliseconds, smoothed. Measured by `measureRtt`; before its first call the duration of the
   * handshake, which is an upper bound. `undefined` when nothing is known yet.
   */
  readonly rtt: number | undefined;
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
   * Writes all of `bytes`. Resolves when the stack has taken them, which is no delivery; until then the caller must not
   * change them. One write at a time. Rejects when the stream or the connection has ended.
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
  /**
   * Reads exactly `length` bytes into memory of their own. Rejects with StreamError `unexpected_end` when the stream
   * ends before. Check a length that the peer has said before you pass it.
   */
  readExact(length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Asks the peer to stop sending. */
  cancel(reason?: unknown): void;
  /** What was received so far. */
  stats(): StreamStats;
}

/** A stream in both directions. */
export interface BidirectionalStream extends SendStream, ReceiveStream {
  /** QUIC's stream id where the transport tells it. */
  readonly id: bigint | undefined;
  /** The two halves, to be handed to different owners. They and this are the same stream. */
  split(): { readonly send: SendStream; readonly receive: ReceiveStream };
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
  /** A name of its own, unique to this process; the peer does not know it. */
  readonly id: string;
  /** What carries it; `webrtc`: data channels between two browsers. */
  readonly kind: ConnectionKind | "webrtc";
  /** What the client asked for: URL of the CONNECT request, or `undefined` on raw QUIC. */
  readonly url: URL | undefined;
  /** Header fields of the CONNECT request, names in lower case; empty on raw QUIC and at clients. */
  readonly headers: ReadonlyMap<string, string>;
  /** What the listener's authenticator said of the peer; `undefined` without one. */
  readonly principal: unknown;
  /** The peer's address now; `undefined` in browsers. */
  readonly remoteAddress: Address | undefined;
  /** Where our UDP socket is bound, perhaps to all addresses; `undefined` in browsers. */
  readonly localAddress: Address | undefined;
  /**
   * Resolves when the handshake is complete. Data received before (0-RTT) may be a replay by an attacker, and data sent
   * before may be lost. Rejects when the handshake failed.
   */
  readonly ready: Promise<void>;
  /** Whether `ready` has resolved. */
  readonly handshakeComplete: boolean;
  /** Opens a stream. Rejects with StreamError `stream_limit` at the peer's limit (unless one waits), or ConnectionEnded. */
  openBidirectionalStream(options?: OpenStreamOptions): Promise<BidirectionalStream>;
  /** Opens a stream to send only. Rejects like `openBidirectionalStream`. */
  openUnidirectionalStream(options?: OpenStreamOptions): Promise<SendStream>;
  /** Streams the peer opens; ends quietly with the connection. One consumer. */
  readonly incomingBidirectionalStreams: AsyncIterable<BidirectionalStream>;
  /** Streams the peer opens; ends quietly with the connection. One consumer. */
  readonly incomingUnidirectionalStreams: AsyncIterable<ReceiveStream>;
  /** Largest datagram that may be sent now, in bytes; 0 where there are none. */
  readonly maxDatagramSize: number;
  /** Sends one datagram, unreliably. Rejects with QuicError `datagram_too_large` or `no_datagrams`, or ConnectionEnded. */
  sendDatagram(bytes: Uint8Array): Promise<void>;
  /** Datagrams of the peer; ends quietly with the connection. One consumer; of more than 512 unread the oldest go. */
  readonly datagrams: AsyncIterable<Uint8Array>;
  /**
   * Measures the round trip to the peer in milliseconds, by a datagram that this library answers at the other end.
   * Resolves with `undefined` when no answer comes within `timeout` milliseconds (default 1000): it was lost, or the peer
   * speaks another library. Browsers that tell the round trip themselves are asked instead.
   * It may be 0 where the browser's clock is coarse.
   */
  measureRtt(timeout?: number): Promise<number | undefined>;
  /** What was carried so far. */
  stats(): ConnectionStats;
  /**
   * Compares the peer's address with that of the last call; a change is counted and the listeners of `onMigrated` are
   * called. The owner calls this on a timer, because Deno has no event for a migration.
   */
  checkPath(): void;
  /** Calls `listener` when the peer's address has changed. Returns a function that stops it. */
  onMigrated(listener: (event: MigrationEvent) => void): () => void;
  /**
   * Ends the connection at once; unsent data may be lost. Resolves when the peer has been told, after about a second at
   * most, so that a program may exit. Never rejects.
   */
  close(code?: number, reason?: string): Promise<void>;
  /** Whether it has ended. */
  readonly isClosed: boolean;
  /** Resolves when the connection has ended, whatever the cause; after `close` at once. Never rejects. */
  readonly closed: Promise<CloseInfo>;
}
