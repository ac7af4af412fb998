/**
 * Arguments of the command line: options of a command, settings as flags, and the rest.
 *
 * @module
 */

import { type Flags, isSwitch } from "../config/flags.ts";
import { nearest } from "../../protocol/nearest.ts";
import { settings, shapeAt } from "../config/shape.ts";

/** An option of a command. */
export interface Option {
  /** Without the dashes. */
  readonly name: string;
  /** What its value is called in the help; absent: the option is a switch. */
  readonly value?: string;
  readonly text: string;
}

/** The command line is wrong; the message is for whoever typed it. Ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What was given. */
export interface Arguments {
  /** Options of the command: text, or `true` for a switch. */
  readonly options: ReadonlyMap<string, string | true>;
  /** Settings, by dotted key. */
  readonly flags: Flags;
  /** What is no flag, in order. */
  readonly rest: readonly string[];
}

/** What `parseArguments` accepts. */
export interface Accepts {
  readonly options: readonly Option[];
  /** Whether settings may be given as flags. */
  readonly settings: boolean;
  /** How many arguments that are no flags there may be. */
  readonly rest: number;
  /** Whether a text that begins with a dash is an argument all the same: keys and hashes may. @default none is */
  readonly isArgument?: (text: string) => boolean;
}

/** The options every command has. */
export const HELP: Option = { name: "help", text: "Say how the command is used." };

function unknown(name: string, accepts: Accepts): UsageError {
  const names = accepts.options.map((option) => option.name);
  if (accepts.settings) names.push(...settings().map(({ key }) => key).filter((key) => !key.includes("[]")));
  const guess = nearest(name, names);
  return new UsageError(`--${name}: unknown option; did you mean --${guess}?`);
}

/**
 * Parses `--name value`, `--name=value`, `--switch` and `-h`. After `--` all is rest. Throws UsageError. An unknown
 * name with a dot is left to the configuration, which suggests the nearest one.
 */
export function parseArguments(args: readonly string[], accepts: Accepts): Arguments {
  const options = new Map<string, string | true>();
  const flags: Record<string, string | true> = Object.create(null);
  const rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (accepts.isArgument?.(arg)) {
      rest.push(arg);
      continue;
    }
    if (arg === "--") {
      rest.push(...args.slice(at + 1));
      break;
    }
    if (arg === "-h") {
      options.set(HELP.name, true);
      continue;
    }
    // A single dash means standard input.
    if (!arg.startsWith("-") || arg === "-") {
      rest.push(arg);
      continue;
    }
    if (!arg.startsWith("--")) throw new UsageError(`${arg}: unknown option; options begin with two dashes`);
    const equals = arg.indexOf("=");
    const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
    const given = equals < 0 ? undefined : arg.slice(equals + 1);
    const next = args[at + 1];
    const option = accepts.options.find((known) => known.name === name);
    if (option !== undefined) {
      if (option.value === undefined) {
        if (given !== undefined) throw new UsageError(`--${name}: takes no value`);
        options.set(name, true);
      } else if (given !== undefined) {
        options.set(name, given);
      } else if (next === undefined || (next.startsWith("--") && !accepts.isArgument?.(next))) {
        throw new UsageError(`--${name}: needs a value, ${option.value}`);
      } else {
        options.set(name, next);
        at++;
      }
      continue;
    }
    if (!accepts.settings || (!name.includes(".") && shapeAt([name]) === undefined)) {
      throw unknown(name, accepts);
    }
    if (given !== undefined) {
      flags[name] = given;
    } else if (
      isSwitch(name) ? next === "true" || next === "false" : next !== undefined && !next.startsWith("--")
    ) {
      flags[name] = next!;
      at++;
    } else {
      flags[name] = true;
    }
  }
  if (rest.length > accepts.rest && !options.has(HELP.name)) {
    throw new UsageError(`${JSON.stringify(rest[accepts.rest])}: unexpected argument`);
  }
  return { options, flags, rest };
}

/** Options as lines of a help text. */
export function describeOptions(options: readonly Option[]): string {
  const rows = options.map((
    { name, value, text },
  ) => [`  --${name}${value === undefined ? "" : ` ${value}`}`, text]);
  const width = Math.max(...rows.map(([left]) => left!.length)) + 2;
  return rows.map(([left, text]) => `${left!.padEnd(width)}${text}\n`).join("");
}
