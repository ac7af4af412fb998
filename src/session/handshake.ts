/**
 * From a token to an open session: verify, claim or resume, attach, answer. The same for all transports.
 *
 * @module
 */

import {
  CloseError,
  type Message,
  type Payload,
  type Principal,
  ProtocolError,
  type SendRates,
} from "../protocol/mod.ts";
import { parsePayload } from "../protocol/schemas/mod.ts";
import type { ClientConnection } from "./connection.ts";
import type { Attached, RateSettings } from "./contract.ts";

/**
 * Handles `auth_request`. Throws CloseError when the connection has to end (a token that is not accepted), or
 * ProtocolError when the client may try again on this connection (keys that cannot be had now).
 */
export async function authenticate(client: ClientConnection, message: Message): Promise<void> {
  const { host } = client;
  const request = parsePayload("auth_request", message.payload);
  client.state = "authenticating";
  try {
    const principal = await verify(client, request.token);
    if (client.state !== "authenticating") return;
    client.accept(principal);
    if (request.batch === true) client.connection.wire.batch = true;
    const claimed = host.claim(client, principal, request.resume?.sessionId);
    client.sessionId = claimed.sessionId;
    const attached = await host.membership.attach(client, request.resume?.channels).catch((error) => {
      claimed.undo();
      throw error;
    });
    if (client.state !== "authenticating") return;
    client.state = "open";
    client.connection.setLimits({
      maxFrame: client.settings.maxMessage,
      maxStreams: client.settings.maxStreams,
    });
    client.push("auth_response", response(client, claimed.resumed, attached), 0, message.id);
    attached.start();
    host.observer.authenticated(client.transport, "ok");
    if (request.resume !== undefined) {
      host.observer.resumed(client.transport, claimed.resumed ? "resumed" : "expired");
    }
    host.observer.log("info", "session open", { ...client.logFields(), resumed: claimed.resumed });
  } catch (error) {
    if (client.state === "authenticating") client.state = "new";
    throw error;
  }
}

/** Handles `auth_refresh`: another token of the same user takes the place of the first. */
export async function refresh(client: ClientConnection, message: Message, lane: number): Promise<void> {
  const { host } = client;
  const request = parsePayload("auth_refresh", message.payload);
  const principal = await verify(client, request.token);
  if (client.state !== "open") return;
  if (principal.userId !== client.principal.userId) {
    host.observer.authenticated(client.transport, "refused");
    throw new CloseError("invalid_token", "the token is another user's");
  }
  client.accept(principal);
  const left = host.membership.refresh(client, principal);
  host.observer.authenticated(client.transport, "refreshed");
  const refused = Object.fromEntries(left.map((channel) => [channel, "permission_denied" as const]));
  client.push("auth_response", response(client, true, { channels: {}, refused }), lane, message.id);
}

async function verify(client: ClientConnection, token: string): Promise<Principal> {
  const { observer, authenticator } = client.host;
  try {
    return await authenticator.verify(token);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    observer.authenticated(client.transport, error.error);
    if (error.error === "token_expired") {
      throw new CloseError("token_expired", error.message, { cause: error });
    }
    if (error.error === "invalid_token") {
      throw new CloseError("invalid_token", error.message, { cause: error });
    }
    throw error;
  }
}

/** What a client of one connection may send: the lower of its own rates and those of its user. 0: no bound. */
function lowerOf(connection: RateSettings, user: RateSettings): SendRates {
  const messages = user.messagesPerSecond || Infinity, bytes = user.bytesPerSecond || Infinity;
  const byMessages = messages < (connection.messagesPerSecond || Infinity) ? user : connection;
  const byBytes = bytes < (connection.bytesPerSecond || Infinity) ? user : connection;
  return {
    messagesPerSecond: byMessages.messagesPerSecond,
    messageBurst: Math.min(connection.messageBurst, user.messageBurst),
    bytesPerSecond: byBytes.bytesPerSecond,
    byteBurst: Math.min(connection.byteBurst, user.byteBurst),
  };
}

function response(
  client: ClientConnection,
  resumed: boolean,
  attached: Pick<Attached, "channels" | "refused">,
): Payload {
  const { settings, principal, connection, host } = client;
  return {
    userId: principal.userId,
    sessionId: client.sessionId,
    connectionId: client.connectionId,
    transport: client.transport,
    expiresIn: Number.isFinite(principal.expiresAt)
      ? Math.max(0, Math.floor((principal.expiresAt - Date.now()) / 1000))
      : null,
    resumed,
    channels: attached.channels,
    refused: attached.refused,
    limits: {
      maxMessage: settings.maxMessage,
      maxStreams: settings.maxStreams,
      maxChannels: settings.maxChannels,
      maxDatagram: connection.maxDatagramSize,
      rates: lowerOf(settings.rates.connection, settings.rates.user),
    },
    heartbeat: { interval: settings.heartbeat.interval, timeout: settings.heartbeat.timeout },
    serverTime: Date.now(),
    node: host.node,
  };
}
