/**
 * The section `quic` of the configuration.
 *
 * @module
 */

import * as v from "valibot";
import type { Problem } from "../config/problem.ts";
import type { NodeConfig } from "../process/settings.ts";
import type { Rule, Values } from "../config/section.ts";
import {
  choice,
  duration,
  flag,
  integer,
  list,
  material as pem,
  port,
  text,
  url,
} from "../config/setting.ts";
import { formatDuration } from "../config/units.ts";

/** The ALPN of raw QUIC when none is configured; also the default of `listen`. */
const ALPN = "skein/1";

/** `quic`: WebTransport and raw QUIC over UDP. */
const quic = v.strictObject({
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
      pem(
        "a certificate chain",
        "Certificate chain. Without it, development mode makes one of its own.",
      ),
    ),
    null,
  ),
  key: v.optional(
    v.nullable(pem("a private key", "Private key that belongs to `quic.cert`.", { secret: true })),
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
    duration(
      100,
      60_000,
      "Time a client has for its handshake (3 s at most), and each stream for its first bytes.",
    ),
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

/** What a configuration may hold. */
export const section = { quic: v.optional(quic, {}) };

/** What the configuration holds of it. */
export type QuicConfig = Values<typeof section>;

/** What must hold between settings. */
export const rules: readonly Rule<QuicConfig & NodeConfig>[] = [
  ({ quic: { cert, key } }, report) => {
    if (cert !== null && key === null) {
      report("quic.cert", "given without quic.key; both or neither", "quic.key");
    }
    if (key !== null && cert === null) {
      report("quic.key", "given without quic.cert; both or neither", "quic.cert");
    }
  },
  ({ quic: { maxIdleTimeout, keepAliveInterval } }, report) => {
    const idle = formatDuration(maxIdleTimeout);
    if (keepAliveInterval !== null && keepAliveInterval >= maxIdleTimeout) {
      report(
        "quic.keepAliveInterval",
        `${formatDuration(keepAliveInterval)} is not less than quic.maxIdleTimeout (${idle})`,
        "quic.maxIdleTimeout",
      );
    }
  },
  ({ env, quic: { enabled, cert, key } }, report) => {
    if (env !== "production" || !enabled || cert !== null || key !== null) return;
    report(
      "quic.cert",
      "no certificate; production must have quic.cert and quic.key, or quic.enabled false",
      "quic.key",
      "quic.enabled",
      "env",
    );
  },
];

/** What is wrong with the certificate and the key. */
export async function material({ quic: { enabled, cert, key } }: QuicConfig): Promise<readonly Problem[]> {
  if (!enabled || cert === null || key === null) return [];
  return (await import("../certificates/problems.ts")).certificateProblems({ cert, key }, "quic");
}
