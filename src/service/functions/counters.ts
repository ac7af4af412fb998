/**
 * What functions come to, in numbers and in log lines.
 *
 * @module
 */

import type { Call, FunctionError, LogLine, Outcome } from "../../functions/mod.ts";
import { FunctionError as Failure } from "../../functions/mod.ts";
import { TokenBucket } from "../../session/rates.ts";
import type { Logger } from "../log/mod.ts";
import { Histogram } from "../metrics/histogram.ts";
import { counter, counters, gauge, gauges, histograms, type Series } from "../metrics/series.ts";
import { KeptLines } from "./kept_lines.ts";
import type { FunctionSet } from "./set.ts";

/** Seconds; a warm call takes some tenths of a millisecond. */
const CALL_BOUNDS = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30] as const;
const START_BOUNDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 5] as const;
/** Lines a second of one function that reach the log: twice what an isolate lets through, for it may break its own bound. */
const LINES = 100;
/** Characters of a secret that is looked for in lines. */
const SHORT = 6;

interface Figures {
  readonly time: Histogram;
  readonly outcomes: Map<string, number>;
  readonly lines: TokenBucket;
  readonly kept: KeptLines;
  dropped: number;
}

/** Counts calls, and writes what functions print. */
export class FunctionCounters {
  readonly #log: Logger;
  readonly #set: () => FunctionSet | undefined;
  readonly #secrets: () => readonly string[];
  readonly #figures = new Map<string, Figures>();
  readonly #starts = new Histogram(START_BOUNDS);
  #loads = 0;
  #loadFailures = 0;
  #lost = 0;

  /** `secrets`: what no line of the log may show. */
  constructor(log: Logger, set: () => FunctionSet | undefined, secrets: () => readonly string[]) {
    this.#log = log;
    this.#secrets = secrets;
    this.#set = set;
  }

