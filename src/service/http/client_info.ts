/**
 * `/client.json`: what a client needs to dial.
 *
 * @module
 */

import type { SessionSettings } from "../../session/mod.ts";
import type { Config } from "../config/mod.ts";
import type { ClientInfo } from "./deps.ts";

/** The path of WebSocket on the HTTP port. */
export const WEBSOCKET_PATH = "/connection/websocket";

/** Where the service listens now: ports that are bound differ from those configured as 0. */
export interface Reachable {
  readonly httpPort: number;
  /** `undefined` while QUIC is off. */
  readonly quicPort: number | undefined;
  /** Base64 SHA-256 of the QUIC certificate when browsers accept it by its hash; empty when they judge it as usual. */
  readonly certificateHashes: readonly string[];
}

/** What clients are told of this service. */
export function clientInfo(
  { http, quic }: Config,
  { maxMessage, maxStreams, maxChannels, heartbeat }: SessionSettings,
  { httpPort, quicPort, certificateHashes }: Reachable,
): ClientInfo {
  return {
    websocket: { port: httpPort, tls: http.tls !== null, publicUrl: http.publicUrl ?? undefined },
    quic: quicPort === undefined ? undefined : {
      port: quicPort,
      alpn: quic.alpn[0] ?? "skein/1",
      publicUrl: quic.publicUrl ?? undefined,
      certificateHashes,
    },
    limits: { maxMessage, maxStreams, maxChannels },
    heartbeat,
  };
}

/** The body of `/client.json`. */
export interface ClientDocument {
  readonly websocketUrl: string;
  /**
   * The WebSocket relative to the URL by which the client got this document: behind a proxy only the client knows its
   * scheme, host, port and path. Null where `websocketUrl` is the one to dial.
   */
  readonly websocketPath: string | null;
  /** WebTransport; null while QUIC is off. */
  readonly quicUrl: string | null;
  /** Raw QUIC, for programs; null while QUIC is off. */
  readonly rawQuicUrl: string | null;
  /** The port of QUIC on the host by which the client got this document. Null where `quicUrl` is the one to dial. */
  readonly quicPort: number | null;
  readonly alpn: string | null;
  /** Base64 SHA-256 for `serverCertificateHashes`; empty when browsers check the certificate as usual. */
  readonly certificateHashes: readonly string[];
  readonly quic: { readonly enabled: boolean };
  readonly limits: Readonly<Record<string, number>>;
  /** Milliseconds. */
  readonly heartbeat: { readonly interval: number; readonly timeout: number };
}

/** How the request came. The URLs have the host that it names. */
export interface Asked {
  /** `Host` or `:authority`. */
  readonly authority: string;
  /** It came over HTTP/3, whose port is not the one of the WebSocket. */
  readonly http3: boolean;
  /** The client uses TLS: to this service, or to a trusted proxy that says so. */
  readonly secure: boolean;
}

/** Makes the body of `/client.json`. Throws TypeError when the authority is not a host. */
export function clientDocument(info: ClientInfo, asked: Asked): ClientDocument {
  const base = new URL(`http://${asked.authority}`);
  const { hostname } = base;
  const secure = asked.http3 ? info.websocket.tls : asked.secure || info.websocket.tls;
  const host = asked.http3 ? `${hostname}:${info.websocket.port}` : base.host;
  const quic = info.quic;
  return {
    websocketUrl: info.websocket.publicUrl ?? `${secure ? "wss" : "ws"}://${host}${WEBSOCKET_PATH}`,
    websocketPath: info.websocket.publicUrl === undefined && !asked.http3 ? WEBSOCKET_PATH.slice(1) : null,
    quicUrl: quic === undefined
      ? null
      : quic.publicUrl ?? `https://${hostname}:${quic.port}/connection/webtransport`,
    rawQuicUrl: quic === undefined ? null : rawUrl(quic.publicUrl, hostname, quic.port),
    quicPort: quic === undefined || quic.publicUrl !== undefined ? null : quic.port,
    alpn: quic?.alpn ?? null,
    certificateHashes: quic?.certificateHashes ?? [],
    quic: { enabled: quic !== undefined },
    limits: info.limits,
    heartbeat: info.heartbeat,
  };
}

function rawUrl(publicUrl: string | undefined, hostname: string, port: number): string {
  if (publicUrl === undefined) return `quic://${hostname}:${port}`;
  const url = new URL(publicUrl);
  return `quic://${url.hostname}:${url.port === "" ? 443 : url.port}`;
}
