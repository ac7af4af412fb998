/**
 * What a client tells the application.
 *
 * @module
 */

import type { Message } from "../protocol/mod.ts";
import type { SkeinError } from "./errors.ts";
import type { Receipt } from "./outbox/outbox.ts";
import type { ClientMetrics } from "./policy/meter.ts";
import type { Delivered, Discontinuity } from "./session/subscription.ts";
import type { ClientTransportKind } from "./transport/contract.ts";

/**
 * Where a session stands: `idle` before `connect` and after `disconnect`, `unauthorized` when the server takes none of
 * the tokens (until `connect` is called again), `closed` for good.
 */
export type ClientStatus = "idle" | "connecting" | "connected" | "reconnecting" | "unauthorized" | "closed";

/** Events of a client, and what their listeners are given. */
export interface ClientEvents {
  /** The session is on a connection; again after each reconnection and each move. */
  connected: {
    transport: ClientTransportKind;
    sessionId: string;
    connectionId: string;
    userId: string;
    resumed: boolean;
  };
  /** The session is on no connection any more. */
  disconnected: { code: number; reason: string; willReconnect: boolean };
  /** A message of the server: kept ones once and in order, others as they come. */
  message: Message;
  /** A kept message, once and in order. */
  delivered: Delivered;
  /** Something failed; what can be done about it is being done. */
  error: SkeinError;
  /** The session moved from one transport to another without a gap. */
  transportchange: { from: ClientTransportKind; to: ClientTransportKind };
  /** The network changed under a QUIC connection; `survived` false: a new connection is made. */
  migrated: { survived: boolean; transport: ClientTransportKind };
  /** Measurements, every `metricsInterval` while connected. */
  metrics: ClientMetrics;
  /** Messages were lost to this client: the history does not reach back far enough. */
  discontinuity: Discontinuity;
  /** The server has committed a message, perhaps one of an earlier run. */
  acknowledged: Receipt;
  /** A message will not be sent. */
  rejected: { id: string; error: SkeinError };
  /** How many messages wait to be acknowledged. */
  pending: number;
  /** The server took the session off a channel. */
  left: { channel: string; error: SkeinError };
  /** The status has changed. */
  status: ClientStatus;
  /** The server is about to end connections, or asks to move. The client acts by itself. */
  draining: { deadline: number };
}
