/**
 * Which command a typed line means. Pure.
 *
 * @module
 */

import type { BotCommandSpec } from "../protocol/mod.ts";
import { ProtocolError } from "../protocol/mod.ts";
import type { BotProfile } from "./bot_contract.ts";
import { HELP, HELP_PROFILE, listed, namesOf, unknown } from "./bot_help.ts";
import { type Arguments, readArguments, usageOf } from "./bot_line.ts";

/** A command that was typed, its arguments read. */
export interface Typed {
  readonly bot: string;
  readonly command: string;
  readonly args: Record<string, unknown>;
}

/**
 * Finds the command: `/poll start ...` is the command `start` of the bot `poll`; `/start ...` the same while no other bot
 * has a `start`; `/poll ...` the command `poll` of the bot `poll`. Undefined: there is none of that name. Throws
 * ProtocolError `unknown_command` for a bot without such a command and for a name that several bots have, and
 * `bad_arguments`.
 */
export function findTyped(bots: readonly BotProfile[], word: string, rest: string): Typed | undefined {
  const all = [...bots.filter(({ name }) => name !== HELP), HELP_PROFILE];
  const bot = all.find(({ name }) => name === word);
  if (bot !== undefined) {
    const [first = ""] = rest.split(/\s/, 1);
    const named = bot.commands.find(({ name }) => name === first.toLowerCase());
    if (named !== undefined && bot.name !== HELP) {
      return read(bot.name, named, rest.slice(first.length).trim());
    }
    const own = bot.commands.find(({ name }) => name === word);
    if (own !== undefined) return read(bot.name, own, rest);
    if (first === "") return { bot: HELP, command: HELP, args: { command: word } };
    throw unknown("unknown_command", `/${word} ${first}`, namesOf(listed([bot])));
  }
  const having = all.flatMap(({ name: bot, commands }) =>
    commands.filter(({ name }) => name === word).map((command) => ({ bot, command }))
  );
  if (having.length > 1) {
    const names = having.map(({ bot }) => `/${bot} ${word}`);
    throw new ProtocolError("unknown_command", `several bots have it: ${names.slice(0, 5).join(", ")}`, {
      suggestions: names.slice(0, 5),
    });
  }
  const [one] = having;
  return one === undefined ? undefined : read(one.bot, one.command, rest);
}

/** No bot has the command. */
export function refuseTyped(bots: readonly BotProfile[], word: string): ProtocolError {
  return unknown("unknown_command", `/${word}`, namesOf(listed(bots)));
}

/** The arguments, or the error that they do not fit, with how the command is used. Throws ProtocolError `bad_arguments`. */
export function argumentsOf(bot: string, spec: BotCommandSpec, read: Arguments): Record<string, unknown> {
  if ("args" in read) return read.args;
  throw new ProtocolError("bad_arguments", `${read.wrong}. Usage: ${usageOf(bot, spec)}`.slice(0, 1000));
}

function read(bot: string, spec: BotCommandSpec, line: string): Typed {
  return { bot, command: spec.name, args: argumentsOf(bot, spec, readArguments(spec, line)) };
}
