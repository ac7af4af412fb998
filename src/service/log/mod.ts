/**
 * The service's log: one line for each event, on standard error.
 *
 * @module
 */

import type { Level } from "../../session/contract.ts";
import { jsonLine, textLine } from "./format.ts";
import { redact } from "./redact.ts";

/** Fields of an entry. Values that look like a secret by name or form are replaced. */
export type Fields = Readonly<Record<string, unknown>>;

/** Writes events. No method ever throws. */
export interface Logger {
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  /** The same with the level as a value. */
  log(level: Level, event: string, fields?: Fields): void;
  /** Whether entries of this level are written; ask before making costly fields. */
  enabled(level: Level): boolean;
  /** A logger that adds `fields` to every entry; it shares level and format with this one. */
  child(fields: Fields): Logger;
  /** Takes another level or format, for this logger, its parents and all its children. */
  configure(settings: Partial<LogSettings>): void;
}

/** What may change while running. */
export interface LogSettings {
  /** Least level that is written. @default "info" */
  readonly level: Level;
  /** `auto` is text when standard error is a terminal, else JSON. @default "auto" */
  readonly format: "auto" | "json" | "text";
}

/** Options of `createLogger`. */
export interface LoggerOptions extends Partial<LogSettings> {
  /** Fields of every entry. @default none */
  readonly fields?: Fields;
  /** Writes a line, which has no line feed. @default standard error, synchronously */
  readonly write?: (line: string) => void;
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number;
}

const RANK: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const encoder = new TextEncoder();

/** Writes synchronously: the last lines before a crash are the ones that matter. */
function toStandardError(line: string): void {
  const bytes = encoder.encode(`${line}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
}

function inTerminal(): boolean {
  try {
    return Deno.stderr.isTerminal();
  } catch {
    return false;
  }
}

/** Settings and output, shared by a logger and all its children. */
interface Shared {
  rank: number;
  text: boolean;
  readonly color: boolean;
  readonly write: (line: string) => void;
  readonly now: () => number;
}

class LineLogger implements Logger {
  readonly #shared: Shared;
  readonly #fields: Fields;

  constructor(shared: Shared, fields: Fields) {
    this.#shared = shared;
    this.#fields = fields;
  }

  debug(event: string, fields?: Fields): void {
    this.log("debug", event, fields);
  }
  info(event: string, fields?: Fields): void {
    this.log("info", event, fields);
  }
  warn(event: string, fields?: Fields): void {
    this.log("warn", event, fields);
  }
  error(event: string, fields?: Fields): void {
    this.log("error", event, fields);
  }

  enabled(level: Level): boolean {
    return RANK[level] >= this.#shared.rank;
  }

  log(level: Level, event: string, fields?: Fields): void {
    const shared = this.#shared;
    if (RANK[level] < shared.rank) return;
    try {
      let clean: Record<string, unknown>;
      try {
        clean = redact({ ...this.#fields, ...fields });
      } catch (error) {
        // The line is written even when a field has a getter or proxy that throws.
        clean = { unwritable: error instanceof Error ? error.name : typeof error };
      }
      const entry = { time: shared.now(), level, event, fields: clean };
      shared.write(shared.text ? textLine(entry, shared.color) : jsonLine(entry));
    } catch {
      // Standard error is closed or full: there is nowhere to report it.
    }
  }

  child(fields: Fields): Logger {
    return new LineLogger(this.#shared, { ...this.#fields, ...fields });
  }

  configure(settings: Partial<LogSettings>): void {
    if (settings.level !== undefined) this.#shared.rank = RANK[settings.level];
    if (settings.format !== undefined) this.#shared.text = isText(settings.format);
  }
}

function isText(format: LogSettings["format"]): boolean {
  return format === "auto" ? inTerminal() : format === "text";
}

/** Makes a logger. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { level = "info", format = "auto", fields = {}, write, now = Date.now } = options;
  const shared: Shared = {
    rank: RANK[level],
    text: isText(format),
    color: write === undefined && !Deno.noColor && inTerminal(),
    write: write ?? toStandardError,
    now,
  };
  return new LineLogger(shared, fields);
}
