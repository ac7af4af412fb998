/**
 * The metrics of connections and sessions.
 *
 * @module
 */

import type { Sessions } from "../../session/mod.ts";
import type { Traffic, TransportKind } from "../../transport/contract.ts";
import {
  counters as counterSeries,
  gauge,
  gauges,
  histograms,
  type Sample,
  type Series,
} from "../metrics/series.ts";
import {
  CONNECT_BOUNDS,
  type ConnectionCounters,
  HANDLE_BOUNDS,
  LIFETIME_BOUNDS,
  LOSS_BOUNDS,
  RTT_BOUNDS,
  type TransportCounters,
} from "./counters.ts";
import { outboxDepth } from "./connections.ts";

/** The series of `counters`, and of what `sessions` keeps; `sessions` is asked at each scrape. */
export function connectionSeries(counters: ConnectionCounters, sessions: () => Sessions): readonly Series[] {
  function* each<V>(read: (t: TransportCounters, kind: TransportKind) => V): Iterable<Sample<V>> {
    for (const kind of counters.shown()) yield [[kind], read(counters.transports[kind], kind)];
  }
  function* labelled(which: "errors" | "closes" | "drops" | "auth"): Iterable<Sample<number>> {
    for (const kind of counters.shown()) yield* counters.transports[kind][which].samples(kind);
  }
  function* traffic(what: "messages" | "bytes"): Iterable<Sample<number>> {
    const total: Record<TransportKind, Traffic> = sessions().traffic();
    for (const kind of counters.shown()) {
      yield [[kind, "in"], total[kind][`${what}In`]];
      yield [[kind, "out"], total[kind][`${what}Out`]];
    }
  }
  return [
    gauges("skein_connections", "Connections open now.", ["transport"], () => each((t) => t.active)),
    counterSeries(
      "skein_connections_total",
      "Connections opened.",
      ["transport"],
      () => each((t) => t.opened),
    ),
    gauges("skein_transport_ratio", "Share of the open connections, 0 to 1.", ["transport"], () => {
      const ratios = counters.ratios();
      return each((_, kind) => ratios[kind]);
    }),
    counterSeries(
      "skein_messages_total",
      "Messages carried.",
      ["transport", "direction"],
      () => traffic("messages"),
    ),
    counterSeries(
      "skein_bytes_total",
      "Bytes of frames carried.",
      ["transport", "direction"],
      () => traffic("bytes"),
    ),
    histograms(
      "skein_handle_seconds",
      "From a frame's arrival to its answer being queued; sampled.",
      ["transport"],
      HANDLE_BOUNDS,
      () => each((t) => t.handled),
    ),
    histograms(
      "skein_rtt_seconds",
      "Round trip as clients measured it.",
      ["transport"],
      RTT_BOUNDS,
      () => each((t) => t.rtt),
    ),
    histograms(
      "skein_client_loss_ratio",
      "Share of datagrams lost, 0 to 1, once for each report of a client.",
      ["transport"],
      LOSS_BOUNDS,
      () => each((t) => t.loss),
    ),
    histograms(
      "skein_connection_lifetime_seconds",
      "From the opening of a connection to its end; connections that are open are not in it.",
      ["transport"],
      LIFETIME_BOUNDS,
      () => each((t) => t.lifetime),
    ),
    counterSeries(
      "skein_client_reconnects_total",
      "Connections of clients that had another one before, as they report it.",
      ["transport"],
      () => each((t) => t.reconnects),
    ),
    counterSeries(
      "skein_migrations_total",
      "Changes of a peer's address under a live connection.",
      ["transport"],
      () => each((t) => t.migrations),
    ),
    counterSeries(
      "skein_migration_failures_total",
      "Migrations that failed: the connection fell silent after its move, or its client says so. Each counts once.",
      ["transport"],
      () => each((t) => t.migrationFailures),
    ),
    counterSeries(
      "skein_fallbacks_total",
      "Clients that came because another transport failed.",
      ["from"],
      () => counters.fallbacks.samples(),
    ),
    histograms(
      "skein_client_connect_seconds",
      "From a client's first dial to its first authenticated answer, as clients report it.",
      [],
      CONNECT_BOUNDS,
      () => [[[], counters.connectTime]],
    ),
    counterSeries(
      "skein_errors_total",
      "Errors by the name of their code.",
      ["transport", "code"],
      () => labelled("errors"),
    ),
    counterSeries(
      "skein_closes_total",
      "Connections ended, by close code.",
      ["transport", "code"],
      () => labelled("closes"),
    ),
    gauge(
      "skein_outbox_bytes",
      "Bytes waiting in the outboxes of all connections.",
      () => outboxDepth(sessions()).bytes,
    ),
    gauge(
      "skein_outbox_max_bytes",
      "Bytes waiting in the fullest outbox.",
      () => outboxDepth(sessions()).maxBytes,
    ),
    gauge(
      "skein_outbox_messages",
      "Messages waiting in the outboxes of all connections.",
      () => outboxDepth(sessions()).messages,
    ),
    gauge(
      "skein_outbox_max_messages",
      "Messages waiting in the outbox that holds most of them.",
      () => outboxDepth(sessions()).maxMessages,
    ),
    counterSeries(
      "skein_drops_total",
      "Messages not delivered to slow consumers, by grade.",
      ["transport", "grade"],
      () => labelled("drops"),
    ),
    counterSeries("skein_auth_total", "Token checks.", ["transport", "result"], () => labelled("auth")),
    gauges(
      "skein_sessions",
      "Sessions with a connection, and without one but able to resume.",
      ["state"],
      () => {
        const { attached, detached } = sessions().counts;
        return [[["attached"], attached], [["detached"], detached]];
      },
    ),
    counterSeries(
      "skein_resumes_total",
      "Attempts to resume a session.",
      ["outcome"],
      () => counters.resumes.samples(),
    ),
  ];
}
