/**
 * What is counted, in plain numbers: every call on the hot path is an addition. Labels come from small sets
 * only; what a peer sends as text or number is mapped onto them, so that no peer can grow the metrics.
 *
 * @module
 */

import { CLOSES } from "../../protocol/mod.ts";
import type { Traffic, TransportKind } from "../../transport/contract.ts";
import { CONNECT_BOUNDS, HANDLE_BOUNDS, Histogram, RTT_BOUNDS } from "./histogram.ts";

/** The transports that are counted apart. */
export const TRANSPORTS: readonly TransportKind[] = ["webtransport", "quic", "websocket", "memory"];

/** Counts by label. */
export class Tally {
  readonly #counts = new Map<string, number>();

  /** Adds `by` (default 1) to the count of `label`. */
  add(label: string, by = 1): void {
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + by);
  }

  get(label: string): number {
    return this.#counts.get(label) ?? 0;
  }

  entries(): IterableIterator<[string, number]> {
    return this.#counts.entries();
  }

  /** As an object, for JSON. */
  toJSON(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

/** What is counted for one transport. */
export class TransportState {
  active = 0;
  opened = 0;
  migrations = 0;
  migrationFailures = 0;
  readonly errors = new Tally();
  readonly closes = new Tally();
  readonly drops = new Tally();
  readonly auth = new Tally();
  readonly handled = new Histogram(HANDLE_BOUNDS);
  readonly rtt = new Histogram(RTT_BOUNDS);
}

/** Everything that is counted by being told. */
export class State {
  readonly transports: Readonly<Record<TransportKind, TransportState>> = {
    webtransport: new TransportState(),
    quic: new TransportState(),
    websocket: new TransportState(),
    memory: new TransportState(),
  };
  readonly fallbacks = new Tally();
  readonly resumes = new Tally();
  readonly connectTime = new Histogram(CONNECT_BOUNDS);
  reloadsOk = 0;
  reloadsFailed = 0;
  /** Whether the configuration last read was taken; the one at the start was. */
  lastReloadOk = true;
  unhandledRejections = 0;

  /** The share of the active connections that each transport has: sums to 1, or to 0 without connections. */
  ratios(): Record<TransportKind, number> {
    let all = 0;
    for (const kind of TRANSPORTS) all += this.transports[kind].active;
    const ratios = { webtransport: 0, quic: 0, websocket: 0, memory: 0 };
    if (all > 0) { for (const kind of TRANSPORTS) ratios[kind] = this.transports[kind].active / all; }
    return ratios;
  }

  /** The transports worth showing: `memory` only when it was used. */
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

/** Depth of the outboxes of all connections. */
export interface OutboxDepth {
  readonly bytes: number;
  readonly messages: number;
  /** The deepest one. */
  readonly maxBytes: number;
  readonly maxMessages: number;
  /** Whose `maxBytes` it is, where known. */
  readonly deepest?: { readonly transport: string; readonly connectionId: string };
}

/** Figures that others keep, read when somebody asks. Each may be left out. */
export interface Sources {
  /** Since the start, closed connections included. */
  traffic(): Partial<Readonly<Record<TransportKind, Readonly<Traffic>>>>;
  outbox(): OutboxDepth;
  sessions(): { readonly attached: number; readonly detached: number };
  hub(): { readonly channels: number; readonly users: number };
  /** When the certificate in use ends, in milliseconds since the epoch. */
  certificateExpiry(): number | undefined;
}
