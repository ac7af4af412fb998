/**
 * The section `session` of the configuration: deadlines, heartbeat, bounds and rates.
 *
 * @module
 */

import * as v from "valibot";
import type { SessionSettings } from "../../session/contract.ts";
import type { QuicConfig } from "../quic/settings.ts";
import type { Rule, Values } from "../config/section.ts";
import { duration, fraction, integer, size } from "../config/setting.ts";
import { formatDuration, formatSize } from "../config/units.ts";

const MANY = 1_000_000_000;

function rates(whose: string, defaults: { messages: number; bytes: string; byteBurst: string }) {
  const off = "0 switches this limit off.";
  return v.strictObject({
    messagesPerSecond: v.optional(
      integer(0, MANY, `Messages a second ${whose} may send. ${off}`),
      defaults.messages,
    ),
    messageBurst: v.optional(
      integer(0, MANY, `Messages ${whose} may send at once after a rest.`),
      defaults.messages * 2,
    ),
    bytesPerSecond: v.optional(
      size(0, 1024 ** 4, `Bytes a second ${whose} may send. ${off}`),
      defaults.bytes,
    ),
    byteBurst: v.optional(
      size(0, 1024 ** 4, `Bytes ${whose} may send at once after a rest.`),
      defaults.byteBurst,
    ),
  });
}

/** `session`: the life of connections and sessions, on every transport. */
const session = v.strictObject({
  authTimeout: v.optional(duration(100, 300_000, "Time from the connection to an accepted token."), "10s"),
  resumeWindow: v.optional(
    duration(0, 86_400_000, "How long a session outlives its connection and can be resumed."),
    "2m",
  ),
  tokenNotice: v.optional(
    duration(0, 3_600_000, "How long before its token expires a client is told."),
    "30s",
  ),
  heartbeat: v.optional(
    v.strictObject({
      interval: v.optional(
        duration(100, 600_000, "Clients send something, a `ping` if nothing else, at least this often."),
        "7s",
      ),
      timeout: v.optional(
        duration(200, 1_200_000, "Without anything received for this long a connection is dead."),
        "10s",
      ),
    }),
    {},
  ),
  preAuth: v.optional(
    v.strictObject({
      maxBytes: v.optional(
        size(512, 1024 ** 2, "Bytes a client may send before its token is accepted."),
        "8KiB",
      ),
      maxStreams: v.optional(integer(1, 100, "Streams a client may open before its token is accepted."), 1),
      maxConnections: v.optional(
        integer(
          1,
          10 ** 6,
          "Connections whose token has not been accepted yet; when one more comes, the oldest of them ends.",
        ),
        2500,
      ),
    }),
    {},
  ),
  maxMessage: v.optional(size(1024, 64 * 1024 ** 2, "Largest message, as a frame."), "64KiB"),
  deflateFrom: v.optional(
    v.nullable(
      size(
        256,
        1024 ** 2,
        "Messages of this many bytes and more are compressed, on every transport, for clients that ask for it; `null` for none. Takes at most a fifth of a processor; above it messages go as they are.",
      ),
    ),
    "4KiB",
  ),
  maxOutbox: v.optional(
    size(
      16 * 1024,
      1024 ** 3,
      "Bytes that may wait for one connection; then the slow-consumer policy begins.",
    ),
    "1MiB",
  ),
  maxChannels: v.optional(integer(1, 100_000, "Channels a session may be subscribed to."), 128),
  maxConnections: v.optional(integer(1, 1_000_000, "Connections of this node, on all transports."), 10_000),
  perIp: v.optional(
    v.strictObject({
      connections: v.optional(
        integer(
          1,
          1_000_000,
          "Concurrent connections of one address. Behind a reverse proxy see `http.trustedProxies`.",
        ),
        1000,
      ),
      rate: v.optional(
        integer(
          1,
          1_000_000,
          "New connections a second of one address, over TCP and over QUIC each: the address of a QUIC packet may be forged.",
        ),
        100,
      ),
      burst: v.optional(integer(1, 1_000_000, "New connections of one address at once after a rest."), 200),
    }),
    {},
  ),
  rates: v.optional(
    v.strictObject({
      connection: v.optional(
        rates("a connection", { messages: 1000, bytes: "4MiB", byteBurst: "8MiB" }),
        {},
      ),
      user: v.optional(
        rates("a user, over all connections on this node,", {
          messages: 5000,
          bytes: "16MiB",
          byteBurst: "32MiB",
        }),
        {},
      ),
    }),
    {},
  ),
  thresholds: v.optional(
    v.strictObject({
      rtt: v.optional(duration(1, 600_000, "Round trips longer than this are logged."), "500ms"),
      loss: v.optional(fraction(0, 1, "A larger share of lost datagrams is logged."), 0.05),
      outbox: v.optional(fraction(0, 1, "A larger share of `session.maxOutbox` in use is logged."), 0.5),
    }),
    {},
  ),
});

/** What a configuration may hold. */
export const section = { session: v.optional(session, {}) };

/** What the configuration holds of it. */
export type SessionConfig = Values<typeof section>;

/** What must hold between settings. */
export const rules: readonly Rule<SessionConfig & QuicConfig>[] = [
  ({ quic: { maxIdleTimeout }, session: { heartbeat } }, report) => {
    if (maxIdleTimeout > heartbeat.interval) return;
    report(
      "quic.maxIdleTimeout",
      `${formatDuration(maxIdleTimeout)} is not more than session.heartbeat.interval (${
        formatDuration(heartbeat.interval)
      }): idle clients would be cut`,
      "session.heartbeat.interval",
    );
  },
  ({ session: { heartbeat: { interval, timeout } } }, report) => {
    if (interval < timeout) return;
    report(
      "session.heartbeat.interval",
      `${formatDuration(interval)} is not less than session.heartbeat.timeout (${formatDuration(timeout)})`,
      "session.heartbeat.timeout",
    );
  },
  ({ session: { maxOutbox, maxMessage } }, report) => {
    // A channel's history is sent a message at a time, while at least half of the outbox is free.
    if (maxOutbox >= 4 * maxMessage) return;
    report(
      "session.maxOutbox",
      `${formatSize(maxOutbox)} is less than four times session.maxMessage (${formatSize(maxMessage)})`,
      "session.maxMessage",
    );
  },
  ({ session: { preAuth }, quic }, report) => {
    if (preAuth.maxStreams <= quic.maxStreams) return;
    report(
      "session.preAuth.maxStreams",
      `${preAuth.maxStreams} is more than quic.maxStreams (${quic.maxStreams})`,
      "quic.maxStreams",
    );
  },
  ({ session }, report) => {
    for (const whose of ["connection", "user"] as const) {
      const rate = session.rates[whose], group = `session.rates.${whose}`;
      if (rate.messagesPerSecond > 0 && rate.messageBurst === 0) {
        report(
          `${group}.messageBurst`,
          `0 lets no message through; must be 1 or more`,
          `${group}.messagesPerSecond`,
        );
      }
      if (rate.bytesPerSecond > 0 && rate.byteBurst < session.maxMessage) {
        report(
          `${group}.byteBurst`,
          `${formatSize(rate.byteBurst)} is less than session.maxMessage (${
            formatSize(session.maxMessage)
          }): the largest message could never pass`,
          `${group}.bytesPerSecond`,
          "session.maxMessage",
        );
      }
    }
  },
];

/** The settings of sessions. */
export function toSessionSettings(config: SessionConfig & QuicConfig): SessionSettings {
  return { ...config.session, maxStreams: config.quic.maxStreams };
}
