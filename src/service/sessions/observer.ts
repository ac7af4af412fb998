/**
 * The `Observer` of the sessions: counts what happens and writes diagnostic lines.
 *
 * @module
 */

import type { ClientReport, Described, Level, Observer } from "../../session/contract.ts";
import type { TransportKind } from "../../transport/contract.ts";
import { RepeatedLines } from "../log/repeated.ts";
import { closeLabel, ConnectionCounters, fallbackLabel } from "./counters.ts";
import { Diagnostics, type Log, type Thresholds } from "./diagnostics.ts";

/** Above these a client's figures are not believed: a minute of round trip, ten to be connected. In milliseconds. */
const MAX_RTT = 60_000;
const MAX_CONNECT = 600_000;
/** Lines of one event, transport and code that strangers may cause in a period, and that users may; its milliseconds. */
const STRANGER_LINES = 20, USER_LINES = 200, LIMITED_PERIOD = 10_000;

/** Options of `ConnectionObserver`. */
export interface ObserverOptions {
  /** Where log lines go. */
  readonly log: Log;
  /** When diagnostic lines are due; asked each time, so that a new configuration counts at once. */
  readonly thresholds: () => Thresholds;
  /** Milliseconds of a clock that only goes forward. @default performance.now */
  readonly now?: () => number;
  /** Milliseconds between two diagnostic lines of one kind. @default 10000 */
  readonly quietPeriod?: number;
}

/** Counts what happens to connections. */
export class ConnectionObserver implements Observer {
  readonly counters = new ConnectionCounters();
  readonly #log: Log;
  readonly #diagnostics: Diagnostics;
  readonly #ofStrangers: RepeatedLines;
  readonly #ofUsers: RepeatedLines;

  constructor(options: ObserverOptions) {
    const { log, thresholds, now = () => performance.now(), quietPeriod } = options;
    this.#log = log;
    const limited = (lines: number) => new RepeatedLines({ log, now, lines, period: LIMITED_PERIOD });
    this.#ofStrangers = limited(STRANGER_LINES);
    this.#ofUsers = limited(USER_LINES);
    this.#diagnostics = new Diagnostics(log, thresholds, now, quietPeriod);
  }

  log(level: Level, event: string, fields: Record<string, unknown>): void {
    this.#log(level, event, fields);
  }

  logLimited(level: Level, event: string, fields: Record<string, unknown>): void {
    const { transport, code, user } = fields;
    const kind = {
      transport: `${transport}`,
      ...(typeof code === "number" ? { code: closeLabel(code) } : {}),
    };
    (user === undefined ? this.#ofStrangers : this.#ofUsers).write(level, event, kind, fields);
  }

  /** Writes how many lines were left out. To be called once a second. */
  sweep(): void {
    this.#ofStrangers.sweep();
    this.#ofUsers.sweep();
  }

  opened(kind: TransportKind): void {
    const transport = this.counters.transports[kind];
    transport.active++;
    transport.opened++;
  }

  closed(kind: TransportKind, code: number, _by: string, aliveMs: number): void {
    const transport = this.counters.transports[kind];
    transport.active--;
    transport.lifetime.observe(aliveMs / 1000);
    transport.closes.add(closeLabel(code));
  }

  authenticated(kind: TransportKind, result: string): void {
    this.counters.transports[kind].auth.add(result);
  }

  error(kind: TransportKind, code: string): void {
    this.counters.transports[kind].errors.add(code);
  }

  dropped(kind: TransportKind, grade: string, count: number): void {
    this.counters.transports[kind].drops.add(grade, count);
  }

  migrated(kind: TransportKind): void {
    this.counters.transports[kind].migrations++;
  }

  resumed(_kind: TransportKind, outcome: string): void {
    this.counters.resumes.add(outcome);
  }

  handled(kind: TransportKind, ms: number): void {
    this.counters.transports[kind].handled.observe(ms / 1000);
  }

  rtt(kind: TransportKind, ms: number, of?: Described): void {
    if (!(ms >= 0 && ms <= MAX_RTT)) return;
    this.counters.transports[kind].rtt.observe(ms / 1000);
    this.#diagnostics.rtt(kind, ms, of);
  }

  report(kind: TransportKind, report: ClientReport, of?: Described): void {
    const { counters } = this;
    // `rtt` and `reconnects` are not read here: sessions call `rtt()`, for pings too, and `reconnected()`.
    const { fallbackFrom, connectTime, loss, migrationFailed } = report;
    if (fallbackFrom !== undefined) counters.fallbacks.add(fallbackLabel(fallbackFrom));
    if (connectTime !== undefined && connectTime <= MAX_CONNECT) {
      counters.connectTime.observe(connectTime / 1000);
    }
    if (loss !== undefined && loss >= 0 && loss <= 1) {
      counters.transports[kind].loss.observe(loss);
      this.#diagnostics.loss(kind, loss, of);
    }
    if (migrationFailed === true) counters.transports[kind].migrationFailures++;
  }

  reconnected(kind: TransportKind): void {
    this.counters.transports[kind].reconnects++;
  }

  /** The bytes waiting in the deepest outbox: a diagnostic line when they are too many. */
  outbox(transport: string, bytes: number, of?: Described): void {
    this.#diagnostics.outbox(transport, bytes, of);
  }
}
