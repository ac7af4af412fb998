/**
 * Log lines for a round trip, a loss or a queue above its threshold. A line of each kind is written at most once in a
 * quiet period, with the number of those left out, so that a bad network cannot fill a disk.
 *
 * @module
 */

import type { Level } from "../../session/contract.ts";

/** Writes one log line. `fields` never hold a token or a payload. */
export type Log = (level: Level, event: string, fields: Record<string, unknown>) => void;

/** What is too much. */
export interface Thresholds {
  /** Milliseconds of round trip. */
  readonly rtt: number;
  /** Share of datagrams lost, 0 to 1. */
  readonly loss: number;
  /** Share of `maxOutbox` in use, 0 to 1. */
  readonly outbox: number;
  /** Bytes one connection's outbox may hold. */
  readonly maxOutbox: number;
}

/** Milliseconds between two lines of one kind. */
const QUIET_PERIOD = 10_000;

interface Line {
  last: number;
  suppressed: number;
}

/** Decides which diagnostic lines are written. */
export class Diagnostics {
  readonly #log: Log;
  readonly #thresholds: () => Thresholds;
  readonly #now: () => number;
  readonly #quiet: number;
  // One entry for each event and transport: both are small sets.
  readonly #lines = new Map<string, Line>();

  /** `thresholds` is asked each time, so that a new configuration counts at once. `now` in milliseconds. */
  constructor(log: Log, thresholds: () => Thresholds, now: () => number, quiet: number = QUIET_PERIOD) {
    this.#log = log;
    this.#thresholds = thresholds;
    this.#now = now;
    this.#quiet = quiet;
  }

  /** A measured round trip in milliseconds. */
  rtt(transport: string, ms: number, connectionId?: string): void {
    const threshold = this.#thresholds().rtt;
    if (ms > threshold) {
      this.#write("latency_high", transport, connectionId, { rttMs: ms, thresholdMs: threshold });
    }
  }

  /** A reported share of lost datagrams, 0 to 1. */
  loss(transport: string, share: number, connectionId?: string): void {
    const threshold = this.#thresholds().loss;
    if (share > threshold) {
      this.#write("loss_high", transport, connectionId, { loss: share, threshold });
    }
  }

  /** The bytes waiting in one connection's outbox. */
  outbox(transport: string, bytes: number, connectionId?: string): void {
    const { outbox, maxOutbox } = this.#thresholds();
    if (bytes > outbox * maxOutbox) {
      this.#write("queue_high", transport, connectionId, {
        bytes,
        limitBytes: maxOutbox,
        threshold: outbox,
      });
    }
  }

  #write(
    event: string,
    transport: string,
    connectionId: string | undefined,
    fields: Record<string, unknown>,
  ) {
    const key = `${event} ${transport}`;
    const now = this.#now();
    const line = this.#lines.get(key);
    if (line !== undefined && now - line.last < this.#quiet) {
      line.suppressed++;
      return;
    }
    const suppressed = line?.suppressed ?? 0;
    this.#lines.set(key, { last: now, suppressed: 0 });
    this.#log("warn", event, {
      transport,
      ...(connectionId === undefined ? {} : { connectionId }),
      ...fields,
      ...(suppressed === 0 ? {} : { suppressed }),
    });
  }
}
