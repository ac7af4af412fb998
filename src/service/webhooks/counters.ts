/**
 * What webhooks come to, in numbers and in log lines. No line holds a payload, a secret or a URL.
 *
 * @module
 */

import type { CourierEvents, DecisionEvents } from "../../webhooks/mod.ts";
import type { Logger } from "../log/mod.ts";
import { RepeatedLines } from "../log/repeated.ts";
import { Histogram } from "../metrics/histogram.ts";
import { counters, histograms, type Sample, type Series } from "../metrics/series.ts";

/** Seconds; an endpoint nearby takes some milliseconds, and a request has a minute at most. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60] as const;
/** Lines of a kind in a period, and its milliseconds. */
const LINES = 5, PERIOD = 60_000;

/** Counts by labels. */
class Counts {
  readonly #counts = new Map<string, number>();

  add(labels: readonly string[], by = 1): void {
    const key = labels.join(" ");
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + by);
  }

  *samples(): Iterable<Sample<number>> {
    // No label holds a space.
    for (const [key, count] of this.#counts) yield [key.split(" "), count];
  }
}

/** Counts what endpoints are asked and told. */
export class WebhookCounters {
  readonly #events = new Counts();
  readonly #decisions = new Counts();
  readonly #requests = new Map<string, Histogram>();
  readonly #lines: RepeatedLines;
  readonly #log: Logger;
  /** Endpoints whose last request failed. */
  readonly #failing = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
    this.#lines = new RepeatedLines({
      log: (level, event, fields) => log.log(level, event, fields),
      now: () => performance.now(),
      lines: LINES,
      period: PERIOD,
    });
  }

  readonly series: readonly Series[] = [
    counters(
      "skein_webhook_events_total",
      "Notifications by endpoint: kept for it, taken by it, given up (dead), failed attempts, not kept (lost). Lost for a full queue counts once for each time that it was noticed.",
      ["endpoint", "outcome"],
      () => this.#events.samples(),
    ),
    counters(
      "skein_webhook_decisions_total",
      "Decisions and calls by endpoint: allowed, refused, or failed: there was none.",
      ["endpoint", "event", "outcome"],
      () => this.#decisions.samples(),
    ),
    histograms(
      "skein_webhook_request_seconds",
      "Time that requests to endpoints took, the wait for others included.",
      ["endpoint"],
      BOUNDS,
      () => [...this.#requests].map(([endpoint, histogram]) => [[endpoint], histogram]),
    ),
  ];

  /** What happens at an endpoint. */
  of(endpoint: string): CourierEvents & DecisionEvents {
    const kind = { endpoint };
    return {
      sent: (outcome, events, ms, { failure, status }) => {
        this.#events.add([endpoint, outcome], events);
        this.#took(endpoint, ms);
        this.#noted(endpoint, failure, status);
      },
      buried: ({ id, type }, attempts, failure) => {
        this.#events.add([endpoint, "dead"]);
        this.#lines.write("warn", "webhook given up", kind, { endpoint, id, type, attempts, failure });
      },
      lost: () => {
        this.#events.add([endpoint, "lost"]);
        this.#lines.write("error", "webhooks lost: the queue is full", kind, { endpoint });
      },
      failed: (error, stage) => {
        this.#lines.write("error", "webhook failure", { endpoint, stage }, { endpoint, stage, error });
      },
      decided: (event, outcome, ms, failure) => {
        this.#decisions.add([endpoint, event, outcome]);
        this.#took(endpoint, ms);
        this.#noted(endpoint, failure, undefined);
      },
    };
  }

  /** An event was kept for an endpoint. */
  kept(endpoint: string): void {
    this.#events.add([endpoint, "kept"]);
  }

  /** An event could not be kept. */
  notKept(endpoint: string, error: unknown): void {
    this.#events.add([endpoint, "lost"]);
    this.#lines.write("error", "webhook could not be kept", { endpoint }, { endpoint, error });
  }

  /** Writes how many lines were left out. To be called once a second. */
  sweep(): void {
    this.#lines.sweep();
  }

  #took(endpoint: string, ms: number): void {
    let histogram = this.#requests.get(endpoint);
    if (histogram === undefined) this.#requests.set(endpoint, histogram = new Histogram(BOUNDS));
    histogram.observe(ms / 1000);
  }

  /** One line when an endpoint begins to fail, and one when it works again. */
  #noted(endpoint: string, failure: string | undefined, status: number | undefined): void {
    if (failure !== undefined && !this.#failing.has(endpoint)) {
      this.#failing.add(endpoint);
      this.#log.warn("webhook endpoint fails", { endpoint, failure, status });
    } else if (failure === undefined && this.#failing.delete(endpoint)) {
      this.#log.info("webhook endpoint works again", { endpoint });
    }
  }
}
