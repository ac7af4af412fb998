/**
 * What the SDK sees of a transport. WebTransport, raw QUIC and WebSocket implement it and pass one conformance suite.
 *
 * @module
 */

import type { JsonEncoded, Message } from "../../protocol/core.ts";

/** What carries a connection. */
export type ClientTransportKind = "webtransport" | "quic" | "websocket";

/** How a transport ended. */
export interface TransportEnd {
  /** Close code of the protocol's table; 0 when nobody said one. */
  readonly code: number;
  readonly reason: string;
  readonly by: "local" | "remote" | "timeout" | "error";
}

/** What a transport has carried, counted by it. */
export interface TransportTraffic {
  bytesIn: number;
  bytesOut: number;
  messagesIn: number;
  messagesOut: number;
}

/** One connection of one transport: connected once, used until it ends, never used again. */
export interface ClientTransport {
  readonly kind: ClientTransportKind;
  /** Lanes are streams of their own; otherwise a lane's number is only its priority. */
  readonly laneful: boolean;
  /** Largest datagram that may be sent now, in bytes; 0 where there are none. */
  readonly maxDatagramSize: number;
  readonly traffic: TransportTraffic;
  /** Called for each message; `datagram` says how it came. */
  onMessage: (message: Message, lane: number, datagram: boolean) => void;
  /** Called once, after `connect` has resolved: the transport has ended, whoever ended it. */
  onClose: (end: TransportEnd) => void;
  /** A lane broke while the connection lives: what was sent on it may be lost. */
  onLaneLost: (lane: number) => void;
  /** Called for what cannot be read as a message; the connection goes on where it can. */
  onError: (error: unknown) => void;
  /** Connects. Called once. Rejects with the signal's reason when that is aborted; `close` waits until nothing is left open. */
  connect(signal?: AbortSignal): Promise<void>;
  /** Queues a message; never blocks. Messages of one lane arrive in the order of these calls. */
  send(message: JsonEncoded, lane: number): void;
  /** Sends a datagram; false when there are none, it is too large, or too many wait. */
  sendDatagram(message: JsonEncoded): boolean;
  /** No datagrams get through: none is sent any more, and `maxDatagramSize` is 0. */
  stopDatagrams(): void;
  /** Opens a lane that is only received on. */
  openLane(lane: number): void;
  /** Ends a lane once what is queued on it is sent; it is opened again by what is sent next. */
  closeLane?(lane: number): void;
  /** Sends what is queued (for at most a second), then ends the connection; also called when `connect` failed. Never rejects. */
  close(code?: number, reason?: string): Promise<void>;
}

/** Makes a transport that has still to be connected. */
export type TransportFactory = () => ClientTransport;

/** A transport's counts at the start. */
export function noTraffic(): TransportTraffic {
  return { bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };
}
