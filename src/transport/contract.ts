/**
 * A message connection: what a session sees of a transport. QUIC, WebTransport, WebSocket and the in-memory
 * pair implement it and pass one conformance suite.
 *
 * @module
 */

import type { Encoded } from "../protocol/mod.ts";
import type { Unwritten } from "../streams/mod.ts";

export type { Unwritten };

/** What carries a connection. */
export type TransportKind = "webtransport" | "quic" | "websocket" | "memory";

/** Where a frame came from. */
export interface Arrival {
  /** The lane it came on; 0 for WebSocket and datagrams. */
  readonly lane: number;
  readonly datagram: boolean;
  /** The transport could not hold it back while the session asked for a pause: refuse it. */
  readonly overflow: boolean;
  /** It came before the handshake ended and may be a replay: only idempotent messages are to be acted on. */
  readonly early: boolean;
}

/**
 * The side of a session that a transport drives. Calls come one at a time. `frame` is valid only during the
 * call; a promise means "read no more until this resolves", for as far as the transport can (a WebSocket cannot).
 * `size` is what it took on the wire, in bytes; by default the length of `data`.
 */
export interface ConnectionSink {
  frame(data: Uint8Array | string, arrival: Arrival, size?: number): void | Promise<void>;
  /** Told once, when the transport has ended, whoever ended it. */
  ended(info: TransportClose): void;
  /** A failure of the peer on this connection, to be logged and counted; the transport closes itself when it must. */
  failed(error: unknown, stage: string): void;
  /** The peer sent more that is no message than it may: it is not read for `ms` milliseconds. */
  heldBack(ms: number): void;
  /** A stream has ended before its time, alone. `lane` is undefined when it did not say which one it is. */
  streamLost(lane: number | undefined, how: StreamLoss): void;
  /** The peer's address changed under the live connection. */
  migrated(from: string, to: string): void;
}

/**
 * How a stream ended before its time: the peer `reset` what it sends on it, or `stopped` reading it; or it did not say in
 * time which lane it is.
 */
export type StreamLoss = "reset" | "stopped" | "timeout";

/** How a transport ended. */
export interface TransportClose {
  readonly code: number;
  readonly reason: string;
  readonly by: "local" | "remote" | "timeout" | "error";
}

/** A message waiting to leave. */
export interface Queued {
  readonly message: Encoded;
  /** The lane it leaves on; on WebSocket its priority. */
  readonly lane: number;
  /** Bytes it was accounted with. */
  readonly size: number;
}

/**
 * Where a transport takes what is to be sent: the session's outbox. The transport asks when it can write, so
 * what waits can still be coalesced or dropped.
 */
export interface OutboxSource {
  /** The next message for `lane`, or for any lane by priority when `lane` is undefined. Removes it. */
  take(lane?: number): Queued | undefined;
  /** A lane has ended in order: what waits for it leaves on lane 0. */
  reroute(lane: number): void;
  /**
   * The peer has stopped a lane: what waits for it leaves on lane 0, after `unwritten`, which was taken for it. What was
   * written to the lane may be lost.
   */
  laneLost(lane: number, unwritten: Unwritten<Encoded>): void;
}

/** How frames are written on this connection; set by the session once the client's first frame is known. */
export interface WireOptions {
  form: "json" | "msgpack";
  /**
   * WebSocket: how several messages may share one frame. `frames`: each behind its length in a binary frame. `lines`:
   * JSON texts in a text frame, a line break between them. `none`: they may not. MessagePack always comes in `frames`.
   */
  batch: "none" | "lines" | "frames";
}

/** One message connection. */
export interface MessageConnection {
  readonly kind: TransportKind;
  /** `host:port` of the peer now. */
  readonly remoteAddress: string;
  /** Largest datagram, 0 where there are none. */
  readonly maxDatagramSize: number;
  readonly wire: WireOptions;
  /** It compresses messages by itself. @default false */
  readonly compresses?: boolean;
  /** Resolves when the runtime has let go of what carried it, where that can be after its end: it holds a descriptor till then. */
  readonly released?: Promise<void>;
  /** Starts reading; called once. What was received before is kept (bounded). */
  start(sink: ConnectionSink, outbox: OutboxSource): void;
  /** Something waits in the outbox for this lane: it leaves in a microtask, together with all that is queued by then. */
  wake(lane: number): void;
  /** The lane to answer on: `lane` when it is open, else 0. */
  laneOrControl(lane: number): number;
  /** Sends a datagram; false when there are none, it is too large, or too many wait. */
  sendDatagram(message: Encoded): boolean;
  /** Raises the limits that hold before authentication: frame size in bytes and streams. */
  setLimits(limits: { maxFrame: number; maxStreams: number }): void;
  /** Bytes handed to the runtime but not yet taken by the network, as far as it can be told. */
  readonly buffered: number;
  /** Bytes and frames both ways, counted here. */
  readonly traffic: Traffic;
  /** Looks for a changed address; called by the session's sweep. */
  checkPath(): void;
  /**
   * Flushes what the outbox holds for lane 0 (bounded by `timeout`, default 1 s), then ends the transport
   * with `code` and `reason`.
   */
  close(code: number, reason: string, timeout?: number): Promise<void>;
  /** Ends it now. */
  abort(): void;
}

/** Traffic of one connection. */
export interface Traffic {
  bytesIn: number;
  bytesOut: number;
  messagesIn: number;
  messagesOut: number;
}
