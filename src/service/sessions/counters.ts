/**
 * What is counted of connections, in plain numbers: a call on the hot path is an addition. Labels come from small
 * sets only. Text and numbers that a peer sends are mapped to them, so that no peer can make the metrics grow.
 *
 * @module
 */

import { CLOSES } from "../../protocol/mod.ts";
import type { TransportKind } from "../../transport/contract.ts";
import { Histogram } from "../metrics/histogram.ts";
import { LabelledCounter } from "../metrics/labelled_counter.ts";

/** The transports that are counted apart. */
const TRANSPORTS: readonly TransportKind[] = ["webtransport", "quic", "websocket", "memory"];

/** Upper bounds, in seconds, of the time from a frame's arrival to its answer. */
export const HANDLE_BOUNDS: readonly number[] = [
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  1,
];

/** Upper bounds, in seconds, of a round trip over a network. */
export const RTT_BOUNDS: readonly number[] = [
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.2,
  0.35,
  0.5,
  1,
  2.5,
  5,
];

/** Upper bounds, in seconds, of the time a client needs to be connected. */
export const CONNECT_BOUNDS: readonly number[] = [0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1, 2.5, 5, 10, 30];

/** Upper bounds, in seconds, of the life of a connection. */
export const LIFETIME_BOUNDS: readonly number[] = [1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400];

/** Upper bounds of the share of datagrams lost, 0 to 1. */
export const LOSS_BOUNDS: readonly number[] = [0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];

/** What is counted for one transport. */
export class TransportCounters {
  active = 0;
  opened = 0;
  migrations = 0;
  migrationFailures = 0;
  reconnects = 0;
  readonly errors = new LabelledCounter();
  readonly closes = new LabelledCounter();
  readonly drops = new LabelledCounter();
  readonly auth = new LabelledCounter();
  readonly handled = new Histogram(HANDLE_BOUNDS);
  readonly rtt = new Histogram(RTT_BOUNDS);
  readonly loss = new Histogram(LOSS_BOUNDS);
  readonly lifetime = new Histogram(LIFETIME_BOUNDS);
}

/** What is counted of all connections. */
export class ConnectionCounters {
  readonly transports: Readonly<Record<TransportKind, TransportCounters>> = {
    webtransport: new TransportCounters(),
    quic: new TransportCounters(),
    websocket: new TransportCounters(),
    memory: new TransportCounters(),
  };
  readonly fallbacks = new LabelledCounter();
  readonly resumes = new LabelledCounter();
  readonly connectTime = new Histogram(CONNECT_BOUNDS);

  /** The share of the active connections that each transport has: sums to 1, or to 0 without connections. */
  ratios(): Record<TransportKind, number> {
    let all = 0;
    for (const kind of TRANSPORTS) all += this.transports[kind].active;
    const ratios = { webtransport: 0, quic: 0, websocket: 0, memory: 0 };
    if (all > 0) { for (const kind of TRANSPORTS) ratios[kind] = this.transports[kind].active / all; }
    return ratios;
  }

  /** The transports to show: `memory`, which tests use, only when it was used. */
  shown(): readonly TransportKind[] {
    return this.transports.memory.opened > 0 ? TRANSPORTS : TRANSPORTS.slice(0, 3);
  }
}

const KNOWN_CLOSES = new Set<number>([
  0,
  ...Object.values(CLOSES).map((row) => row.code),
  1001,
  1002,
  1003,
  1005,
  1006,
  1007,
  1009,
  1011,
]);

/** A close code as a label: the codes of the tables (ours, and RFC 6455 §7.4.1) as they are, the rest `other`. */
export function closeLabel(code: number): string {
  return KNOWN_CLOSES.has(code) ? String(code) : "other";
}

/** The transport a client says it came from, as a label: one of ours, else `other`. */
export function fallbackLabel(from: string): string {
  return (TRANSPORTS as readonly string[]).includes(from) && from !== "memory" ? from : "other";
}
