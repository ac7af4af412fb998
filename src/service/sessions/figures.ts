/**
 * What `/stats` shows of connections and sessions: the same numbers as `/metrics`.
 *
 * @module
 */

import type { Sessions } from "../../session/mod.ts";
import type { Traffic, TransportKind } from "../../transport/contract.ts";
import type { HistogramSummary, ShareSummary } from "../metrics/histogram.ts";
import type { ConnectionCounters } from "./counters.ts";
import { type OutboxDepth, outboxDepth } from "./connections.ts";

/** Figures of one transport. */
export interface TransportFigures {
  /** Connections open now. */
  readonly active: number;
  /** Share of the open connections, 0 to 1. */
  readonly ratio: number;
  /** Connections since the start. */
  readonly total: number;
  /** Since the start, closed connections included. */
  readonly traffic: Readonly<Traffic>;
  readonly handle: HistogramSummary;
  readonly rtt: HistogramSummary;
  /** Shares of datagrams lost, 0 to 1, as clients reported them. */
  readonly loss: ShareSummary;
  /** Time from the opening of a connection to its end, of those that have ended. */
  readonly lifetime: HistogramSummary;
  /** Connections of clients that had another one before. */
  readonly reconnects: number;
  readonly migrations: number;
  readonly migrationFailures: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly closes: Readonly<Record<string, number>>;
  readonly drops: Readonly<Record<string, number>>;
  readonly auth: Readonly<Record<string, number>>;
}

/** Figures of all connections and sessions. */
export interface ConnectionFigures {
  readonly connections: number;
  readonly transports: Readonly<Partial<Record<TransportKind, TransportFigures>>>;
  readonly sessions: { readonly attached: number; readonly detached: number };
  readonly outbox: OutboxDepth;
  readonly fallbacks: Readonly<Record<string, number>>;
  readonly resumes: Readonly<Record<string, number>>;
  readonly clientConnect: HistogramSummary;
}

/** The figures as they stand now. */
export function connectionFigures(counters: ConnectionCounters, sessions: Sessions): ConnectionFigures {
  const ratios = counters.ratios();
  const traffic = sessions.traffic();
  const transports: Partial<Record<TransportKind, TransportFigures>> = {};
  let connections = 0;
  for (const kind of counters.shown()) {
    const t = counters.transports[kind];
    connections += t.active;
    transports[kind] = {
      active: t.active,
      ratio: ratios[kind],
      total: t.opened,
      traffic: traffic[kind],
      handle: t.handled.summary(),
      rtt: t.rtt.summary(),
      loss: t.loss.shares(),
      lifetime: t.lifetime.summary(),
      reconnects: t.reconnects,
      migrations: t.migrations,
      migrationFailures: t.migrationFailures,
      errors: t.errors.toJSON(),
      closes: t.closes.toJSON(),
      drops: t.drops.toJSON(),
      auth: t.auth.toJSON(),
    };
  }
  return {
    connections,
    transports,
    sessions: sessions.counts,
    outbox: outboxDepth(sessions),
    fallbacks: counters.fallbacks.toJSON(),
    resumes: counters.resumes.toJSON(),
    clientConnect: counters.connectTime.summary(),
  };
}
