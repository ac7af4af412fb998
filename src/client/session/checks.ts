/**
 * What fields of a payload may be, checked by hand: a page carries no schema library. `tests/client/payloads.test.ts`
 * holds these to the schemas of the protocol.
 *
 * @module
 */

/** Whether a value is what a field may be. */
export type Check = (value: unknown) => boolean;

/** Any text. */
export const text: Check = (value) => typeof value === "string";

/** 1 to `max` printable ASCII characters without spaces: ids, epochs, names. */
export const token = (max = 64): Check => (value) =>
  typeof value === "string" && value.length <= max && /^[\x21-\x7e]+$/.test(value);

/** `true` or `false`. */
export const flag: Check = (value) => typeof value === "boolean";

/** An integer from `min` to `max`. */
export const integer = (min = 0, max: number = Number.MAX_SAFE_INTEGER): Check => (value) =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;

/** An object or a list, whatever is in it. */
export const object: Check = (value) => typeof value === "object" && value !== null;

/** An array, whatever is in it. */
export const list: Check = (value) => Array.isArray(value);

/** `value`, or what `check` says. */
export const either = (value: unknown, check: Check): Check => (given) => given === value || check(given);

/** The same, or the field is absent. */
export const optional = (check: Check): Check => either(undefined, check);

/** An object whose fields have these names, and perhaps others. */
export const shape = (fields: Readonly<Record<string, Check>>): Check => (value) =>
  object(value) &&
  Object.keys(fields).every((name) => fields[name]!((value as Record<string, unknown>)[name]));

/** An object with any number of fields, all alike. */
export const record = (check: Check): Check => (value) =>
  object(value) && Object.values(value as object).every((each) => check(each));
