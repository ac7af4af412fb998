/**
 * What operators see of connections, in `/stats` and in metrics.
 *
 * @module
 */

import type { ClientConnection, Sessions } from "../../session/mod.ts";
import type { ConnectionState } from "../http/mod.ts";

/** Depth of the outboxes of all connections. */
export interface OutboxDepth {
  readonly bytes: number;
  readonly messages: number;
  /** Of the deepest one. */
  readonly maxBytes: number;
  readonly maxMessages: number;
  /** The connection with `maxBytes`, when anything waits. */
  readonly deepest?: { readonly transport: string; readonly connectionId: string };
}

/** Every connection as `/stats` shows it. */
export function* connectionStates(
  sessions: Sessions,
  channels: (client: ClientConnection) => number,
): Iterable<ConnectionState> {
  for (const client of sessions.connections) {
    const { traffic, remoteAddress } = client.connection;
    yield {
      connectionId: client.connectionId,
      sessionId: client.sessionId || null,
      userId: client.userId ?? null,
      transport: client.transport,
      remoteAddress,
      connectedAt: client.connectedAt,
      lastActivity: client.lastActivity,
      bytesIn: traffic.bytesIn,
      bytesOut: traffic.bytesOut,
      messagesIn: traffic.messagesIn,
      messagesOut: traffic.messagesOut,
      rtt: client.rtt < 0 ? null : client.rtt,
      outboxBytes: client.outbox.bytes,
      outboxMessages: client.outbox.length,
      channels: client.userId === undefined ? 0 : channels(client),
    };
  }
}

/** What waits for all connections, and for the one with most. */
export function outboxDepth(sessions: Sessions): OutboxDepth {
  let bytes = 0, messages = 0, maxBytes = 0, maxMessages = 0;
  let deepest: ClientConnection | undefined;
  for (const client of sessions.connections) {
    const { outbox } = client;
    bytes += outbox.bytes;
    messages += outbox.length;
    maxMessages = Math.max(maxMessages, outbox.length);
    if (outbox.bytes > maxBytes) {
      maxBytes = outbox.bytes;
      deepest = client;
    }
  }
  const depth = { bytes, messages, maxBytes, maxMessages };
  return deepest === undefined
    ? depth
    : { ...depth, deepest: { transport: deepest.transport, connectionId: deepest.connectionId } };
}
