/**
 * The Prometheus text of series, written by prom-client. Import this module at the first scrape only: prom-client takes
 * about 40 ms to load, a good part of the time the whole service needs to start.
 *
 * @module
 */

import client from "prom-client";
import type { HistogramSeries, NumberSeries, Series } from "./series.ts";

/** Writes series as Prometheus text. */
export class Exposition {
  // A registry of its own: prom-client's global one would mix several services in one process.
  readonly #registry = new client.Registry();

  /** Series of one name, from several modules, become one that gives the samples of all. */
  constructor(all: readonly Series[]) {
    for (const series of merged(all)) {
      if (series.type === "histogram") this.#addHistogram(series);
      else this.#addNumbers(series);
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text as things stand now. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  #addNumbers(series: NumberSeries): void {
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
          // A reset leaves 0 in a series without labels; it must not be shown when there is no value.
          if (series.labels.length === 0) this.remove();
          for (const [labels, value] of series.read()) this.set(labelsOf(labels), value);
        },
      });
    } else {
      new client.Counter({
        ...common,
        collect() {
          // The values are totals since the start, and inc() adds.
          this.reset();
          for (const [labels, value] of series.read()) this.inc(labelsOf(labels), value);
        },
      });
    }
  }

  #addHistogram(series: HistogramSeries): void {
    const samples = () => histogramSamples(series);
    // prom-client's histogram takes single observations only; this one shows buckets that were counted before.
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

function histogramSamples(series: HistogramSeries): HistogramSample[] {
  const samples: HistogramSample[] = [];
  for (const [values, histogram] of series.read()) {
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

function merged(all: readonly Series[]): readonly Series[] {
  const byName = new Map<string, Series>();
  for (const series of all) {
    const before = byName.get(series.name);
    byName.set(series.name, before === undefined ? series : joined(before, series));
  }
  return [...byName.values()];
}

/** Throws when the two do not describe the same. */
function joined(a: Series, b: Series): Series {
  const describe = ({ read: _, ...description }: Series) => JSON.stringify(description);
  if (describe(a) !== describe(b)) throw new Error(`${a.name} is described in two ways`);
  const read = function* () {
    yield* a.read();
    yield* b.read();
  };
  return { ...a, read } as Series;
}
