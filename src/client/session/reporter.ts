/**
 * Measurements for the application, and their summaries for the server.
 *
 * @module
 */

import type { Report } from "../../protocol/mod.ts";
import type { Clock } from "../clock.ts";
import { type ClientMetrics, MAX_RTT, Meter } from "../policy/meter.ts";
import type { Established } from "./connector.ts";
import type { Link } from "./link.ts";
import type { SessionPart } from "./part.ts";

/** Milliseconds between reports to the server. */
const REPORT_INTERVAL = 30_000;
/** The server takes a `fallbackReason` of so many characters. */
const MAX_REASON = 200;

/** Measures while there is a connection. */
export class Reporter implements SessionPart {
  readonly #clock: Clock;
  readonly #interval: number;
  readonly #told: (metrics: ClientMetrics) => void;
  readonly #meter: Meter;
  #link: Link | undefined;
  #cancel: (() => void) | undefined;
  #reportAt = 0;
  #lastReport = "";
  #migrationFailed = false;

  /** `told` is given measurements every `interval` milliseconds. */
  constructor(clock: Clock, interval: number, told: (metrics: ClientMetrics) => void) {
    this.#clock = clock;
    this.#interval = interval;
    this.#told = told;
    this.#meter = new Meter(clock.now());
  }

  /** The server is told how the connection came to be. */
  attach(link: Link, { fellBackFrom, fellBackReason, connectTime }: Established): void {
    const { kind, traffic } = link.transport;
    this.#link = link;
    this.#meter.connected(kind, traffic, connectTime);
    if (fellBackFrom !== undefined) this.#meter.fellBack();
    this.#reportAt = this.#clock.now() + REPORT_INTERVAL;
    const { reconnects } = this.#meter.measure(this.#clock.now());
    this.#send({
      connectTime: Math.min(connectTime, 86_400_000),
      reconnects,
      ...(fellBackFrom === undefined ? {} : { fallbackFrom: fellBackFrom }),
      ...(fellBackReason === undefined ? {} : { fallbackReason: fellBackReason.slice(0, MAX_REASON) }),
      ...(this.#migrationFailed ? { migrationFailed: true } : {}),
    });
    this.#migrationFailed = false;
    this.#schedule();
  }

  detach(): void {
    this.#link = undefined;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#meter.disconnected();
  }

  take(): boolean {
    this.#meter.active(this.#clock.wall());
    return false;
  }

  /** A round trip took `ms`. */
  roundTrip(ms: number): void {
    this.#meter.roundTrip(ms);
  }

  /** A numbered datagram came back, or did not. */
  datagram(lost: boolean): void {
    this.#meter.datagram(lost);
  }

  /** The network changed and the connection did not survive it: told with the next one. */
  migrationFailed(): void {
    this.#migrationFailed = true;
  }

  /** What is known now. */
  measure(): ClientMetrics {
    return this.#meter.measure(this.#clock.now());
  }

  #schedule(): void {
    this.#cancel?.();
    this.#cancel = this.#clock.after(this.#interval, () => {
      const metrics = this.measure();
      this.#told(metrics);
      if (this.#clock.now() >= this.#reportAt) this.#summarize(metrics);
      if (this.#link !== undefined) this.#schedule();
    });
  }

  #summarize({ rtt, loss, reconnects }: ClientMetrics): void {
    this.#reportAt = this.#clock.now() + REPORT_INTERVAL;
    const report: Report = {
      reconnects,
      ...(rtt === null ? {} : { rtt: Math.min(MAX_RTT, Math.max(0, rtt.p50)) }),
      ...(loss === null ? {} : { loss }),
    };
    const text = JSON.stringify(report);
    // Nothing new is nothing to tell.
    if (text === this.#lastReport) return;
    this.#lastReport = text;
    this.#send(report);
  }

  #send(report: Report): void {
    this.#link?.send("client_report", { ...report }, 0);
  }
}
