/**
 * One log entry as one line.
 *
 * @module
 */

import type { Level } from "../../session/contract.ts";

/** An entry whose fields have been redacted. */
export interface Entry {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly level: Level;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** One JSON object: `time` (ISO 8601), `level`, `event`, then the fields. A field of one of these names gets an underscore. */
export function jsonLine({ time, level, event, fields }: Entry): string {
  const line: Record<string, unknown> = { time: new Date(time).toISOString(), level, event };
  for (const [key, value] of Object.entries(fields)) {
    line[key === "time" || key === "level" || key === "event" ? `${key}_` : key] = value;
  }
  return JSON.stringify(line);
}

const COLOR: Readonly<Record<Level, string>> = { debug: "90", info: "36", warn: "33", error: "31" };

/** With control characters and marks of direction a peer's text could move the cursor or forge lines. */
function visible(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`,
  );
}

function word(value: unknown): string {
  if (typeof value === "string") {
    return /^[^\s"=]+$/.test(value) ? visible(value) : visible(JSON.stringify(value));
  }
  return visible(JSON.stringify(value) ?? "undefined");
}

interface ErrorFields {
  readonly name: string;
  readonly message: string;
  readonly stack?: readonly string[];
  readonly cause?: unknown;
}

function isError(value: unknown): value is ErrorFields {
  return typeof value === "object" && value !== null && "name" in value && "message" in value;
}

function errorText(error: ErrorFields): string {
  const cause = isError(error.cause) ? `, caused by ${errorText(error.cause)}` : "";
  return `${visible(error.name)}: ${visible(error.message)}${cause}`;
}

/** `12:34:56.789 INFO  listening port=8080`; with `color`, ANSI colours. Stacks of errors follow on lines of their own. */
export function textLine({ time, level, event, fields }: Entry, color: boolean): string {
  const paint = (code: string, text: string) => color ? `\x1b[${code}m${text}\x1b[0m` : text;
  const parts = [
    paint("90", new Date(time).toISOString().slice(11, 23)),
    paint(COLOR[level], level.toUpperCase().padEnd(5)),
    visible(event),
  ];
  let stacks = "";
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (isError(value)) {
      parts.push(`${paint("90", `${visible(key)}=`)}${errorText(value)}`);
      for (const frame of value.stack ?? []) stacks += `\n    ${paint("90", visible(frame))}`;
    } else {
      parts.push(`${paint("90", `${visible(key)}=`)}${word(value)}`);
    }
  }
  return parts.join(" ") + stacks;
}
