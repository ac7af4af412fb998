/**
 * The types of the bench, and how figures are combined. Everything but `measureTrips` is pure.
 *
 * @module
 */

/** What one measurement found. */
export interface Measure {
  /** In the unit of its scenario. */
  readonly value: number;
  /** Quantiles of the samples that `value` comes from, in the same unit, when there are samples. */
  readonly p50?: number;
  readonly p99?: number;
}

/** The target of a scenario. When both members are given, both have to be met. */
export interface Target {
  /** Skein's figure divided by the bare one: a maximum where lower is better, a minimum where higher is. */
  readonly ratio?: number;
  /** Skein's figure in the scenario's unit, a maximum or minimum likewise. */
  readonly value?: number;
}

/**
 * One measurement, of Skein and of the bare runtime with the same work. Each side runs in a client process of its own,
 * which starts the server process. It returns one figure and leaves nothing behind.
 */
export interface Scenario {
  /** Searched by `--only`. */
  readonly name: string;
  readonly unit: "us" | "ms" | "/s" | "MB/s" | "KB" | "%";
  readonly better: "lower" | "higher";
  readonly target?: Target;
  /** It takes long, and comes after all others of a round. */
  readonly slow?: true;
  bare?(): Promise<Measure>;
  skein?(): Promise<Measure>;
  /** The same work by other libraries on this runtime. */
  ws?(): Promise<Measure>;
  "socket.io"?(): Promise<Measure>;
}

/** A side of a scenario. */
export type Side = "bare" | "skein" | "ws" | "socket.io";
/** All sides, in the order they run in each round. */
export const SIDES: readonly Side[] = ["bare", "skein", "ws", "socket.io"];

/** A scenario's figures over all rounds. */
export interface Result {
  readonly name: string;
  readonly unit: Scenario["unit"];
  readonly better: Scenario["better"];
  readonly rounds: number;
  readonly bare?: Measure;
  readonly skein?: Measure;
  readonly ws?: Measure;
  readonly "socket.io"?: Measure;
  /** Median of the rounds' ratios of Skein to bare. */
  readonly ratio?: number;
  readonly target?: Target;
  /** Whether the target is met; undefined where there is none, or no figure for it. */
  readonly met?: boolean;
}

/** The value below which the share `q` (0 to 1) of the samples lies; NaN without samples. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}

/** The middle sample, or the mean of the two in the middle; NaN without samples. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Combines a scenario's rounds. The measurements of each side are in the order of the rounds. */
export function summarise(
  scenario: Scenario,
  measured: Readonly<Partial<Record<Side, readonly Measure[]>>>,
): Result {
  const sides: Partial<Record<Side, Measure>> = {};
  for (const side of SIDES) {
    const measures = measured[side] ?? [];
    if (measures.length > 0) sides[side] = middle(measures);
  }
  const { bare = [], skein = [] } = measured;
  const pairs = bare.slice(0, skein.length);
  const ratio = pairs.length > 0
    ? median(pairs.map(({ value }, round) => skein[round]!.value / value))
    : undefined;
  const met = judge(scenario, sides.skein?.value, ratio);
  return {
    name: scenario.name,
    unit: scenario.unit,
    better: scenario.better,
    rounds: Math.max(bare.length, skein.length),
    ...sides,
    ...(ratio === undefined ? {} : { ratio }),
    ...(scenario.target === undefined ? {} : { target: scenario.target }),
    ...(met === undefined ? {} : { met }),
  };
}

function middle(measures: readonly Measure[]): Measure {
  const p50 = measures.flatMap((measure) => measure.p50 ?? []);
  const p99 = measures.flatMap((measure) => measure.p99 ?? []);
  return {
    value: median(measures.map(({ value }) => value)),
    ...(p50.length > 0 ? { p50: median(p50) } : {}),
    ...(p99.length > 0 ? { p99: median(p99) } : {}),
  };
}

function judge(
  { target, better }: Scenario,
  value: number | undefined,
  ratio: number | undefined,
): boolean | undefined {
  if (target === undefined || value === undefined) return undefined;
  if (target.ratio !== undefined && ratio === undefined) return undefined;
  const reaches = (have: number, want: number) => better === "lower" ? have <= want : have >= want;
  return (target.value === undefined || reaches(value, target.value)) &&
    (target.ratio === undefined || reaches(ratio!, target.ratio));
}

/** Results as the cells of a table, its head first. */
export function rowsOf(results: readonly Result[]): string[][] {
  const rows = [
    ["scenario", "unit", "bare", "p99", "Skein", "p99", "ratio", "target", "met", "ws", "socket.io"],
  ];
  for (const result of results) {
    const { name, unit, bare, skein, ratio, better, target, met } = result;
    const sign = better === "lower" ? "<=" : ">=";
    const wanted = [
      ...(target?.ratio === undefined ? [] : [`${sign} ${target.ratio}x`]),
      ...(target?.value === undefined ? [] : [`${sign} ${number(target.value)}`]),
    ];
    rows.push([
      name,
      unit,
      number(bare?.value),
      number(bare?.p99),
      number(skein?.value),
      number(skein?.p99),
      ratio === undefined ? "" : ratio.toFixed(2),
      wanted.join(", "),
      met === undefined ? "" : met ? "yes" : "NO",
      number(result.ws?.value),
      number(result["socket.io"]?.value),
    ]);
  }
  return rows;
}

/** Results as a Markdown table with aligned columns. */
export function table(results: readonly Result[]): string {
  const rows = rowsOf(results);
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[], pad = " ") =>
    `| ${
      row.map((cell, at) => at === 0 ? cell.padEnd(widths[at]!, pad) : cell.padStart(widths[at]!, pad)).join(
        " | ",
      )
    } |`;
  return [line(rows[0]!), line(widths.map(() => ""), "-"), ...rows.slice(1).map((row) => line(row))].join(
    "\n",
  );
}

function number(value: number | undefined): string {
  if (value === undefined) return "";
  if (Math.abs(value) >= 100) return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  return value.toPrecision(3);
}

/** Times `trip` one after the other, after a warm-up; microseconds. */
export async function measureTrips(
  trip: () => Promise<unknown>,
  { trips = 4_000, warmUp = 500 }: { trips?: number; warmUp?: number } = {},
): Promise<Measure> {
  for (let i = 0; i < warmUp; i++) await trip();
  const samples: number[] = [];
  for (let i = 0; i < trips; i++) {
    const start = performance.now();
    await trip();
    samples.push((performance.now() - start) * 1000);
  }
  const p50 = quantile(samples, 0.5);
  return { value: p50, p50, p99: quantile(samples, 0.99) };
}
