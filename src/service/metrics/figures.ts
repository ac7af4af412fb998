/**
 * The figures of `/stats`: the same numbers as `/metrics`, as JSON.
 *
 * @module
 */

import type { Traffic, TransportKind } from "../../transport/contract.ts";
import type { HistogramSummary } from "./histogram.ts";
import type { ProcessFigures } from "./process.ts";
import type { Snapshot } from "./series.ts";
import type { OutboxDepth } from "./state.ts";

/** Figures of one transport. */
export interface TransportFigures {
  /** Connections open now. */
  readonly active: number;
  /** Share of the open connections, 0 to 1. */
  readonly ratio: number;
  /** Connections since the start. */
  readonly total: number;
  /** Since the start; null when nobody counts it. */
  readonly traffic: Readonly<Traffic> | null;
  readonly handle: HistogramSummary;
  readonly rtt: HistogramSummary;
  readonly migrations: number;
  readonly migrationFailures: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly closes: Readonly<Record<string, number>>;
  readonly drops: Readonly<Record<string, number>>;
  readonly auth: Readonly<Record<string, number>>;
}

/** All figures. What nobody keeps is null. */
export interface Figures {
  readonly version: string;
  readonly deno: string;
  readonly process: ProcessFigures;
  readonly connections: number;
  readonly transports: Readonly<Partial<Record<TransportKind, TransportFigures>>>;
  readonly sessions: { readonly attached: number; readonly detached: number } | null;
  readonly channels: number | null;
  readonly users: number | null;
  readonly outbox: OutboxDepth | null;
  readonly fallbacks: Readonly<Record<string, number>>;
  readonly resumes: Readonly<Record<string, number>>;
  readonly clientConnect: HistogramSummary;
  readonly configReloads: { readonly ok: number; readonly failed: number; readonly lastOk: boolean };
  /** Milliseconds since the epoch. */
  readonly certificateExpiry: number | null;
  readonly unhandledRejections: number;
}

/** The figures of a snapshot. */
export function figuresOf(snapshot: Snapshot): Figures {
  const { state } = snapshot;
  const ratios = state.ratios();
  const transports: Partial<Record<TransportKind, TransportFigures>> = {};
  let connections = 0;
  for (const kind of state.shown()) {
    const t = state.transports[kind];
    connections += t.active;
    transports[kind] = {
      active: t.active,
      ratio: ratios[kind],
      total: t.opened,
      traffic: snapshot.traffic[kind] ?? null,
      handle: t.handled.summary(),
      rtt: t.rtt.summary(),
      migrations: t.migrations,
      migrationFailures: t.migrationFailures,
      errors: t.errors.toJSON(),
      closes: t.closes.toJSON(),
      drops: t.drops.toJSON(),
      auth: t.auth.toJSON(),
    };
  }
  return {
    version: snapshot.version,
    deno: snapshot.deno,
    process: snapshot.process,
    connections,
    transports,
    sessions: snapshot.sessions ?? null,
    channels: snapshot.hub?.channels ?? null,
    users: snapshot.hub?.users ?? null,
    outbox: snapshot.outbox ?? null,
    fallbacks: state.fallbacks.toJSON(),
    resumes: state.resumes.toJSON(),
    clientConnect: state.connectTime.summary(),
    configReloads: { ok: state.reloadsOk, failed: state.reloadsFailed, lastOk: state.lastReloadOk },
    certificateExpiry: snapshot.certificateExpiry ?? null,
    unhandledRejections: state.unhandledRejections,
  };
}
