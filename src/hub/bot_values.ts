/**
 * Whether a value is what an argument may be. Pure.
 *
 * @module
 */

import { type ArgumentType, type BotArgument, isChannel, isUserId } from "../protocol/mod.ts";

/** What an argument is, or why it cannot be. */
export type Fitted = { readonly value: unknown } | { readonly wrong: string };

const TYPES: Readonly<Record<ArgumentType, { is: (value: unknown) => boolean; says: string }>> = {
  string: { is: (value) => typeof value === "string", says: "a text" },
  number: { is: Number.isFinite, says: "a number" },
  integer: { is: Number.isSafeInteger, says: "a whole number" },
  boolean: { is: (value) => typeof value === "boolean", says: "yes or no" },
  user: { is: (value) => typeof value === "string" && isUserId(value), says: "a user" },
  channel: { is: (value) => typeof value === "string" && isChannel(value), says: "a channel" },
};

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i;
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["yes", true],
  ["on", true],
  ["1", true],
  ["false", false],
  ["no", false],
  ["off", false],
  ["0", false],
]);

/** Checks a value; `typed`: it is a text that somebody typed, or a list of them. */
export function fit(spec: BotArgument, value: unknown, typed: boolean): Fitted {
  if (spec.list !== true) return fitOne(spec, value, typed);
  if (!Array.isArray(value)) return { wrong: "a list" };
  const list: unknown[] = [];
  for (const each of value) {
    const fitted = fitOne(spec, each, typed);
    if ("wrong" in fitted) return fitted;
    list.push(fitted.value);
  }
  return list.length === 0 && spec.optional !== true ? { wrong: "at least one" } : { value: list };
}

function fitOne({ type, choices, min, max }: BotArgument, given: unknown, typed: boolean): Fitted {
  const value = typed ? readTyped(type, given as string) : given;
  const { is, says } = TYPES[type];
  if (!is(value)) return { wrong: says };
  if (choices !== undefined) {
    const chosen = choices.find((choice) =>
      choice === value || (typed && String(choice).toLowerCase() === String(value).toLowerCase())
    );
    return chosen === undefined ? { wrong: `one of ${choices.join(", ")}` } : { value: chosen };
  }
  const isText = typeof value === "string";
  const size = isText ? value.length : typeof value === "number" ? value : undefined;
  const unit = isText ? " characters" : "";
  if (size !== undefined && min !== undefined && size < min) return { wrong: `at least ${min}${unit}` };
  if (size !== undefined && max !== undefined && size > max) return { wrong: `at most ${max}${unit}` };
  return { value };
}

/** What somebody meant by a word; undefined: nothing of this type. */
function readTyped(type: ArgumentType, word: string): unknown {
  switch (type) {
    case "number":
    case "integer":
      return NUMBER.test(word) ? Number(word) : undefined;
    case "boolean":
      return BOOLEANS.get(word.toLowerCase());
    case "user":
      return word.startsWith("@") ? word.slice(1) : word;
    case "channel":
      return word.startsWith("#") ? word.slice(1) : word;
    default:
      return word;
  }
}
