/**
 * What operators see of connections, in `/stats` and in metrics.
 *
 * @module
 */

import type { ClientConnection, Sessions } from "../../session/mod.ts";
import type { ApiConnection } from "../../protocol/api/types.ts";
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
): Iterable<ConnectionState & { readonly channels: number }> {
  for (const client of sessions.connections) {
    yield {
      connectionId: client.connectionId,
      sessionId: client.sessionId || null,
      userId: client.userId ?? null,
      transport: client.transport,
      remoteAddress: client.connection.remoteAddress,
      ...client.snapshot(),
      channels: client.userId === undefined ? 0 : channels(client),
    };
  }
}

/** The connection for which most bytes wait, when anything waits. */
export function deepestOutbox(sessions: Sessions): ClientConnection | undefined {
  let deepest: ClientConnection | undefined;
  for (const client of sessions.connections) {
    if (client.outbox.bytes > (deepest?.outbox.bytes ?? 0)) deepest = client;
  }
  return deepest;
}

/** The same, with the name of the node that they are on. */
export function* withNode(
  connections: Iterable<ConnectionState & { readonly channels: number }>,
  node: string,
): Iterable<ApiConnection> {
  for (const connection of connections) yield { ...connection, node };
}

/** What waits for all connections, and for the one with most. */
export function outboxDepth(sessions: Sessions): OutboxDepth {
  let bytes = 0, messages = 0, maxMessages = 0;
  for (const { outbox } of sessions.connections) {
    bytes += outbox.bytes;
    messages += outbox.length;
    maxMessages = Math.max(maxMessages, outbox.length);
  }
  const deepest = deepestOutbox(sessions);
  if (deepest === undefined) return { bytes, messages, maxBytes: 0, maxMessages };
  const { transport, connectionId, outbox } = deepest;
  return { bytes, messages, maxBytes: outbox.bytes, maxMessages, deepest: { transport, connectionId } };
}
