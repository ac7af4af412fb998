/**
 * The section `http` of the configuration.
 *
 * @module
 */

import * as v from "valibot";
import type { Problem } from "../config/problem.ts";
import type { Rule, Values } from "../config/section.ts";
import {
  about,
  choice,
  duration,
  flag,
  integer,
  material as pem,
  port,
  size,
  text,
  url,
} from "../config/setting.ts";
import { isAddressOrNetwork } from "./addresses.ts";
import { normalOrigin, ORIGIN } from "./origin.ts";

/** An origin; it is brought into the form in which browsers send it. */
const origin = v.pipe(
  v.string(),
  v.maxLength(4096),
  v.regex(ORIGIN),
  v.check((text) => normalOrigin(text) !== undefined),
  v.transform((text) => normalOrigin(text)!),
);

/** `http`: page, WebSocket, server API, health and metrics over TCP. */
const http = v.strictObject({
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
    about(
      v.array(origin),
      "list",
      'a list of origins such as ["https://app.example.com"]; "*" is any, "https://*.example.com" any one under it',
      "Web origins that may open WebSocket and WebTransport connections. Programs send no `Origin` and are not concerned. Access rests on tokens, never on cookies.",
    ),
    ["*"],
  ),
  trustedProxies: v.optional(
    about(
      v.array(v.pipe(v.string(), v.check(isAddressOrNetwork))),
      "list",
      'a list of addresses and networks such as ["127.0.0.1", "::1", "10.0.0.0/8"]',
      "Reverse proxies in front of this service. From them `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host` and `Forwarded` say where a client is: for limits, logs, origins and `/client.json`. Whoever can connect from one of these addresses can claim to be anybody.",
    ),
    [],
  ),
  websocket: v.optional(
    choice(
      ["skein", "deno"],
      "Who takes HTTP and WebSocket: Skein's own WebSocket layer on `node:http`, or `Deno.serve` with `Deno.upgradeWebSocket`, which speaks HTTP/2 too. With `deno` TCP has no bounds: no deadline for a request's head, no limit of idle connections (`http.maxConnections`, `http.perIp.connections`, `http.headTimeout` have no effect), 64 MiB of a message in memory before it can be refused, no way to hold back or cut a flood of pings. Use it only behind a proxy that has these bounds.",
    ),
    "skein",
  ),
  maxConnections: v.optional(
    v.nullable(
      integer(
        10,
        1_000_000,
        "TCP connections of the HTTP listener, WebSockets among them; `null` is `session.maxConnections` and 2,000 more. Above it, and where no file descriptor is left, the oldest connection that waits for a request gives way to a new one (`http.websocket: skein`).",
      ),
    ),
    null,
  ),
  perIp: v.optional(
    v.strictObject({
      connections: v.optional(
        integer(
          1,
          1_000_000,
          "TCP connections of one address that are not WebSockets, for which `session.perIp` holds. Trusted proxies are exempt (`http.websocket: skein`).",
        ),
        256,
      ),
      rate: v.optional(
        integer(
          1,
          1_000_000,
          "Ordinary requests a second of one address, over all versions of HTTP. Above it requests wait for their turn, five seconds at most, then they are refused with 429. Health checks and requests with a key are not counted.",
        ),
        100,
      ),
      burst: v.optional(integer(1, 1_000_000, "Ordinary requests of one address at once after a rest."), 300),
    }),
    {},
  ),
  answers: v.optional(
    v.strictObject({
      perConnection: v.optional(
        size(
          64 * 1024,
          1024 ** 3,
          "Bytes that pages and files may hold in memory for one connection until they are read, beside its first answer. Who does not read for 20 s is ended.",
        ),
        "1MiB",
      ),
      perAddress: v.optional(
        size(64 * 1024, 1024 ** 3, "The same for all connections of one address."),
        "16MiB",
      ),
      total: v.optional(size(64 * 1024, 1024 ** 4, "The same for all connections."), "128MiB"),
    }),
    {},
  ),
  sourceMaps: v.optional(
    v.nullable(flag("Serve the source maps of the SDK; `null` in development only.")),
    null,
  ),
  headTimeout: v.optional(
    duration(
      500,
      120_000,
      "Time a client has for its first byte and for the head of a request, after which it is cut (`http.websocket: skein`).",
    ),
    "10s",
  ),
  deflateFrom: v.optional(
    v.nullable(
      size(
        64,
        1024 ** 2,
        "Messages over WebSocket of this many bytes and more are compressed (permessage-deflate) for clients that offer it (`http.websocket: skein`); `null` never. Compression costs processor time, about 20 to 50 us for each KiB.",
      ),
    ),
    null,
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
      cert: pem(
        "a certificate chain",
        "Certificate chain for HTTPS and `wss:`; without `http.tls` something in front does TLS.",
      ),
      key: pem("a private key", "Private key that belongs to `http.tls.cert`.", { secret: true }),
    })),
    null,
  ),
});

/** What a configuration may hold. */
export const section = { http: v.optional(http, {}) };

/** What the configuration holds of it. */
export type HttpConfig = Values<typeof section>;

/** What must hold between settings. */
export const rules: readonly Rule<HttpConfig>[] = [
  ({ http: { port, internal } }, report) => {
    if (internal === null || internal.port === 0 || internal.port !== port) return;
    report("http.internal.port", `${internal.port} is http.port too; must be another`, "http.port");
  },
];

/** What is wrong with the certificate and the key. */
export async function material({ http: { tls } }: HttpConfig): Promise<readonly Problem[]> {
  if (tls === null) return [];
  return (await import("../certificates/problems.ts")).certificateProblems(tls, "http.tls");
}
