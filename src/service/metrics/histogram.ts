/**
 * A histogram in plain numbers: cheap to observe, exposed as cumulative buckets when asked for.
 *
 * @module
 */

/** What a histogram says in `/stats`. Times in milliseconds. */
export interface HistogramSummary {
  readonly count: number;
  readonly meanMs: number;
  /** Estimated from the buckets, as Prometheus' `histogram_quantile` does. */
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
}

/** What a histogram of shares, 0 to 1, says in `/stats`; estimated in the same way. */
export interface ShareSummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** Counts observations in buckets. */
export class Histogram {
  /** Upper bounds, ascending; one more bucket counts what is above the last. */
  readonly bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;
  #count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** Counts `value`, in seconds or a share. Negative and non-finite values are ignored. */
  observe(value: number): void {
    if (!(value >= 0 && value < Infinity)) return;
    let i = 0;
    while (i < this.bounds.length && value > this.bounds[i]!) i++;
    this.#counts[i]!++;
    this.#sum += value;
    this.#count++;
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  /** How many observations were at most each bound; the last one, for infinity, is `count`. */
  cumulative(): number[] {
    let sum = 0;
    return Array.from(this.#counts, (n) => sum += n);
  }

  /**
   * The value below which a share `q` of the observations lies, interpolated within its bucket; 0 without
   * observations. Above the last bound it can only say that bound.
   */
  quantile(q: number): number {
    if (this.#count === 0) return 0;
    const rank = q * this.#count;
    let below = 0;
    for (let i = 0; i < this.bounds.length; i++) {
      const inBucket = this.#counts[i]!;
      if (inBucket > 0 && below + inBucket >= rank) {
        const from = i === 0 ? 0 : this.bounds[i - 1]!;
        return from + (this.bounds[i]! - from) * (rank - below) / inBucket;
      }
      below += inBucket;
    }
    return this.bounds.at(-1)!;
  }

  /** The figures of shares, 0 to 1, for `/stats`. */
  shares(): ShareSummary {
    return {
      count: this.#count,
      mean: this.#count === 0 ? 0 : this.#sum / this.#count,
      p50: this.quantile(0.5),
      p90: this.quantile(0.9),
      p99: this.quantile(0.99),
    };
  }

  /** The figures of times for `/stats`. */
  summary(): HistogramSummary {
    const ms = (seconds: number) => Math.round(seconds * 1e6) / 1e3;
    return {
      count: this.#count,
      meanMs: this.#count === 0 ? 0 : ms(this.#sum / this.#count),
      p50Ms: ms(this.quantile(0.5)),
      p90Ms: ms(this.quantile(0.9)),
      p99Ms: ms(this.quantile(0.99)),
    };
  }
}
