/**
 * `/metrics` as a module: the Prometheus text of the series of all modules.
 *
 * @module
 */

import type { Module } from "../module.ts";
import type { Exposition } from "./exposition.ts";
import type { Series } from "./series.ts";

/** Gives out the metrics of all modules. */
export class MetricsModule implements Module {
  readonly name = "metrics";
  readonly #series: () => readonly Series[];
  #exposition: Promise<Exposition> | undefined;

  /** `series` gives the series of all modules; it is called at the first scrape. */
  constructor(series: () => readonly Series[]) {
    this.#series = series;
  }

  /** The Prometheus text as things stand now. */
  async expose(): Promise<{ readonly contentType: string; readonly body: string }> {
    this.#exposition ??= import("./exposition.ts").then((m) => new m.Exposition(this.#series()));
    const exposition = await this.#exposition;
    return { contentType: exposition.contentType, body: await exposition.render() };
  }
}
