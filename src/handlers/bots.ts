/**
 * Bots: commands to them, what they answer, and what can be asked of them.
 *
 * @module
 */

import type { BotService } from "../hub/mod.ts";
import { matching } from "../hub/mod.ts";
import { type BotListed, parsePayload, ProtocolError } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";

/** Commands of one answer, unless less is asked for. */
const MOST_LISTED = 100;
/** Bytes of one answer, of the 64 KiB that every client takes. */
const MOST_BYTES = 48_000;

/** Routes of bots. */
export function botRoutes({ hub: { commands } }: HandlerParts): Route[] {
  return [
    {
      type: "bot_command",
      handler: ({ client, message: { id, payload }, lane }) =>
        commands.ask({ client, id, lane, ...parsePayload("bot_command", payload) }),
    },
    {
      type: "bot_response",
      handler: async (context) => {
        const { client, message: { id, re, payload } } = context;
        const { command = re, ...response } = parsePayload("bot_response", payload);
        if (command === undefined) throw new ProtocolError("bad_request", "re: the id of the command");
        context.reply("bot_taken", await commands.answers.respond(client, id, command, response));
      },
    },
    {
      type: "bot_register",
      handler: (context) => {
        const register = parsePayload("bot_register", context.message.payload);
        commands.directory.register(context.client, register);
        context.reply("bot_taken", {});
      },
    },
    {
      type: "bot_commands",
      handler: async (context) => {
        const asked = parsePayload("bot_commands", context.message.payload);
        context.reply("bot_listed", { ...await listing(commands, asked) });
      },
    },
  ];
}

async function listing(
  commands: BotService,
  { bot, prefix = "", limit = MOST_LISTED }: { bot?: string; prefix?: string; limit?: number },
): Promise<{ commands: BotListed[]; more: boolean }> {
  const all = matching(await commands.listed(), prefix, bot);
  const some: BotListed[] = [];
  let bytes = 0;
  for (const command of all.slice(0, limit)) {
    bytes += JSON.stringify(command).length * 3;
    if (bytes > MOST_BYTES) break;
    some.push(command);
  }
  return { commands: some, more: some.length < all.length };
}
