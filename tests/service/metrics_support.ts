/** Reads Prometheus' text format (0.0.4), strictly: what it cannot read fails the test. */

/** One line of a series. */
export interface ExposedSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A parsed exposition. */
export interface Exposed {
  /** The one sample of `name` with exactly these labels; undefined when there is none. */
  value(name: string, labels: Readonly<Record<string, string>>): number | undefined;
  /** Every sample of `name` that has these labels among its own. */
  all(name: string, labels: Readonly<Record<string, string>>): ExposedSample[];
}

/** Parses an exposition. Throws on a line that is none, on a series twice, and on one without a type. */
export function parseExposition(text: string): Exposed {
  const samples = new Map<string, ExposedSample[]>();
  const types = new Set<string>();
  for (const line of text.split("\n")) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (type) types.add(type[1]!);
    if (line === "" || line.startsWith("#")) continue;
    const match = /^([a-z_]+)(?:\{((?:[a-z]+="[^"\\\n]*",?)*)\})? (\S+)$/.exec(line);
    if (match === null) throw new Error(`no sample: ${line}`);
    const [, name, inner = "", number] = match;
    const labels: Record<string, string> = {};
    for (const [, key, value] of inner.matchAll(/([a-z]+)="([^"]*)"/g)) labels[key!] = value!;
    const value = number === "+Inf" ? Infinity : Number(number);
    if (Number.isNaN(value)) throw new Error(`no number: ${line}`);
    if (!types.has(name!) && !types.has(name!.replace(/_(bucket|sum|count)$/, ""))) {
      throw new Error(`no type: ${line}`);
    }
    const list = samples.get(name!) ?? [];
    if (list.some((one) => sameLabels(one.labels, labels))) throw new Error(`twice: ${line}`);
    list.push({ labels, value });
    samples.set(name!, list);
  }
  return {
    value: (name, labels) => samples.get(name)?.find((one) => sameLabels(one.labels, labels))?.value,
    all: (name, labels) =>
      (samples.get(name) ?? []).filter((one) =>
        Object.entries(labels).every(([key, value]) => one.labels[key] === value)
      ),
  };
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
