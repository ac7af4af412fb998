/**
 * Settings of what listens: HTTP with WebSocket, QUIC, and the certificates both use.
 *
 * @module
 */

import * as v from "valibot";
import { choice, duration, flag, integer, list, material, port, text, url } from "../setting.ts";

/** The ALPN of raw QUIC when none is configured; also the default of `listen`. */
const ALPN = "skein/1";

/** As browsers send it: no path, no slash at the end. */
const ORIGIN = /^(\*|null|[a-z][a-z0-9+.-]*:\/\/[^\s/]+)$/;

/** `http`: page, WebSocket, server API, health and metrics over TCP. */
export const http = v.strictObject({
  hostname: v.optional(
    text(
      "an address to bind",
      "Address the HTTP listener binds. `::` takes IPv4 too; `127.0.0.1` takes local connections only.",
    ),
    "::",
  ),
  port: v.optional(
    port("TCP port for page, WebSocket, API and health. The variable `PORT` sets it too."),
    8080,
  ),
  allowedOrigins: v.optional(
    list(
      'a list of origins such as ["https://app.example.com"]; "*" is any, "https://*.example.com" any one under it',
      "Web origins that may open WebSocket and WebTransport connections. Programs send no `Origin` and are not concerned. Access rests on tokens, never on cookies.",
      {},
      ORIGIN,
    ),
    ["*"],
  ),
  publicUrl: v.optional(
    v.nullable(
      url(
        ["wss", "ws"],
        "URL of the WebSocket that clients are told, where it is not the host they asked and `/connection/websocket`.",
      ),
    ),
    null,
  ),
  internal: v.optional(
    v.nullable(v.strictObject({
      hostname: v.optional(
        text("an address to bind", "Address of the internal listener."),
        "127.0.0.1",
      ),
      port: v.optional(
        port(
          "TCP port of the internal listener: `/metrics`, `/stats`, `/api`, `/admin` move there and need no key on it.",
        ),
        9090,
      ),
    })),
    null,
  ),
  tls: v.optional(
    v.nullable(v.strictObject({
      cert: material(
        "a certificate chain",
        "Certificate chain for HTTPS and `wss:`; without `http.tls` something in front does TLS.",
      ),
      key: material("a private key", "Private key that belongs to `http.tls.cert`.", { secret: true }),
    })),
    null,
  ),
});

/** `quic`: WebTransport and raw QUIC over UDP. */
export const quic = v.strictObject({
  enabled: v.optional(
    flag("Whether QUIC and WebTransport are served. Switched off while running, WebSocket stays."),
    true,
  ),
  hostname: v.optional(
    text("an address to bind", "Address the QUIC listener binds. `::` takes IPv4 too."),
    "::",
  ),
  port: v.optional(port("UDP port of QUIC. A change starts a listener and drains the old one."), 4433),
  cert: v.optional(
    v.nullable(
      material(
        "a certificate chain",
        "Certificate chain. Without it, development mode makes one of its own.",
      ),
    ),
    null,
  ),
  key: v.optional(
    v.nullable(material("a private key", "Private key that belongs to `quic.cert`.", { secret: true })),
    null,
  ),
  alpn: v.optional(
    list(
      "a list of protocol names without h3, which is always served",
      "ALPN names under which raw QUIC is served, beside `h3` for WebTransport.",
      {},
      // An ALPN name has at most 255 bytes (RFC 7301 §3.1).
      /^(?!h3$)[\x21-\x7e]{1,255}$/,
    ),
    [ALPN],
  ),
  webtransport: v.optional(
    choice(
      ["skein", "deno"],
      "Who takes WebTransport sessions: Skein's own HTTP/3 layer, or `Deno.upgradeWebTransport`, which loses stream ends and unidirectional streams from browsers.",
    ),
    "skein",
  ),
  maxStreams: v.optional(
    integer(
      1,
      10_000,
      "Concurrent streams a client may open on a connection, of each kind. Memory is reserved for each: 100 cost about 55 KB a connection, 1,000 about 137 KB.",
    ),
    100,
  ),
  maxIdleTimeout: v.optional(
    duration(
      1000,
      600_000,
      "Without a packet for this long a QUIC connection is dead; the lower of both sides counts.",
    ),
    "30s",
  ),
  keepAliveInterval: v.optional(
    v.nullable(
      duration(
        1000,
        600_000,
        "Time between keep-alive packets from the server; `null` leaves them to the client.",
      ),
    ),
    null,
  ),
  congestionControl: v.optional(
    choice(
      ["default", "throughput", "low-latency"],
      "`default` and `throughput` are CUBIC; `low-latency` is BBR, which suffers less from loss and is slower without it.",
    ),
    "default",
  ),
  zeroRtt: v.optional(
    flag(
      "Accept 0-RTT on raw QUIC. Early data may be replayed, so only messages that may be acted on twice are taken from it.",
    ),
    true,
  ),
  headerTimeout: v.optional(
    duration(100, 60_000, "Time a client has for its handshake, and each stream for its first bytes."),
    "5s",
  ),
  publicUrl: v.optional(
    v.nullable(
      url(
        ["https"],
        "URL of WebTransport that clients are told, where it is not this host and `quic.port` (behind a NAT or a balancer).",
      ),
    ),
    null,
  ),
});

/** `certificates`: what development mode makes when no certificate is configured. */
export const certificates = v.strictObject({
  directory: v.optional(
    text(
      "a path",
      "Directory of the development certificate. Relative paths start at the working directory.",
    ),
    "certs",
  ),
  names: v.optional(
    list(
      "a list of host names and addresses",
      "Names and addresses the development certificate is for, beside `localhost`, `127.0.0.1` and `::1`.",
    ),
    [],
  ),
});
