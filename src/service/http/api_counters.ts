/**
 * Counts calls of the server API.
 *
 * @module
 */

import type { ErrorName } from "../../protocol/mod.ts";
import { Histogram } from "../metrics/histogram.ts";
import { counters, histograms, type Sample, type Series } from "../metrics/series.ts";
import { LabelledCounter } from "../metrics/labelled_counter.ts";
import { isApiMethod } from "../../protocol/api/table.ts";

/** Upper bounds, in seconds, of the time a method takes. */
const BOUNDS: readonly number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** What has become of a call: `ok`, or the name of its error. */
export type ApiResultName = "ok" | ErrorName;

/** Calls by method and result. Those of a batch are counted one by one; methods that do not exist are `other`. */
export class ApiCounters {
  readonly #results = new Map<string, LabelledCounter>();
  readonly #times = new Map<string, Histogram>();

  readonly series: readonly Series[] = [
    counters("skein_api_calls_total", "Calls of the server API.", ["method", "result"], () => this.#calls()),
    histograms(
      "skein_api_seconds",
      "Time that methods of the server API took.",
      ["method"],
      BOUNDS,
      () => this.#seconds(),
    ),
  ];

  /** Counts a call that took `ms` milliseconds. */
  readonly count = (name: string, result: ApiResultName, ms: number): void => {
    const method = isApiMethod(name) ? name : "other";
    let results = this.#results.get(method);
    if (results === undefined) this.#results.set(method, results = new LabelledCounter());
    results.add(result);
    let times = this.#times.get(method);
    if (times === undefined) this.#times.set(method, times = new Histogram(BOUNDS));
    times.observe(ms / 1000);
  };

  *#calls(): Generator<Sample<number>> {
    for (const [method, results] of this.#results) yield* results.samples(method);
  }

  *#seconds(): Generator<Sample<Histogram>> {
    for (const [method, times] of this.#times) yield [[method], times];
  }
}
