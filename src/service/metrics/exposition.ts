/**
 * The Prometheus text of a snapshot, by prom-client. prom-client takes some 40 ms to load, a good part of the
 * time in which the whole service starts, so this module is imported when somebody first asks for metrics.
 *
 * @module
 */

import client from "prom-client";
import { CONNECT_BOUNDS, HANDLE_BOUNDS, RTT_BOUNDS } from "./histogram.ts";
import { type HistogramSeries, type NumberSeries, seriesTable, type Snapshot } from "./series.ts";

/** Writes snapshots as Prometheus text. */
export class Exposition {
  // A registry of its own: prom-client's global one would mix several services in one process.
  readonly #registry = new client.Registry();
  #snapshot: Snapshot | undefined;

  constructor() {
    const table = seriesTable({ handled: HANDLE_BOUNDS, rtt: RTT_BOUNDS, connect: CONNECT_BOUNDS });
    for (const series of table) {
      if (series.type === "histogram") this.#addHistogram(series);
      else this.#addNumbers(series);
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of `snapshot`. */
  render(snapshot: Snapshot): Promise<string> {
    // The collectors run before the first await of metrics(), so two scrapes at once do not mix.
    this.#snapshot = snapshot;
    return this.#registry.metrics();
  }

  #addNumbers(series: NumberSeries): void {
    const read = () => this.#snapshot === undefined ? [] : series.read(this.#snapshot);
    const labelsOf = (values: readonly string[]) =>
      Object.fromEntries(series.labels.map((name, i) => [name, values[i]!]));
    const common = {
      name: series.name,
      help: series.help,
      labelNames: series.labels,
      registers: [this.#registry],
    };
    if (series.type === "gauge") {
      new client.Gauge({
        ...common,
        collect() {
          this.reset();
          // Without its source a series is left out: the 0 that a reset leaves would be a lie.
          if (series.labels.length === 0) this.remove();
          for (const [labels, value] of read()) this.set(labelsOf(labels), value);
        },
      });
    } else {
      new client.Counter({
        ...common,
        collect() {
          // Each figure is a total since the start already.
          this.reset();
          for (const [labels, value] of read()) this.inc(labelsOf(labels), value);
        },
      });
    }
  }

  #addHistogram(series: HistogramSeries): void {
    const samples = () => this.#snapshot === undefined ? [] : histogramSamples(series, this.#snapshot);
    // prom-client's histogram can only be filled one observation at a time; this one shows ours.
    class Shown extends client.Histogram {
      override async get() {
        return { ...await super.get(), values: samples() };
      }
      getForPromString() {
        return { name: series.name, help: series.help, type: "histogram", values: samples() };
      }
    }
    new Shown({
      name: series.name,
      help: series.help,
      labelNames: series.labels,
      buckets: [...series.bounds],
      registers: [this.#registry],
    });
  }
}

interface HistogramSample {
  readonly metricName: string;
  readonly labels: Record<string, string | number>;
  readonly value: number;
}

function histogramSamples(series: HistogramSeries, snapshot: Snapshot): HistogramSample[] {
  const samples: HistogramSample[] = [];
  for (const [values, histogram] of series.read(snapshot)) {
    const labels = Object.fromEntries(series.labels.map((name, i) => [name, values[i]!]));
    histogram.cumulative().forEach((count, i) => {
      const le = histogram.bounds[i] ?? "+Inf";
      samples.push({ metricName: `${series.name}_bucket`, labels: { le, ...labels }, value: count });
    });
    samples.push({ metricName: `${series.name}_sum`, labels, value: histogram.sum });
    samples.push({ metricName: `${series.name}_count`, labels, value: histogram.count });
  }
  return samples;
}
