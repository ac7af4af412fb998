/**
 * The table of exposed series: name, help, labels, and where the numbers come from.
 *
 * @module
 */

import type { Traffic, TransportKind } from "../../transport/contract.ts";
import type { Histogram } from "./histogram.ts";
import type { ProcessFigures } from "./process.ts";
import type { OutboxDepth, State, TransportState } from "./state.ts";

/** Everything that is exposed, as it stands now. */
export interface Snapshot {
  readonly state: State;
  readonly process: ProcessFigures;
  readonly version: string;
  readonly deno: string;
  readonly traffic: Partial<Readonly<Record<TransportKind, Readonly<Traffic>>>>;
  readonly outbox: OutboxDepth | undefined;
  readonly sessions: { readonly attached: number; readonly detached: number } | undefined;
  readonly hub: { readonly channels: number; readonly users: number } | undefined;
  /** Milliseconds since the epoch. */
  readonly certificateExpiry: number | undefined;
}

/** Label values, in the order of the labels, and the number. */
export type Sample<V> = readonly [labels: readonly string[], value: V];

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** A series of numbers. */
export interface NumberSeries extends Described {
  readonly type: "counter" | "gauge";
  read(snapshot: Snapshot): Iterable<Sample<number>>;
}

/** A series of histograms. */
export interface HistogramSeries extends Described {
  readonly type: "histogram";
  readonly bounds: readonly number[];
  read(snapshot: Snapshot): Iterable<Sample<Histogram>>;
}

/** A series. */
export type Series = NumberSeries | HistogramSeries;

const single = (value: number | undefined): Sample<number>[] => value === undefined ? [] : [[[], value]];

function* each<V>(s: Snapshot, read: (t: TransportState, kind: TransportKind) => V): Iterable<Sample<V>> {
  for (const kind of s.state.shown()) yield [[kind], read(s.state.transports[kind], kind)];
}

function* tallies(s: Snapshot, which: "errors" | "closes" | "drops" | "auth"): Iterable<Sample<number>> {
  for (const kind of s.state.shown()) {
    for (const [label, n] of s.state.transports[kind][which].entries()) yield [[kind, label], n];
  }
}

function* traffic(s: Snapshot, read: (t: Readonly<Traffic>) => [inward: number, outward: number]) {
  for (const kind of s.state.shown()) {
    const counted = s.traffic[kind];
    if (counted === undefined) continue;
    const [inward, outward] = read(counted);
    yield [[kind, "in"], inward] as const;
    yield [[kind, "out"], outward] as const;
  }
}

function* labelled(entries: Iterable<[string, number]>): Iterable<Sample<number>> {
  for (const [label, n] of entries) yield [[label], n];
}

function number(
  type: "counter" | "gauge",
  name: string,
  help: string,
  labels: readonly string[],
  read: NumberSeries["read"],
): NumberSeries {
  return { type, name, help, labels, read };
}

