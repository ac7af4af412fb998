/**
 * What the service itself says of commands: `/help`, and what may have been meant. Pure.
 *
 * @module
 */

import { type BotListed, isOptional, ProtocolError } from "../protocol/mod.ts";
import { suggestions } from "../protocol/nearest.ts";
import type { BotCommandSpec } from "../protocol/mod.ts";
import type { BotProfile } from "./bot_contract.ts";
import { usageOf } from "./bot_line.ts";

/** The name of the bot that the service itself is. */
export const HELP = "help";

const HELP_COMMAND: BotCommandSpec = {
  name: HELP,
  description: "Says which commands there are, or how one is used",
  args: [{ name: "command", type: "string", rest: true, optional: true, description: "A command, or a bot" }],
};

/** The service as a bot. */
export const HELP_PROFILE: BotProfile = { name: HELP, commands: [HELP_COMMAND] };

/** Longest answer, in characters. */
const MOST = 8000;

/** Every command, by bot and name. */
export function listed(bots: readonly BotProfile[]): BotListed[] {
  return [...bots, HELP_PROFILE].flatMap(({ name: bot, commands }) =>
    commands.map((command) => ({ ...command, bot, usage: usageOf(bot, command) }))
  ).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** The commands that begin with `prefix`, as they are typed; of one bot alone when it is given. */
export function matching(all: readonly BotListed[], prefix: string, bot?: string): BotListed[] {
  const begun = prefix.toLowerCase().replace(/^\//, "").trimStart();
  return all.filter((command) =>
    (bot === undefined || command.bot === bot) &&
    (keyOf(command).startsWith(begun) || command.name.startsWith(begun))
  );
}

/** The answer to `/help`, or to `/help WORDS`. */
export function helpText(bots: readonly BotProfile[], words: string): string {
  const asked = words.trim().toLowerCase().replace(/^\//, "").split(/\s+/);
  const all = listed(bots);
  if (asked[0] === "") {
    const lines = all.map(({ usage, description }) =>
      description === undefined ? usage : `${usage} - ${description}`
    );
    return cut(
      ["Commands:", ...lines, "/help COMMAND says more; // at the beginning sends a slash."].join("\n"),
    );
  }
  const [first, second] = asked;
  const exact = all.filter(({ bot, name }) =>
    second === undefined ? name === first : bot === first && name === second
  );
  const of = exact.length > 0 ? exact : all.filter(({ bot }) => bot === first && second === undefined);
  if (of.length > 0) {
    const about = bots.find(({ name }) => name === first)?.description;
    const parts = of.map(describe);
    return cut([...(exact.length > 0 || about === undefined ? [] : [about]), ...parts].join("\n"));
  }
  const near = suggestions(`/${asked.join(" ")}`, namesOf(all));
  return near.length === 0
    ? "There is no such command. /help says which there are."
    : `There is no such command. Did you mean ${orOf(near)}?`;
}

/** Refuses a name that nothing has, with those that are near. */
export function unknown(
  error: "unknown_bot" | "unknown_command",
  name: string,
  known: readonly string[],
): ProtocolError {
  const near = suggestions(name, known);
  const what = error === "unknown_bot" ? "no such bot is connected" : "no such command";
  if (near.length === 0) return new ProtocolError(error, what);
  return new ProtocolError(error, `${what}: did you mean ${orOf(near)}?`, { suggestions: near });
}

/** How commands are typed, without their arguments. */
export function namesOf(all: readonly BotListed[]): string[] {
  return all.flatMap(({ bot, name }) => bot === name ? [`/${name}`] : [`/${bot} ${name}`, `/${name}`]);
}

function describe({ usage, description, args = [] }: BotListed): string {
  const lines = args.map((arg) => {
    const { name, type, description, choices, default: fallback } = arg;
    const facts = [
      type === "string" ? undefined : type,
      isOptional(arg) ? "optional" : undefined,
      choices === undefined ? undefined : `one of ${choices.join(", ")}`,
      fallback === undefined ? undefined : `else ${fallback}`,
    ].filter((fact) => fact !== undefined);
    const said = description === undefined ? "" : `: ${description}`;
    return `  ${name}${facts.length === 0 ? "" : ` (${facts.join(", ")})`}${said}`;
  });
  return [description === undefined ? usage : `${usage} - ${description}`, ...lines].join("\n");
}

function keyOf({ bot, name }: { readonly bot: string; readonly name: string }): string {
  return bot === name ? name : `${bot} ${name}`;
}

function orOf(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

function cut(text: string): string {
  return text.length <= MOST ? text : `${text.slice(0, MOST)} ...`;
}
