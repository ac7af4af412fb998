/**
 * Typed commands: `/poll start "Lunch?" tea coffee`. Pure.
 *
 * @module
 */

import type { BotArgument, BotCommandSpec } from "../protocol/mod.ts";
import { isOptional } from "../protocol/mod.ts";
import { fit } from "./bot_values.ts";

/** What a message that begins with a slash is. */
export type Line =
  /** A command: its first word in lower case, and what follows as it stands. */
  | { readonly word: string; readonly rest: string }
  /** A message that begins with a slash: one slash was taken away. */
  | { readonly text: string };

const COMMAND = /^\/([a-z][a-z0-9_-]{0,31})(?=\s|$)/i;
const ESCAPED = /^\/\/+[a-z][a-z0-9_-]{0,31}(?=\s|$)/i;

/** What a message says to bots; undefined: it is a message like others, `/etc/passwd` too. */
export function readLine(text: string): Line | undefined {
  const command = COMMAND.exec(text);
  if (command !== null) {
    return { word: command[1]!.toLowerCase(), rest: text.slice(command[0].length).trim() };
  }
  return ESCAPED.test(text) ? { text: text.slice(1) } : undefined;
}

/** A word of a line. */
export interface Word {
  /** Without its quotes. */
  readonly text: string;
  /** Where it begins in the line. */
  readonly start: number;
  /** Where its value begins in `text` and in the line when it is `name=value`; undefined: it is no such word. */
  readonly name: string | undefined;
}

/** Quotes that open, and what closes them: telephones make curly ones of straight ones. */
const QUOTES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["'", "'"],
  ["\u201c", "\u201d"],
  ["\u201e", "\u201c"],
  ["\u2018", "\u2019"],
]);
const NAMED = /^([a-z][a-z0-9_]{0,31})=/i;

/**
 * The words of a line. Quotes hold a word together where they begin a word or a value (`name="a b"`), so that `don't` is
 * one word; a backslash takes the next character as it is. A text: why it cannot be read.
 *
 * Exported for tests.
 */
export function wordsOf(line: string): Word[] | string {
  const words: Word[] = [];
  let at = 0;
  while (true) {
    while (at < line.length && /\s/.test(line[at]!)) at++;
    if (at === line.length) return words;
    const start = at;
    const name = NAMED.exec(line.slice(at, at + 40))?.[1];
    let text = "";
    if (name !== undefined) {
      text = line.slice(at, at + name.length + 1);
      at += name.length + 1;
    }
    let close = QUOTES.get(line[at] ?? "");
    if (close !== undefined) at++;
    while (at < line.length && (close !== undefined || !/\s/.test(line[at]!))) {
      const character = line[at++]!;
      if (character === "\\" && at < line.length) text += line[at++]!;
      else if (character === close) {
        close = undefined;
        break;
      } else text += character;
    }
    if (close !== undefined) return "a quote is not closed";
    // What follows a closing quote without a space belongs to the word.
    while (at < line.length && !/\s/.test(line[at]!)) text += line[at++]!;
    words.push({ text, start, name });
  }
}

/** Arguments by name, or why they do not fit. */
export type Arguments = { readonly args: Record<string, unknown> } | { readonly wrong: string };

/** Reads the arguments of a command from a typed line. */
export function readArguments({ args: specs = [] }: BotCommandSpec, line: string): Arguments {
  const words = wordsOf(line);
  if (typeof words === "string") return { wrong: words };
  const given = new Map<BotArgument, unknown>();
  const open = [...specs];
  for (let at = 0; at < words.length; at++) {
    const { text, start, name } = words[at]!;
    const named = name === undefined
      ? undefined
      : open.find((spec) => spec.name.toLowerCase() === name.toLowerCase() && spec.rest !== true);
    if (named !== undefined && named.list !== true) {
      given.set(named, text.slice(name!.length + 1));
      open.splice(open.indexOf(named), 1);
      continue;
    }
    const next = open[0];
    if (next === undefined) return { wrong: "more arguments than the command has" };
    if (next.rest === true) {
      given.set(next, line.slice(start).trim());
      break;
    }
    if (next.list === true) {
      const list = given.get(next) as string[] | undefined;
      if (list === undefined) given.set(next, [text]);
      else list.push(text);
      continue;
    }
    given.set(next, text);
    open.shift();
  }
  return check(specs, (spec) => given.get(spec), true);
}

/** Checks arguments that came by name, and fills in defaults. */
export function checkArguments({ args: specs = [] }: BotCommandSpec, given: unknown): Arguments {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return { wrong: "args: an object by the names of the arguments" };
  }
  const byName = given as Record<string, unknown>;
  const known = new Set(specs.map(({ name }) => name));
  if (Object.keys(byName).some((name) => !known.has(name))) {
    return { wrong: `args: the command has ${[...known].join(", ") || "no arguments"}` };
  }
  return check(specs, ({ name }) => Object.hasOwn(byName, name) ? byName[name] : undefined, false);
}

function check(
  specs: readonly BotArgument[],
  valueOf: (spec: BotArgument) => unknown,
  typed: boolean,
): Arguments {
  const args: Record<string, unknown> = {};
  for (const spec of specs) {
    const value = valueOf(spec);
    if (value === undefined) {
      if (!isOptional(spec)) return { wrong: `${spec.name}: missing` };
      if (spec.default !== undefined) args[spec.name] = spec.default;
      continue;
    }
    const fitted = fit(spec, value, typed);
    if ("wrong" in fitted) return { wrong: `${spec.name}: ${fitted.wrong}` };
    args[spec.name] = fitted.value;
  }
  return { args };
}

/** How a command is typed: `/poll start <question> [options...]`. `bot` is left out when it is the command's name. */
export function usageOf(bot: string, { name, args = [] }: BotCommandSpec): string {
  const words = args.map((spec) => {
    const inner = spec.choices !== undefined && spec.choices.length <= 5
      ? spec.choices.join("|")
      : `${spec.name}${spec.list === true ? "..." : ""}`;
    return isOptional(spec) ? `[${inner}]` : `<${inner}>`;
  });
  return [bot === name ? `/${bot}` : `/${bot} ${name}`, ...words].join(" ");
}
