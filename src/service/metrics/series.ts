/**
 * Series of metrics: name, help, labels, and where the numbers come from when somebody asks. A module counts in plain
 * numbers of its own and gives series that read them.
 *
 * @module
 */

import type { Histogram } from "./histogram.ts";

/** Label values, in the order of the labels, and the value. */
export type Sample<V> = readonly [labels: readonly string[], value: V];

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** A series of numbers. */
export interface NumberSeries extends Described {
  readonly type: "counter" | "gauge";
  read(): Iterable<Sample<number>>;
}

/** A series of histograms. */
export interface HistogramSeries extends Described {
  readonly type: "histogram";
  readonly bounds: readonly number[];
  read(): Iterable<Sample<Histogram>>;
}

/** A series. */
export type Series = NumberSeries | HistogramSeries;

/** What only grows: a total since the start. Its name ends in `_total`. Left out while `read` gives `undefined`. */
export function counter(name: string, help: string, read: () => number | undefined): NumberSeries {
  return { type: "counter", name, help, labels: [], read: () => single(read()) };
}

/** Totals by labels. */
export function counters(
  name: string,
  help: string,
  labels: readonly string[],
  read: NumberSeries["read"],
): NumberSeries {
  return { type: "counter", name, help, labels, read };
}

/** What goes up and down. Left out while `read` gives `undefined`. */
export function gauge(name: string, help: string, read: () => number | undefined): NumberSeries {
  return { type: "gauge", name, help, labels: [], read: () => single(read()) };
}

/** What goes up and down, by labels. */
export function gauges(
  name: string,
  help: string,
  labels: readonly string[],
  read: NumberSeries["read"],
): NumberSeries {
  return { type: "gauge", name, help, labels, read };
}

/** Histograms by labels; all have the same bounds. */
export function histograms(
  name: string,
  help: string,
  labels: readonly string[],
  bounds: readonly number[],
  read: HistogramSeries["read"],
): HistogramSeries {
  return { type: "histogram", name, help, labels, bounds, read };
}

function single(value: number | undefined): Sample<number>[] {
  return value === undefined ? [] : [[[], value]];
}
