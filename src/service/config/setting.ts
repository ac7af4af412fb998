/**
 * The kinds of settings. Each has, beside its schema, the text for the documentation and for error messages, so that
 * documentation and checks cannot disagree.
 *
 * @module
 */

import * as v from "valibot";
import { formatDuration, formatSize, parseDuration, parseSize } from "./units.ts";

/** How a setting is written in an environment variable or a flag. */
export type Kind = "string" | "number" | "boolean" | "duration" | "size" | "material" | "list" | "json";

/** The description of a setting. */
export interface About {
  readonly kind: Kind;
  /** What the setting does; Markdown, one paragraph. */
  readonly text: string;
  /** The allowed values in words, for the message that refuses another. */
  readonly allowed: string;
  /** Its value is never shown. */
  readonly secret: boolean;
  /** A change needs a restart; all others apply to new connections at once. */
  readonly restart: boolean;
}

/** Optional properties of a setting. */
export interface Notes {
  readonly secret?: boolean;
  readonly restart?: boolean;
  readonly allowed?: string;
}

/** The key under which {@link About} stands in a schema's metadata. */
export const ABOUT = "skein";

/** Attaches the description to a schema. The result has no default. */
export function about<const S extends v.GenericSchema>(
  schema: S,
  kind: Kind,
  allowed: string,
  text: string,
  notes: Notes = {},
): v.SchemaWithPipe<readonly [S, v.MetadataAction<v.InferOutput<S>, { description: string; skein: About }>]> {
  const known: About = {
    kind,
    text,
    allowed: notes.allowed ?? allowed,
    secret: notes.secret ?? false,
    restart: notes.restart ?? false,
  };
  return v.pipe(schema, v.metadata({ description: text, [ABOUT]: known }));
}

/** A whole number in a range. */
export function integer(min: number, max: number, text: string, notes?: Notes) {
  const range = max === Number.MAX_SAFE_INTEGER
    ? `a whole number, ${min} or more`
    : `a whole number, ${min} to ${max}`;
  return about(
    v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max)),
    "number",
    range,
    text,
    notes,
  );
}

/** Any number in a range. */
export function fraction(min: number, max: number, text: string, notes?: Notes) {
  return about(
    v.pipe(v.number(), v.minValue(min), v.maxValue(max)),
    "number",
    `a number, ${min} to ${max}`,
    text,
    notes,
  );
}

/** A TCP or UDP port; 0 takes any free one. */
export function port(text: string, notes?: Notes) {
  return about(
    v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535)),
    "number",
    "a port, 0 to 65535 (0 takes any free one)",
    text,
    notes,
  );
}

/** `true` or `false`. */
export function flag(text: string, notes?: Notes) {
  return about(v.boolean(), "boolean", "true or false", text, notes);
}

/** One of some words. */
export function choice<const W extends readonly [string, ...string[]]>(
  words: W,
  text: string,
  notes?: Notes,
) {
  return about(
    v.picklist(words),
    "string",
    `one of ${words.map((word) => `"${word}"`).join(", ")}`,
    text,
    notes,
  );
}

/** Text that is not empty and has no control characters. */
export function text(allowed: string, doc: string, notes?: Notes) {
  const plain = v.regex(/^\P{Cc}+$/u);
  return about(v.pipe(v.string(), v.minLength(1), v.maxLength(4096), plain), "string", allowed, doc, notes);
}

/** A list of texts; `form` is what each must look like, any text without control characters when absent. */
export function list(allowed: string, text: string, notes?: Notes, form = /^\P{Cc}+$/u) {
  const item = v.pipe(v.string(), v.minLength(1), v.maxLength(4096), v.regex(form));
  return about(v.array(item), "list", allowed, text, notes);
}

/** A path, or PEM inline. */
export function material(what: string, text: string, notes?: Notes) {
  return about(
    v.pipe(
      v.string(),
      v.minLength(1),
      v.check((value) => value.includes("-----BEGIN ") || !/[\r\n\0]/.test(value)),
    ),
    "material",
    `${what}: a path, or PEM inline`,
    text,
    notes,
  );
}

/** An absolute URL of some schemes. */
export function url(schemes: readonly string[], text: string, notes?: Notes) {
  const allowed = `a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`;
  const fits = (value: string) =>
    URL.canParse(value) && schemes.includes(new URL(value).protocol.slice(0, -1));
  return about(v.pipe(v.string(), v.check(fits)), "string", allowed, text, notes);
}

function isBetween(value: number | undefined, min: number, max: number): boolean {
  return value !== undefined && Number.isSafeInteger(value) && value >= min && value <= max;
}

/**
 * A time: `"25s"`, `"10m"`, `"500ms"`. A number alone is refused, because seconds and milliseconds are easily mistaken;
 * only 0 needs no unit. Bounds are inclusive, in milliseconds.
 */
export function duration(min: number, max: number, text: string, notes?: Notes) {
  return about(
    v.pipe(
      v.union([v.pipe(v.string(), v.regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/)), v.literal(0)]),
      v.check((value) => isBetween(value === 0 ? 0 : parseDuration(value), min, max)),
      v.transform((value): number => value === 0 ? 0 : parseDuration(value)!),
    ),
    "duration",
    `a duration such as "10s", "5m" or "500ms", ${formatDuration(min)} to ${formatDuration(max)}`,
    text,
    notes,
  );
}

/** A number of bytes: `"64KiB"`, `"1MiB"` or bytes. Bounds are inclusive, in bytes. */
export function size(min: number, max: number, text: string, notes?: Notes) {
  return about(
    v.pipe(
      v.union([v.pipe(v.string(), v.regex(/^\d+(\.\d+)?(B|KB|MB|GB|KiB|MiB|GiB)$/)), v.number()]),
      v.check((value) => isBetween(typeof value === "string" ? parseSize(value) : value, min, max)),
      v.transform((value): number => typeof value === "string" ? parseSize(value)! : value),
    ),
    "size",
    `a size such as "64KiB", "1MiB" or bytes, ${formatSize(min)} to ${formatSize(max)}`,
    text,
    notes,
  );
}
