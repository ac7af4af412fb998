/**
 * Layers of values, each over the one before, and where each value came from.
 *
 * @module
 */

import type { Source } from "./problem.ts";
import { keyOf, type Path, type Shape } from "./shape.ts";

/** A value that a variable or a flag gives. */
export interface Entry {
  readonly path: readonly string[];
  readonly value: unknown;
  readonly source: Source;
}

/** Merged layers, before validation. */
export interface Layers {
  readonly value: unknown;
  readonly sources: ReadonlyMap<string, Source>;
}

/** Whether a value is a JSON object. */
export function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Copies groups, not the values in them; the copies have no prototypes. */
function copy(value: unknown): unknown {
  if (!isGroup(value)) return value;
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, inner] of Object.entries(value)) object[key] = copy(inner);
  return object;
}

/** Sets `name` to `value`; two groups are merged, anything else is replaced. */
function put(
  group: Record<string, unknown>,
  name: string,
  value: unknown,
  path: Path,
  source: Source,
  sources: Map<string, Source>,
): void {
  const old = group[name];
  if (isGroup(old) && isGroup(value)) {
    for (const [key, inner] of Object.entries(value)) put(old, key, inner, [...path, key], source, sources);
    return;
  }
  group[name] = copy(value);
  const key = keyOf(path);
  for (const known of [...sources.keys()]) if (known.startsWith(`${key}.`)) sources.delete(known);
  sources.set(key, source);
}

/** Merges `entries`, in order, over `base`. */
export function overlay(base: Layers, entries: readonly Entry[]): Layers {
  // Validation refuses a file that is not an object; nothing can be merged into it.
  if (entries.length === 0 || !isGroup(base.value)) return base;
  const sources = new Map(base.sources);
  const root = copy(base.value) as Record<string, unknown>;
  for (const { path, value, source } of entries) {
    let group = root;
    for (const step of path.slice(0, -1)) {
      const next = group[step];
      if (isGroup(next)) {
        group = next;
      } else {
        const made: Record<string, unknown> = Object.create(null);
        group[step] = made;
        group = made;
      }
    }
    put(group, path.at(-1)!, value, path, source, sources);
  }
  return { value: root, sources };
}

/** Where the value at `path` came from: its own place, the nearest group around it, or `default`. */
export function sourceOf(sources: ReadonlyMap<string, Source>, path: Path): Source {
  for (let length = path.length; length >= 0; length--) {
    const source = sources.get(keyOf(path.slice(0, length)));
    if (source !== undefined) return source;
  }
  return { layer: "default", where: "default" };
}

/**
 * Turns the text of a variable or flag into the value a file would hold. A text that does not fit stays a text, and
 * validation refuses it with the message of the setting.
 */
export function coerce(text: string, shape: Shape): unknown {
  if (text === "null" && shape.nullable) return null;
  const kind = shape.about?.kind ?? "json";
  switch (kind) {
    case "duration":
      // A number without a unit stays a text, which validation refuses; 0 is 0 in every unit.
      return text === "0" ? 0 : text;
    case "number":
    case "size":
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    case "list":
      if (!text.startsWith("[")) {
        return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
      }
      break;
    case "json":
      break;
    default:
      return text;
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
