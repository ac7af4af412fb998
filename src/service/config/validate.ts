/**
 * Validates merged layers: the result is a configuration, or every problem with them.
 *
 * @module
 */

import * as v from "valibot";
import { isGroup, type Layers, sourceOf } from "./layers.ts";
import { nearest } from "../../protocol/nearest.ts";
import type { Problem } from "./problem.ts";
import { shown } from "./redact.ts";
import { violations } from "./rules.ts";
import { NAMESPACE } from "../hub/settings.ts";
import { type Config, ConfigSchema } from "./schema.ts";
import { keyOf, type Path, rootShape, settings, type Shape, shapeAt } from "./shape.ts";

/** Names that valibot leaves out silently, and that every ordinary object has. */
const UNUSABLE = new Set(["constructor", "prototype", "__proto__"]);

/** The key that an unknown one was meant to be: a sibling, or a setting elsewhere with exactly this name. */
function suggest(path: Path, shape: Shape): string {
  const name = String(path.at(-1));
  const group = path.slice(0, -1);
  const sibling = nearest(name, shape.fields.keys());
  const own = keyOf([...group, sibling ?? "<name>"]);
  if (sibling !== undefined && sibling.toLowerCase() === name.toLowerCase()) return own;
  const elsewhere = settings().map((setting) => setting.key)
    .filter((key) => key.split(".").at(-1)!.toLowerCase() === name.toLowerCase());
  return elsewhere.length > 0 ? elsewhere.slice(0, 3).join(" or ") : own;
}

/** A copy with known keys only; reports each unknown key, and lists in the place of groups. */
function prune(
  value: unknown,
  shape: Shape,
  path: Path,
  report: (path: Path, message: string) => void,
): unknown {
  if (Array.isArray(value)) {
    if (shape.item !== undefined) {
      return value.map((inner, index) => prune(inner, shape.item!, [...path, index], report));
    }
    if (shape.about !== undefined) return value;
    // The schema library takes a list for an object, and would accept it as an empty group.
    report(path, `a list is not allowed; must be ${allowed(shape)}`);
    return {};
  }
  if (!isGroup(value) || shape.about !== undefined) return value;
  const known: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    // Editors find the schema of a file by this key; it is no setting.
    if (key === "$schema" && path.length === 0) continue;
    const here = [...path, key];
    const field = shape.fields.get(key);
    if (field !== undefined) {
      known[key] = prune(inner, field, here, report);
    } else if (shape.rest === undefined) {
      report(here, `unknown key; did you mean ${suggest(here, shape)}?`);
    } else if (!NAMESPACE.test(key) || UNUSABLE.has(key)) {
      report(
        here,
        "not a name; must be a lower-case letter and up to 31 of a-z, 0-9, _ and -, but not constructor or prototype",
      );
    } else {
      known[key] = prune(inner, shape.rest, here, report);
    }
  }
  return known;
}

/** The allowed values at a place, in words. */
function allowed(shape: Shape | undefined): string {
  const words = shape?.about?.allowed ?? "an object";
  return shape?.nullable ? `${words}, or null` : words;
}

/** Whether a duration is a number alone. */
function lacksUnit(given: unknown, shape: Shape | undefined): boolean {
  if (shape?.about?.kind !== "duration" || given === 0) return false;
  const text = typeof given === "number" ? String(given) : given;
  return typeof text === "string" && /^\d+(\.\d+)?$/.test(text);
}

/** The place of an issue: the path of the setting, without the index in a simple list. */
function placeOf(issue: v.BaseIssue<unknown>): Path {
  const path: (string | number)[] = [];
  let shape: Shape | undefined = rootShape();
  for (const step of issue.path ?? []) {
    if (shape?.about !== undefined && shape.item === undefined) break;
    const key = typeof step.key === "number" ? step.key : String(step.key);
    shape = shapeAt([...path, key]);
    path.push(key);
  }
  return path;
}

function valueAt(value: unknown, path: Path): unknown {
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

/** Removes a wrong value, or the group around it when the value is required there, so that the rest can be checked. */
function remove(root: unknown, path: Path): void {
  for (let length = path.length; length > 0; length--) {
    if (shapeAt(path.slice(0, length))?.required !== false) continue;
    const group = valueAt(root, path.slice(0, length - 1));
    if (isGroup(group)) delete group[path[length - 1]!];
    return;
  }
}

/** Whether one of two keys is the other, or a group around it. */
function related(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);
}

/** The configuration when the layers are valid; else every problem, one for each wrong key. */
export function validate(
  layers: Layers,
  mode: string | undefined,
): { config: Config | undefined; problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const reported = new Set<string>(), wrong = new Set<string>();
  const report = (path: Path, message: string) => {
    const key = keyOf(path);
    if (reported.has(key)) return;
    reported.add(key);
    wrong.add(key);
    const { where, layer } = sourceOf(layers.sources, path);
    problems.push({ key, message, where: layer === "default" ? "" : where });
  };

  const value = prune(layers.value, rootShape(), [], (path, message) => {
    report(path, message);
    // The key it was meant to be counts as wrong too: a rule about it would report the same mistake again.
    const guess = nearest(String(path.at(-1)), shapeAt(path.slice(0, -1))?.fields.keys() ?? []);
    if (guess !== undefined) wrong.add(keyOf([...path.slice(0, -1), guess]));
  });

  let result = v.safeParse(ConfigSchema, value);
  // Each round removes wrong values. A value with a wrong value inside it may need a second round.
  for (let round = 0; !result.success && round < 4; round++) {
    for (const issue of result.issues) {
      const path = placeOf(issue), shape = shapeAt(path), given = valueAt(value, path);
      if (given === undefined) report(path, `missing; must be ${allowed(shape)}`);
      else if (lacksUnit(given, shape)) {
        report(path, `${shown(given, shape)} has no unit; write "${given}s" or "${given}ms"`);
      } else report(path, `${shown(given, shape)} is not allowed; must be ${allowed(shape)}`);
      remove(value, path);
    }
    result = v.safeParse(ConfigSchema, value);
  }
  if (!result.success) return { config: undefined, problems };

  for (const { key, message, keys } of violations(result.output, mode)) {
    if (keys.some((involved) => [...wrong].some((bad) => related(involved, bad)))) continue;
    const path = key.split(".").map((step) => /^\d+$/.test(step) ? Number(step) : step);
    const { where, layer } = sourceOf(layers.sources, path);
    problems.push({ key, message, where: layer === "default" ? "" : where });
  }
  return problems.length === 0 ? { config: result.output, problems } : { config: undefined, problems };
}
