/**
 * Log lines for a round trip, a loss or a queue above its threshold, with the state of the connection. A line of each kind
 * is written at most once in a quiet period, with the number of those left out, so that a bad network cannot fill a disk.
 *
 * @module
 */

import type { Described, Level } from "../../session/contract.ts";
import { RepeatedLines } from "../log/repeated.ts";

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

/** Decides which diagnostic lines are written. */
export class Diagnostics {
  readonly #thresholds: () => Thresholds;
  readonly #lines: RepeatedLines;

  /**
   * `thresholds` is asked each time, so that a new configuration counts at once. `now`: milliseconds of a clock that only
   * goes forward.
   */
  constructor(log: Log, thresholds: () => Thresholds, now: () => number, quiet: number = QUIET_PERIOD) {
    this.#thresholds = thresholds;
    this.#lines = new RepeatedLines({ log, now, lines: 1, period: quiet });
  }

  /** A measured round trip in milliseconds. */
  rtt(transport: string, ms: number, of?: Described): void {
    const threshold = this.#thresholds().rtt;
    if (ms > threshold) {
      this.#write("latency_high", transport, of, { rttMs: ms, thresholdMs: threshold });
    }
  }

  /** A reported share of lost datagrams, 0 to 1. */
  loss(transport: string, share: number, of?: Described): void {
    const threshold = this.#thresholds().loss;
    if (share > threshold) {
      this.#write("loss_high", transport, of, { loss: share, threshold });
    }
  }

  /** The bytes waiting in one connection's outbox. */
  outbox(transport: string, bytes: number, of?: Described): void {
    const { outbox, maxOutbox } = this.#thresholds();
    if (bytes > outbox * maxOutbox) {
      this.#write("queue_high", transport, of, {
        bytes,
        limitBytes: maxOutbox,
        threshold: outbox,
      });
    }
  }

  #write(
    event: string,
    transport: string,
    of: Described | undefined,
    fields: Record<string, unknown>,
  ) {
    this.#lines.write("warn", event, { transport }, {
      ...(of?.describe() ?? { transport }),
      ...fields,
    });
  }
}