/** All series, given the bounds of the histograms. */
export function seriesTable(bounds: {
  readonly handled: readonly number[];
  readonly rtt: readonly number[];
  readonly connect: readonly number[];
}): readonly Series[] {
  return [
    number(
      "gauge",
      "skein_connections",
      "Connections open now.",
      ["transport"],
      (s) => each(s, (t) => t.active),
    ),
    number(
      "counter",
      "skein_connections_total",
      "Connections opened.",
      ["transport"],
      (s) => each(s, (t) => t.opened),
    ),
    number("gauge", "skein_transport_ratio", "Share of the open connections, 0 to 1.", ["transport"], (s) => {
      const ratios = s.state.ratios();
      return each(s, (_, kind) => ratios[kind]);
    }),
    number(
      "counter",
      "skein_messages_total",
      "Messages carried.",
      ["transport", "direction"],
      (s) => traffic(s, (t) => [t.messagesIn, t.messagesOut]),
    ),
    number(
      "counter",
      "skein_bytes_total",
      "Bytes of frames carried.",
      ["transport", "direction"],
      (s) => traffic(s, (t) => [t.bytesIn, t.bytesOut]),
    ),
    {
      type: "histogram",
      name: "skein_handle_seconds",
      help: "From a frame's arrival to its answer being queued; sampled.",
      labels: ["transport"],
      bounds: bounds.handled,
      read: (s) => each(s, (t) => t.handled),
    },
    {
      type: "histogram",
      name: "skein_rtt_seconds",
      help: "Round trip as clients measured it.",
      labels: ["transport"],
      bounds: bounds.rtt,
      read: (s) => each(s, (t) => t.rtt),
    },
    number(
      "counter",
      "skein_migrations_total",
      "Changes of a peer's address under a live connection.",
      ["transport"],
      (s) => each(s, (t) => t.migrations),
    ),
    number(
      "counter",
      "skein_migration_failures_total",
      "Migrations that clients reported as failed.",
      ["transport"],
      (s) => each(s, (t) => t.migrationFailures),
    ),
    number(
      "counter",
      "skein_fallbacks_total",
      "Clients that came because another transport failed.",
      ["from"],
      (s) => labelled(s.state.fallbacks.entries()),
    ),
    {
      type: "histogram",
      name: "skein_client_connect_seconds",
      help: "From a client's first dial to its first authenticated answer, as clients report it.",
      labels: [],
      bounds: bounds.connect,
      read: (s) => [[[], s.state.connectTime]],
    },
    number(
      "counter",
      "skein_errors_total",
      "Errors by the name of their code.",
      ["transport", "code"],
      (s) => tallies(s, "errors"),
    ),
    number(
      "counter",
      "skein_closes_total",
      "Connections ended, by close code.",
      ["transport", "code"],
      (s) => tallies(s, "closes"),
    ),
    number(
      "gauge",
      "skein_outbox_bytes",
      "Bytes waiting in outboxes: of all connections, and of the deepest one.",
      ["of"],
      (s) => s.outbox === undefined ? [] : [[["all"], s.outbox.bytes], [["max"], s.outbox.maxBytes]],
    ),
    number(
      "gauge",
      "skein_outbox_messages",
      "Messages waiting in outboxes: of all connections, and of the deepest one.",
      ["of"],
      (s) => s.outbox === undefined ? [] : [[["all"], s.outbox.messages], [["max"], s.outbox.maxMessages]],
    ),
    number(
      "counter",
      "skein_drops_total",
      "Messages not delivered to slow consumers, by grade.",
      ["transport", "grade"],
      (s) => tallies(s, "drops"),
    ),
    number(
      "counter",
      "skein_auth_total",
      "Token checks.",
      ["transport", "result"],
      (s) => tallies(s, "auth"),
    ),
    number(
      "gauge",
      "skein_sessions",
      "Sessions with a connection, and without one but able to resume.",
      ["state"],
      (s) =>
        s.sessions === undefined
          ? []
          : [[["attached"], s.sessions.attached], [["detached"], s.sessions.detached]],
    ),
    number(
      "counter",
      "skein_resumes_total",
      "Attempts to resume a session.",
      ["outcome"],
      (s) => labelled(s.state.resumes.entries()),
    ),
    number(
      "counter",
      "skein_config_reloads_total",
      "Configurations read again.",
      ["result"],
      (s) => [[["ok"], s.state.reloadsOk], [["failed"], s.state.reloadsFailed]],
    ),
    number(
      "gauge",
      "skein_config_last_reload_success",
      "1 when the configuration last read was taken.",
      [],
      (s) => single(s.state.lastReloadOk ? 1 : 0),
    ),
    number(
      "gauge",
      "skein_certificate_expiry_seconds",
      "When the certificate ends, in seconds since the epoch.",
      [],
      (s) => single(s.certificateExpiry === undefined ? undefined : s.certificateExpiry / 1000),
    ),
    number(
      "counter",
      "skein_unhandled_rejections_total",
      "Rejections that nothing had caught.",
      [],
      (s) => single(s.state.unhandledRejections),
    ),
    number(
      "gauge",
      "skein_channels",
      "Channels with members on this node.",
      [],
      (s) => single(s.hub?.channels),
    ),
    number("gauge", "skein_users", "Users with a session on this node.", [], (s) => single(s.hub?.users)),
    number(
      "gauge",
      "skein_build_info",
      "Always 1; the labels say what runs.",
      ["version", "deno"],
      (s) => [[[s.version, s.deno], 1]],
    ),
    ...processSeries(),
  ];
}

function processSeries(): NumberSeries[] {
  return [
    number(
      "gauge",
      "skein_process_resident_memory_bytes",
      "Resident memory.",
      [],
      (s) => single(s.process.residentBytes),
    ),
    number(
      "gauge",
      "skein_process_heap_bytes",
      "JavaScript heap: in use, reserved, and held outside of it.",
      ["of"],
      ({ process: p }) => [
        [["used"], p.heapUsedBytes],
        [["total"], p.heapTotalBytes],
        [["external"], p.externalBytes],
      ],
    ),
    number(
      "gauge",
      "skein_event_loop_lag_seconds",
      "How late timers come: the last one, and the latest of the last minute.",
      ["of"],
      (s) => [[["last"], s.process.lagSeconds], [["max"], s.process.lagMaxSeconds]],
    ),
    number(
      "gauge",
      "skein_process_uptime_seconds",
      "Time since the start.",
      [],
      (s) => single(s.process.uptimeSeconds),
    ),
    number(
      "gauge",
      "skein_process_start_time_seconds",
      "When the process started, in seconds since the epoch.",
      [],
      (s) => single(s.process.startedAt / 1000),
    ),
  ];
}