  readonly series: readonly Series[] = [
    counters(
      "skein_function_calls_total",
      "Calls of functions by what they came to.",
      ["function", "outcome"],
      () => this.#outcomes(),
    ),
    histograms(
      "skein_function_call_seconds",
      "Time of calls, with the start of the isolate where one was needed.",
      ["function"],
      CALL_BOUNDS,
      () => [...this.#figures].map(([name, { time }]) => [[name], time] as const),
    ),
    histograms(
      "skein_function_start_seconds",
      "Time until an isolate had loaded its function.",
      [],
      START_BOUNDS,
      () => [[[], this.#starts]],
    ),
    gauge("skein_function_isolates", "Isolates that are alive.", () => this.#set()?.isolates ?? 0),
    gauges(
      "skein_function_memory_bytes",
      "Resident memory of isolates as they last said, pages that all share included.",
      ["function"],
      () =>
        (this.#set()?.functions ?? []).filter(({ status }) => status.memory > 0)
          .map(({ name, status }) => [[name], status.memory] as const),
    ),
    counter("skein_function_loads_total", "Versions of functions that were put in force.", () => this.#loads),
    counter(
      "skein_function_load_failures_total",
      "Versions that could not be loaded.",
      () => this.#loadFailures,
    ),
    counter(
      "skein_function_lines_dropped_total",
      "Lines of functions that did not reach the log because there were too many.",
      () => this.#lost,
    ),
  ];

  /** Counts a call and logs its failure. Settles as it does. */
  async observe(name: string, { event }: Call, call: () => Promise<Outcome>): Promise<Outcome> {
    const before = performance.now();
    let outcome = "ok";
    try {
      return await call();
    } catch (error) {
      outcome = error instanceof Failure ? error.kind : "internal";
      // A name that somebody made up gets no line of its own in the metrics.
      if (outcome !== "unknown") this.#logFailure(name, event.kind, error);
      throw error;
    } finally {
      if (outcome !== "unknown") {
        const { outcomes, time } = this.#of(name);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        time.observe((performance.now() - before) / 1000);
      }
    }
  }

  /** A line that a function printed. */
  readonly log = (name: string, { level, text, dropped = 0 }: LogLine): void => {
    this.#lost += dropped;
    if (!this.#mayLog(name)) return;
    const said = this.redact(text);
    this.#of(name).kept.add({ level, text: said });
    this.#log.log(level, "function", { function: name, text: said });
  };

  /** An isolate has started. */
  readonly started = (milliseconds: number): void => {
    this.#starts.observe(milliseconds / 1000);
  };

  /** A version is in force. */
  readonly loaded = (name: string, hash: string): void => {
    this.#loads++;
    this.#log.info("function loaded", { function: name, version: hash.slice(0, 12) });
  };

  /** A version could not be loaded. */
  readonly failed = (name: string, { message, report }: FunctionError): void => {
    this.#loadFailures++;
    const reason = this.redact(message);
    if (name !== "") this.#of(name).kept.add({ level: "error", text: `not loaded: ${reason}` });
    const fields = { at: report?.at, reason };
    this.#log.error("function not loaded", name === "" ? fields : { function: name, ...fields });
  };

  /** The engine could not say, or keep, when a schedule is due. */
  readonly scheduleFailed = (error: unknown, name: string): void => {
    this.#log.error("function schedule failed", { function: name, error });
  };

  /** What a function printed after the line `after`; undefined: nothing of that name is known. */
  lines(name: string, after: number) {
    return this.#figures.get(name)?.kept.after(after);
  }

  /** Calls of a function by what they came to. */
  calls(name: string): Record<string, number> {
    return Object.fromEntries(this.#figures.get(name)?.outcomes ?? []);
  }

  /** For `/stats`. */
  status(): Record<string, unknown> | null {
    const set = this.#set();
    if (set === undefined) return null;
    const problems = Object.fromEntries(
      [...set.problems()].filter(({ problem }) => problem !== undefined).map((
        { name, problem },
      ) => [name, this.redact(problem!)]),
    );
    const functions = set.functions.map(({ name, status, hash }) => {
      const figures = this.#figures.get(name);
      return [name, {
        version: hash?.slice(0, 12),
        ...status,
        calls: Object.fromEntries(figures?.outcomes ?? []),
        time: figures?.time.summary(),
      }];
    });
    return {
      isolates: set.isolates,
      starts: this.#starts.summary(),
      functions: Object.fromEntries(functions),
      problems,
    };
  }

  #logFailure(name: string, event: string, error: unknown): void {
    const { message, kind, report } = error as Partial<FunctionError>;
    const reason = this.redact(message ?? String(error));
    this.#of(name).kept.add({ level: "error", text: `${event} failed: ${reason}` });
    if (!this.#mayLog(name)) return;
    this.#log.error("function failed", {
      function: name,
      event,
      kind,
      at: report?.at,
      reason,
      ...report?.stack === undefined ? {} : { stack: this.redact(report.stack) },
    });
  }

  /** Takes secrets out of a text. Very short ones are also parts of words. */
  redact(text: string): string {
    let shown = text;
    for (const secret of this.#secrets()) {
      if (secret.length >= SHORT && shown.includes(secret)) shown = shown.replaceAll(secret, "[secret]");
    }
    return shown;
  }

  #mayLog(name: string): boolean {
    const figures = this.#of(name);
    if (figures.lines.tryTake(1, performance.now())) {
      if (figures.dropped > 0) {
        this.#log.warn("function prints too much", { function: name, dropped: figures.dropped });
        figures.dropped = 0;
      }
      return true;
    }
    figures.dropped++;
    this.#lost++;
    return false;
  }

  #of(name: string): Figures {
    let figures = this.#figures.get(name);
    if (figures === undefined) {
      const lines = new TokenBucket({ perSecond: LINES, burst: 4 * LINES }, performance.now());
      figures = {
        time: new Histogram(CALL_BOUNDS),
        outcomes: new Map(),
        lines,
        kept: new KeptLines(),
        dropped: 0,
      };
      this.#figures.set(name, figures);
    }
    return figures;
  }

  *#outcomes(): Generator<[string[], number]> {
    for (const [name, { outcomes }] of this.#figures) {
      for (const [outcome, count] of outcomes) yield [[name, outcome], count];
    }
  }
}
