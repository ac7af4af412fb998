/**
 * What changed between two configurations.
 *
 * @module
 */

import { isGroup } from "./layers.ts";
import type { Config } from "./schema.ts";
import { shapeAt } from "./shape.ts";

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => same(item, b[index]));
  }
  if (!isGroup(a) || !isGroup(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

function walk(a: unknown, b: unknown, key: string, into: string[]): void {
  if (same(a, b)) return;
  if (!isGroup(a) || !isGroup(b)) {
    into.push(key);
    return;
  }
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    walk(a[name], b[name], key === "" ? name : `${key}.${name}`, into);
  }
}

/** Dotted keys whose values differ, a list as a whole; empty when nothing changed. */
export function diffConfig(a: Config, b: Config): string[] {
  const changed: string[] = [];
  walk(a, b, "", changed);
  return changed;
}

/** Whether a change of this key takes effect only after a restart. */
export function needsRestart(key: string): boolean {
  return shapeAt(key.split("."))?.about?.restart === true;
}
