/**
 * The effective configuration as text, each value with where it came from.
 *
 * @module
 */

import { isGroup, sourceOf } from "./layers.ts";
import type { Source } from "./problem.ts";
import { redacted } from "./redact.ts";
import type { Config } from "./schema.ts";
import { keyOf, type Path, shapeAt } from "./shape.ts";
import { formatDuration, formatSize } from "./units.ts";

/** One value of the effective configuration. */
export interface PrintedValue {
  readonly key: string;
  /** As it would be written in a file; secrets are replaced. */
  readonly value: unknown;
  readonly source: Source;
}

function written(value: unknown, path: Path): unknown {
  const kind = shapeAt(path)?.about?.kind;
  if (kind === "duration" && typeof value === "number") return formatDuration(value);
  if (kind === "size" && typeof value === "number") return formatSize(value);
  return redacted(value, path);
}

function collect(
  value: unknown,
  path: Path,
  sources: ReadonlyMap<string, Source>,
  into: PrintedValue[],
): void {
  if (isGroup(value)) {
    for (const [key, inner] of Object.entries(value)) collect(inner, [...path, key], sources, into);
    return;
  }
  const source = leafSource(path, sources);
  into.push({ key: keyOf(path), value: written(value, path), source });
}

/** Where one value came from. A setting that the file leaves out of a group is a default, though the group has a place. */
function leafSource(path: Path, sources: ReadonlyMap<string, Source>): Source {
  const source = sourceOf(sources, path);
  return source.layer === "file" && !sources.has(keyOf(path))
    ? { layer: "default", where: "default" }
    : source;
}

/** Every value in the order of the schema. */
export function printedValues(config: Config, sources: ReadonlyMap<string, Source>): readonly PrintedValue[] {
  const values: PrintedValue[] = [];
  collect(config, [], sources, values);
  return values;
}

/** `key = value  # source`, one line for each value. */
export function printConfig(config: Config, sources: ReadonlyMap<string, Source>): string {
  const rows = printedValues(config, sources).map(({ key, value, source }) => ({
    text: `${key} = ${JSON.stringify(value)}`,
    where: source.where,
  }));
  const width = Math.min(60, Math.max(...rows.map(({ text }) => text.length)));
  return rows.map(({ text, where }) => `${text.padEnd(width)}  # ${where}\n`).join("");
}
