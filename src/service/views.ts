/**
 * What the service shows of its parts: to `/stats`, to `/client.json`, to metrics.
 *
 * @module
 */

import type { ClientConnection, Sessions, SessionSettings } from "../session/mod.ts";
import type { Config } from "./config/mod.ts";
import type { ClientInfo, ConnectionState } from "./http/mod.ts";
import type { OutboxDepth } from "./metrics/state.ts";

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
      lastActivity: client.lastReceivedAt,
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

/** What clients are told of this service. Ports are those bound, which differ from configured ones for port 0. */
export function clientInfo(
  config: Config,
  settings: SessionSettings,
  ports: { readonly http: number; readonly quic: number | undefined },
  certificateHashes: readonly string[],
): ClientInfo {
  return {
    websocket: {
      port: ports.http,
      tls: config.http.tls !== null,
      publicUrl: config.http.publicUrl ?? undefined,
    },
    quic: ports.quic === undefined ? undefined : {
      port: ports.quic,
      alpn: config.quic.alpn[0] ?? "skein/1",
      publicUrl: config.quic.publicUrl ?? undefined,
      certificateHashes,
    },
    limits: {
      maxMessage: settings.maxMessage,
      maxStreams: settings.maxStreams,
      maxChannels: settings.maxChannels,
    },
    heartbeat: settings.heartbeat,
  };
}
