/**
 * The schema as a tree of settings, for validation, environment variables, flags and documentation.
 *
 * @module
 */

import type * as v from "valibot";
import { ConfigSchema } from "./schema.ts";
import { ABOUT, type About } from "./setting.ts";

/** A place in a configuration. */
export type Path = readonly (string | number)[];

/** What is allowed at one place. */
export interface Shape {
  /** Present at settings, absent at the groups around them. */
  readonly about: About | undefined;
  /** As it is written in a file; `undefined` when there is none. */
  readonly fallback: unknown;
  /** It must be given when the group around it is. */
  readonly required: boolean;
  readonly nullable: boolean;
  /** Members of a group; empty otherwise. */
  readonly fields: ReadonlyMap<string, Shape>;
  /** Members of a group whose names users choose. */
  readonly rest: Shape | undefined;
  /** Items of a list of groups. */
  readonly item: Shape | undefined;
}

/** A setting with its full name. */
export interface Setting extends Shape {
  /** Dotted, with `<name>` where the user chooses one: `namespaces.<name>.historySize`. */
  readonly key: string;
  readonly about: About;
}

/** The parts of a valibot schema that are read here. */
interface Inside {
  readonly type: string;
  readonly wrapped?: Inside;
  readonly default?: unknown;
  readonly entries?: Readonly<Record<string, Inside>>;
  readonly rest?: Inside;
  readonly item?: Inside;
  readonly pipe?: readonly { readonly kind: string; readonly metadata?: Readonly<Record<string, unknown>> }[];
}

function shapeOf(schema: Inside, fallback?: unknown, required = true, nullable = false): Shape {
  if (schema.type === "optional") return shapeOf(schema.wrapped!, schema.default, false, nullable);
  if (schema.type === "exact_optional") return shapeOf(schema.wrapped!, undefined, false, nullable);
  if (schema.type === "nullable") return shapeOf(schema.wrapped!, fallback, required, true);
  const note = schema.pipe?.find((part) => part.kind === "metadata")?.metadata?.[ABOUT];
  const fields = new Map<string, Shape>();
  for (const [key, entry] of Object.entries(schema.entries ?? {})) fields.set(key, shapeOf(entry));
  const item = schema.item?.entries === undefined ? undefined : shapeOf(schema.item);
  return {
    about: note as About | undefined,
    fallback,
    required,
    nullable,
    fields,
    rest: schema.rest?.entries === undefined ? undefined : shapeOf(schema.rest),
    item,
  };
}

let root: Shape | undefined;

/** The whole configuration. Made at first use. */
export function rootShape(): Shape {
  return root ??= shapeOf(ConfigSchema as unknown as Inside & v.GenericSchema);
}

/** What is allowed at `path`; `undefined` where nothing is. */
export function shapeAt(path: Path): Shape | undefined {
  let shape: Shape | undefined = rootShape();
  for (const step of path) {
    if (shape === undefined) return undefined;
    shape = typeof step === "number" ? shape.item : shape.fields.get(step) ?? shape.rest;
  }
  return shape;
}

/** The dotted name of a place; the root is `(root)`. */
export function keyOf(path: Path): string {
  return path.length === 0 ? "(root)" : path.join(".");
}

/** Whether there is a secret at a place or below it. */
export function holdsSecret(shape: Shape): boolean {
  if (shape.about?.secret) return true;
  if (shape.item !== undefined && holdsSecret(shape.item)) return true;
  for (const field of shape.fields.values()) if (holdsSecret(field)) return true;
  return shape.rest !== undefined && holdsSecret(shape.rest);
}

function collect(shape: Shape, key: string, into: Setting[]): void {
  if (shape.about !== undefined) into.push({ ...shape, key, about: shape.about });
  const prefix = key === "" ? "" : `${key}.`;
  for (const [name, field] of shape.fields) collect(field, prefix + name, into);
  if (shape.rest !== undefined) collect(shape.rest, `${prefix}<name>`, into);
  if (shape.item !== undefined) collect(shape.item, `${key}[]`, into);
}

let all: readonly Setting[] | undefined;

/** Every setting, in the order of the schema. */
export function settings(): readonly Setting[] {
  if (all === undefined) {
    const found: Setting[] = [];
    collect(rootShape(), "", found);
    all = found;
  }
  return all;
}
