/**
 * Log lines that may come many times a second: some are written, the others are counted, so that nobody outside can fill
 * a disk.
 *
 * @module
 */

/** Log levels. */
type Level = "debug" | "info" | "warn" | "error";

/** Options of `RepeatedLines`. */
export interface RepeatedLinesOptions {
  /** Writes one line. */
  readonly log: (level: Level, event: string, fields: Record<string, unknown>) => void;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** Lines of one kind in a period. */
  readonly lines: number;
  /** Milliseconds. */
  readonly period: number;
}

/** What tells lines of one event apart that are counted by themselves: fields with a small set of values. */
export type LineKind = Readonly<Record<string, string | number | boolean>>;

interface Kind {
  readonly level: Level;
  readonly event: string;
  readonly kind: LineKind;
  /** When the period began. */
  since: number;
  written: number;
  suppressed: number;
}

/** Writes the first lines of each kind in a period. The next one says how many were left out: `suppressed`. */
export class RepeatedLines {
  readonly #options: RepeatedLinesOptions;
  readonly #kinds = new Map<string, Kind>();

  constructor(options: RepeatedLinesOptions) {
    this.#options = options;
  }

  /** Writes or counts a line. The line that says how many of a `kind` were left out has its fields. */
  write(level: Level, event: string, kind: LineKind, fields: Record<string, unknown>): void {
    const { log, now, lines, period } = this.#options;
    const key = `${event} ${Object.values(kind).join(" ")}`;
    let known = this.#kinds.get(key);
    if (known === undefined) {
      this.#kinds.set(key, known = { level, event, kind, since: now(), written: 0, suppressed: 0 });
    } else if (now() - known.since >= period) {
      known.since = now();
      known.written = 0;
    }
    if (known.written >= lines) {
      known.suppressed++;
      return;
    }
    known.written++;
    const { suppressed } = known;
    known.suppressed = 0;
    log(level, event, suppressed === 0 ? fields : { ...fields, suppressed });
  }

  /** Writes what was counted in periods that are over, and forgets kinds that have not come since. */
  sweep(): void {
    const { log, now, period } = this.#options;
    for (const [key, { level, event, kind, since, suppressed }] of this.#kinds) {
      if (now() - since < period) continue;
      this.#kinds.delete(key);
      if (suppressed > 0) log(level, event, { ...kind, suppressed });
    }
  }
}
