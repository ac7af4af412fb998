/**
 * From a token to an open session: verify, claim or resume, attach, answer. The same for all transports.
 *
 * @module
 */

import type { Maybe } from "../async/when.ts";
import {
  CloseError,
  ERRORS,
  type Message,
  type Payload,
  type Principal,
  ProtocolError,
  type SendRates,
} from "../protocol/mod.ts";
import { parsePayload } from "../protocol/schemas/mod.ts";
import type { Client } from "../router/types.ts";
import type { MessageConnection, TransportKind } from "../transport/contract.ts";
import type { Attached, RateSettings } from "./contract.ts";
import type { ConnectionPhase, Host } from "./host.ts";
import type { Outbound } from "./outbound.ts";

/** The connection that shakes hands. */
export interface HandshakeConnection extends Client {
  readonly host: Host;
  readonly connection: MessageConnection;
  readonly transport: TransportKind;
  readonly outbound: Outbound;
  phase: ConnectionPhase;
  sessionId: string;
  /** The token was accepted. */
  accept(principal: Principal): void;
  /** What identifies the connection in a log line. */
  logFields(): Record<string, unknown>;
}

/**
 * Handles `auth_request`. Throws CloseError when the connection has to end (a token that is not accepted), or
 * ProtocolError when the client may try again on this connection (keys that cannot be had now).
 */
export async function authenticate(client: HandshakeConnection, message: Message): Promise<void> {
  const { host, connection } = client;
  const { settings, observer } = host;
  const request = parseRequest(client, message);
  client.phase = "authenticating";
  try {
    const verified = await verify(client, request.token);
    if (client.phase !== "authenticating") return;
    const asked = admit(client, verified, request.resume?.sessionId, false);
    const principal = asked instanceof Promise ? await stillGood(client, request.token, asked) : asked;
    if (client.phase !== "authenticating") return;
    client.accept(principal);
    const { batch } = request;
    if (batch !== undefined && batch !== false) connection.wire.batch = batch === true ? "frames" : batch;
    const claiming = host.claim(principal, request.resume?.sessionId);
    const claim = claiming instanceof Promise ? await claiming : claiming;
    client.sessionId = claim.sessionId;
    // The connection has ended while the engine was asked.
    if (client.phase !== "authenticating") return claim.undo();
    const isMoved = claim.outcome === "moved";
    const attached = await host.membership.attach(client, request.resume?.channels, isMoved).catch(
      (error) => {
        claim.undo();
        throw error;
      },
    );
    if (client.phase !== "authenticating") return;
    client.phase = "open";
    connection.setLimits({ maxFrame: settings.maxMessage, maxStreams: settings.maxStreams });
    const resumed = claim.outcome !== "new" && claim.outcome !== "expired";
    // Never twice: what permessage-deflate compresses as well only costs time.
    const from = request.deflate === true && connection.compresses !== true ? settings.deflateFrom : null;
    const answer = response(client, resumed, attached);
    client.outbound.push(
      "auth_response",
      from === null ? answer : { ...answer, deflate: from },
      0,
      message.id,
    );
    if (from !== null) client.outbound.compress = (message) => host.deflater.of(message, from);
    attached.start();
    observer.authenticated(client.transport, "ok");
    if (claim.outcome !== "new") observer.resumed(client.transport, claim.outcome);
    observer.logLimited("info", "session open", { ...client.logFields(), outcome: claim.outcome });
  } catch (error) {
    if (client.phase === "authenticating") client.phase = "new";
    throw error;
  }
}

/** Handles `auth_refresh`: another token of the same user takes the place of the first. */
export async function refresh(client: HandshakeConnection, message: Message, lane: number): Promise<void> {
  const { host } = client;
  const request = parsePayload("auth_refresh", message.payload);
  const verified = await verify(client, request.token);
  if (client.phase !== "open") return;
  if (verified.userId !== client.principal.userId) {
    host.observer.authenticated(client.transport, "refused");
    throw new CloseError("invalid_token", "the token is another user's");
  }
  const asked = admit(client, verified, client.sessionId, true);
  const principal = asked instanceof Promise ? await stillGood(client, request.token, asked) : asked;
  if (client.phase !== "open") return;
  const left = takeClaims(client, principal);
  host.observer.authenticated(client.transport, "refreshed");
  host.observer.logLimited("info", "token refreshed", { ...client.logFields(), left: left.length });
  const refused = Object.fromEntries(left.map((channel) => [channel, "permission_denied" as const]));
  const payload = response(client, true, { channels: {}, refused });
  client.outbound.push("auth_response", payload, lane, message.id);
}

/** Other claims of the same user hold from now on; returns the channels that the client had to leave. */
export function takeClaims(client: HandshakeConnection, principal: Principal): readonly string[] {
  client.accept(principal);
  client.host.refreshed(principal);
  return client.host.membership.refresh(client, principal);
}

function parseRequest({ host }: HandshakeConnection, message: Message) {
  try {
    return parsePayload("auth_request", message.payload);
  } catch (error) {
    host.badHandshake();
    throw error;
  }
}

async function verify(client: HandshakeConnection, token: string): Promise<Principal> {
  const { observer, authenticator, badHandshake } = client.host;
  try {
    return await authenticator.verify(token);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    observer.authenticated(client.transport, error.error);
    if (error.error === "token_expired") {
      throw new CloseError("token_expired", error.message, { cause: error });
    }
    if (error.error === "invalid_token") {
      badHandshake();
      throw new CloseError("invalid_token", error.message, { cause: error });
    }
    throw error;
  }
}

/**
 * Asks those who have a say about connections. Throws or rejects with ProtocolError when the client may try again, with
 * CloseError when it may not come in.
 */
function admit(
  client: HandshakeConnection,
  principal: Principal,
  resume: string | undefined,
  refresh: boolean,
): Maybe<Principal> {
  const { membership, observer } = client.host;
  const refused = (error: unknown): never => {
    if (!(error instanceof ProtocolError)) throw error;
    observer.authenticated(client.transport, error.error);
    if (ERRORS[error.error].temporary) throw error;
    throw new CloseError("forced", error.detail, { cause: error });
  };
  try {
    const admitted = membership.admit?.(principal, { connection: client, resume, refresh }) ?? principal;
    return admitted instanceof Promise ? admitted.catch(refused) : admitted;
  } catch (error) {
    return refused(error);
  }
}

/**
 * The claims that were decided, when the token is still good. It may have been revoked or have ended meanwhile, and whoever
 * ended the connections of revoked tokens did not find this one. Rejects as `verify`.
 */
async function stillGood(
  client: HandshakeConnection,
  token: string,
  asked: Promise<Principal>,
): Promise<Principal> {
  const principal = await asked;
  await verify(client, token);
  return principal;
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
  { host, principal, connection, sessionId, connectionId, transport }: HandshakeConnection,
  resumed: boolean,
  attached: Pick<Attached, "channels" | "refused">,
): Payload {
  const { settings, node } = host;
  const now = host.clock.wall();
  return {
    userId: principal.userId,
    sessionId,
    connectionId,
    transport,
    expiresIn: Number.isFinite(principal.expiresAt)
      ? Math.max(0, Math.floor((principal.expiresAt - now) / 1000))
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
    serverTime: now,
    node,
  };
}
