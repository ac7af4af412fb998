/**
 * What a bot says of its commands: names, arguments in their order, and what each of them may be.
 *
 * @module
 */

import * as v from "valibot";
import { number, type Schema, shape, text } from "./fields.ts";

/**
 * What an argument is: any text, a number, a whole number, yes or no, the id of a user, the name of a channel.
 */
export const ARGUMENT_TYPES = ["string", "number", "integer", "boolean", "user", "channel"] as const;

/** The type of an argument. */
export type ArgumentType = typeof ARGUMENT_TYPES[number];

/** An argument of a command. */
export interface BotArgument {
  /** A letter, then letters, digits and `_`; at most 32. */
  name: string;
  type: ArgumentType;
  /** For people, at most 200 characters. */
  description?: string;
  /** It may be left out. After it there is none that may not. @default false */
  optional?: boolean;
  /** What it is when it is left out; then it is optional. */
  default?: string | number | boolean;
  /** It is one of these. */
  choices?: (string | number)[];
  /** Least number, or least length of a text. */
  min?: number;
  /** Greatest number, or greatest length of a text. */
  max?: number;
  /** The last one: all that is left of a typed line, as it stands. Only for `string`. @default false */
  rest?: boolean;
  /** The last one: a list of all words that are left. @default false */
  list?: boolean;
}

/** A command of a bot. */
export interface BotCommandSpec {
  /** A lower-case letter, then those, digits, `_` and `-`; at most 32. */
  name: string;
  /** For people, at most 200 characters. */
  description?: string;
  /** In the order in which they are typed; at most 16. @default none */
  args?: BotArgument[];
}

/** Commands that one bot may register. */
const MAX_COMMANDS = 64;
/** Arguments of one command. */
const MAX_ARGUMENTS = 16;
/** Choices of one argument. */
const MAX_CHOICES = 64;
/** Longest description, in characters. */
const MAX_DESCRIPTION = 200;

const COMMAND_RULE = "a lower-case letter, then those, digits, _ and -; at most 32";
const ARGUMENT_RULE = "a letter, then letters, digits and _; at most 32";

/** The schema of a description. */
export function descriptionField(): Schema<string> {
  return text(MAX_DESCRIPTION);
}

const scalar: Schema<string | number | boolean> = v.custom<string | number | boolean>(
  (value) =>
    (typeof value === "string" && value.length <= 256) || typeof value === "boolean" ||
    Number.isFinite(value),
  "a text of at most 256 characters, a number, true or false",
);

const choice: Schema<string | number> = v.custom<string | number>(
  (value) => (typeof value === "string" && value.length <= 64) || Number.isFinite(value),
  "texts of at most 64 characters, or numbers",
);

const bound = () => v.exactOptional(number(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER));
const yes = () => v.exactOptional(v.boolean("true or false"));

const argument: Schema<BotArgument> = v.pipe(
  shape({
    name: v.pipe(v.string(ARGUMENT_RULE), v.regex(/^[a-z][a-z0-9_]{0,31}$/i, ARGUMENT_RULE)),
    type: v.picklist(ARGUMENT_TYPES, `one of ${ARGUMENT_TYPES.join(", ")}`),
    description: v.exactOptional(descriptionField()),
    optional: yes(),
    default: v.exactOptional(scalar),
    choices: v.exactOptional(
      v.pipe(
        v.array(choice, "a list"),
        v.minLength(1, "at least one"),
        v.maxLength(MAX_CHOICES, `at most ${MAX_CHOICES}`),
      ),
    ),
    min: bound(),
    max: bound(),
    rest: yes(),
    list: yes(),
  }) as v.GenericSchema<unknown, BotArgument>,
  v.check(({ rest, type }) => rest !== true || type === "string", "rest: only for a string"),
  v.check(({ rest, list }) => !(rest === true && list === true), "either rest or list"),
  v.check(({ min = -Infinity, max = Infinity }) => min <= max, "min is above max"),
);

const commandSpec: Schema<BotCommandSpec> = v.pipe(
  shape({
    name: v.pipe(v.string(COMMAND_RULE), v.regex(/^[a-z][a-z0-9_-]{0,31}$/, COMMAND_RULE)),
    description: v.exactOptional(descriptionField()),
    args: v.exactOptional(
      v.pipe(v.array(argument, "a list"), v.maxLength(MAX_ARGUMENTS, `at most ${MAX_ARGUMENTS} arguments`)),
    ),
  }) as v.GenericSchema<unknown, BotCommandSpec>,
  v.check(({ args = [] }) => unique(args), "two arguments have one name"),
  v.check(
    ({ args = [] }) => args.slice(0, -1).every(({ rest, list }) => rest !== true && list !== true),
    "only the last argument takes the rest",
  ),
  v.check(
    ({ args = [] }) => args.every((arg, at) => at === 0 || isOptional(arg) || !isOptional(args[at - 1]!)),
    "an argument after an optional one is optional too",
  ),
);

/** The schema of a bot's commands. */
export function commandsField(): Schema<BotCommandSpec[]> {
  return v.pipe(
    v.array(commandSpec, "a list of commands"),
    v.maxLength(MAX_COMMANDS, `at most ${MAX_COMMANDS} commands`),
    v.check((commands: BotCommandSpec[]) => unique(commands), "two commands have one name"),
  );
}

/** The schema of one command with fields beside it. */
export function listedField<const E extends v.ObjectEntries>(entries: E): v.GenericSchema<unknown, unknown> {
  return v.intersect([commandSpec as v.GenericSchema<unknown, BotCommandSpec>, shape(entries)]);
}

/** Whether an argument may be left out. */
export function isOptional({ optional, default: fallback }: BotArgument): boolean {
  return optional === true || fallback !== undefined;
}

function unique(named: readonly { readonly name: string }[]): boolean {
  return new Set(named.map(({ name }) => name.toLowerCase())).size === named.length;
}
