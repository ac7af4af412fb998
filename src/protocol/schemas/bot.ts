/**
 * `bot_command` goes to a connection of the bot, `bot_response` back to the session that sent the command.
 *
 * @module
 */

import * as v from "valibot";
import {
  channelField,
  type Content,
  jsonField,
  saying,
  type Schema,
  type Schemas,
  shape,
  token,
  userIdField,
} from "./fields.ts";

/** Longest name of a bot or command, in characters. */
const MAX_BOT_NAME_LENGTH = 64;

/** A command to a bot. */
export interface BotCommand {
  /** The bot's name: the `bot` claim of its token. */
  bot: string;
  command: string;
  /** Any JSON value. @default {} */
  args: unknown;
  /** The conversation it is about. */
  channel?: string;
}

/** A command as it is delivered to the bot. */
export interface BotCommandDelivery extends BotCommand {
  /** The user id of the sender. */
  from: string;
  /** The session to answer: `to` of `bot_response`. */
  session: string;
}

/** A bot's answer; `re` of its message is the `id` of the command. */
export interface BotResponse extends Content {
  /** The `session` of the command. */
  to: string;
  command?: string;
}

/** An answer as it is delivered; `re` of its message is the `id` of the command. */
export interface BotResponseDelivery extends Content {
  bot: string;
  /** The bot's user id. */
  from: string;
  command?: string;
}

const name = () => token(MAX_BOT_NAME_LENGTH);

const COMMAND = {
  bot: name(),
  command: name(),
  args: v.optional(jsonField(), () => ({})),
  channel: v.exactOptional(channelField()),
} as const;

const botCommand: Schema<BotCommand> = shape(COMMAND);

const botCommandDelivery: Schema<BotCommandDelivery> = shape({
  ...COMMAND,
  from: userIdField(),
  session: token(64),
});

const botResponse: Schema<BotResponse> = saying({
  to: token(64),
  command: v.exactOptional(name()),
});

const botResponseDelivery: Schema<BotResponseDelivery> = saying({
  bot: name(),
  from: userIdField(),
  command: v.exactOptional(name()),
});

/** What a client sends. */
export interface BotClientPayloads {
  bot_command: BotCommand;
  bot_response: BotResponse;
}

/** Its schemas. */
export const BOT_CLIENT: Schemas<BotClientPayloads> = {
  bot_command: botCommand,
  bot_response: botResponse,
};

/** What a server sends. */
export interface BotServerPayloads {
  bot_command: BotCommandDelivery;
  bot_response: BotResponseDelivery;
}

/** Its schemas. */
export const BOT_SERVER: Schemas<BotServerPayloads> = {
  bot_command: botCommandDelivery,
  bot_response: botResponseDelivery,
};
