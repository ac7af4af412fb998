/**
 * WebSocket upgrades: they are admitted and handed to the sessions.
 *
 * @module
 */

import { type CloseName, CLOSES } from "../../protocol/mod.ts";
import type { Observer, Sessions } from "../../session/mod.ts";
import { WebSocketMessageConnection } from "../../transport/mod.ts";
import type { RequestInfo, RequestSource, WebSocketUpgrade } from "./deps.ts";

/**
 * Answers a WebSocket upgrade: 101, or 429 and 503 when there are too many connections. `authenticated` gets what is to
 * be called when the client has authenticated.
 */
export function upgradeWebSocket(
  sessions: Sessions,
  observer: Observer,
  info: RequestInfo,
  source: RequestSource,
  deflateFrom: number | undefined,
  authenticated: WeakMap<object, () => void>,
): Response {
  const remote = `${source.address}:${source.port}`;
  // Deno cannot upgrade over HTTP/3 (RFC 9220), and a client that speaks HTTP/3 has WebTransport.
  if (info.remoteAddr.transport === "udp") {
    return new Response("WebSocket is served over TCP\n", { status: 501 });
  }
  const unwanted = sessions.admitHandshake(remote);
  if (unwanted !== undefined) return refuse(observer, unwanted, remote);
  const admitted = sessions.admit(remote);
  if ("refused" in admitted) return refuse(observer, admitted.refused, remote);
  const { preAuthLimits } = sessions;
  let upgraded: WebSocketUpgrade | undefined;
  try {
    upgraded = info.upgradeWebSocket?.({ maxMessage: preAuthLimits.maxFrame, deflateFrom });
  } catch (error) {
    observer.log("debug", "websocket upgrade failed", { remote, error });
  }
  if (upgraded === undefined) {
    admitted.release();
    return new Response("not a WebSocket upgrade\n", { status: 400 });
  }
  const connection = new WebSocketMessageConnection(upgraded.socket, remote, preAuthLimits);
  const client = sessions.accept(connection, admitted);
  if (upgraded.authenticated !== undefined) authenticated.set(client, upgraded.authenticated);
  return upgraded.response;
}

function refuse(observer: Observer, close: CloseName, remote: string): Response {
  observer.error("websocket", close);
  observer.logLimited("info", "connection refused", {
    transport: "websocket",
    remote,
    reason: CLOSES[close].reason,
  });
  const status = close === "rate_limited" ? 429 : 503;
  return new Response(`${CLOSES[close].reason}\n`, { status, headers: { "retry-after": "1" } });
}
