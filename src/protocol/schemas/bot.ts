/**
 * Commands of bots: `bot_command` goes to whoever answers for the bot, `bot_response` back to the session that asked.
 *
 * @module
 */

import * as v from "valibot";
import { type BotCommandSpec, commandsField, descriptionField, listedField } from "./bot_spec.ts";
import {
  channelField,
  type Content,
  flag,
  integer,
  jsonField,
  number,
  offsetField,
  readContent,
  type Schema,
  type Schemas,
  shape,
  text,
  token,
  userIdField,
} from "./fields.ts";

/** Longest name of a bot or command, in characters. */
const MAX_BOT_NAME_LENGTH = 64;
/** Longest text of progress or of a failure, in characters. */
const MAX_SAID = 1024;

/** A command to a bot. Sent again with its id it is the same command, and what was said up to now is said again. */
export interface BotCommand {
  /** The bot's name: the `bot` claim of its token, or the name of a function. */
  bot: string;
  command: string;
  /** Any JSON value; an object by the names of the arguments when the bot has registered the command. @default {} */
  args: unknown;
  /** The conversation it is about, which the sender may read. */
  channel?: string;
  /**
   * It was given before, and so much of a streamed answer has been received: only what follows is said again.
   * @default it is given for the first time
   */
  since?: number;
}

/** A command as it is delivered to the bot. */
export interface BotCommandDelivery extends Omit<BotCommand, "since"> {
  /** The user id of the sender. */
  from: string;
  /** The session to answer: `to` of `bot_response`. */
  session: string;
}

/**
 * What is said of a command: the whole answer; a piece of one; how far it is; that the answer is in the channel; that there
 * is none; that all is done without one. All but `piece` and `progress` end the command, and so does a piece with `final`.
 */
export type ResponseKind = "answer" | "piece" | "progress" | "channel" | "failed" | "done";

const KINDS: readonly ResponseKind[] = ["answer", "piece", "progress", "channel", "failed", "done"];

/** What every kind of response may have. */
export interface BotSaid extends Content {
  /** @default "answer" */
  kind?: ResponseKind;
  /** Of a piece: how long the answer was before, in UTF-16 code units. */
  at?: number;
  /** Of a piece: nothing follows. */
  final?: "ended" | "failed";
  /** Of progress: the part that is done, 0 to 1. */
  done?: number;
  /** Of an answer in the channel: a message that is kept there already, in the place of a content. */
  offset?: number;
}

/** A bot's answer, or a part of it; `re` of its message is the `id` of the command. */
export interface BotResponse extends BotSaid {
  /** The `session` of the command. */
  to: string;
  /** The id of the command, of a client that sets no `re`. @default `re` */
  command?: string;
}

/** Why there is no answer: the bot says so, took too long, has gone, or said more than an answer may hold. */
export type FailureReason = "refused" | "timeout" | "bot_gone" | "too_large";

const REASONS = ["refused", "timeout", "bot_gone", "too_large"] as const;

/** An answer as it is delivered; `re` of its message is the `id` of the command. */
export interface BotResponseDelivery extends BotSaid {
  kind: ResponseKind;
  bot: string;
  /** The bot's user id; the bot's name when it is no user. */
  from: string;
  command: string;
  /** Of an answer in the channel: which one. */
  channel?: string;
  /** Of `failed`. */
  reason?: FailureReason;
}

/** A response was taken, or what a bot says of itself. */
export interface BotTaken {
  /** Of a streamed answer: how much of it the service has. */
  length?: number;
  /** Of an answer in the channel: its place. */
  offset?: number;
}

/** What a bot says of itself. A later one takes the place of an earlier one. */
export interface BotRegister {
  description?: string;
  /** At most 64, and 16 KiB as JSON. */
  commands: BotCommandSpec[];
}

/** Asks which commands there are. */
export interface BotCommands {
  /** Of this bot alone. @default of all */
  bot?: string;
  /** Those whose name, or whose bot's name, begins so. @default all */
  prefix?: string;
  /** @default 100 */
  limit?: number;
}

/** A command and whose it is. */
export interface BotListed extends BotCommandSpec {
  bot: string;
  /** How it is typed, with its arguments: `/poll start <question> [options...]`. */
  usage: string;
}

/** Commands, in the order of their names. */
export interface BotList {
  commands: BotListed[];
  /** There are others. */
  more: boolean;
}

const name = () => token(MAX_BOT_NAME_LENGTH);

const COMMAND = {
  bot: name(),
  command: name(),
  args: v.optional(jsonField(), () => ({})),
  channel: v.exactOptional(channelField()),
} as const;

const botCommand: Schema<BotCommand> = shape({ ...COMMAND, since: v.exactOptional(integer(0)) });

const botCommandDelivery: Schema<BotCommandDelivery> = shape({
  ...COMMAND,
  from: userIdField(),
  session: token(64),
});

const KIND = v.picklist(KINDS, `one of ${KINDS.join(", ")}`);

const SAID = {
  at: v.exactOptional(integer(0)),
  final: v.exactOptional(v.picklist(["ended", "failed"], "ended or failed")),
  done: v.exactOptional(number(0, 1)),
  offset: v.exactOptional(offsetField()),
  text: v.exactOptional(v.unknown()),
  data: v.exactOptional(v.unknown()),
  bytes: v.exactOptional(v.unknown()),
} as const;

/** The fields that each kind has, beside those of every message: what else is said is left out. */
function readSaid(said: Record<string, unknown>): Record<string, unknown> | string {
  const { kind = "answer", at, final, done, offset, text, data, bytes, ...others } = said;
  const isNone = text === undefined && data === undefined;
  if (kind === "progress" || kind === "failed" || kind === "done") {
    if (text !== undefined && (typeof text !== "string" || text.length > MAX_SAID)) {
      return `text: at most ${MAX_SAID} characters`;
    }
    if (kind === "done") return { ...others, kind };
    const more = text === undefined ? {} : { text };
    return kind === "progress" && done !== undefined
      ? { ...others, kind, done, ...more }
      : { ...others, kind, ...more };
  }
  if (kind === "channel" && (offset !== undefined || isNone)) {
    return offset === undefined ? "offset, text or data" : { ...others, kind, offset };
  }
  const content = readContent({ text, data, bytes });
  if (typeof content === "string") return content;
  if (kind !== "piece") return { ...others, kind, ...content };
  if (typeof content.text !== "string") return "text: of a piece";
  if (at === undefined) return "at: missing";
  return final === undefined
    ? { ...others, kind, at, ...content }
    : { ...others, kind, at, final, ...content };
}

/** Fields by kind, beside `entries`. */
function response<const E extends v.ObjectEntries>(entries: E): v.GenericSchema<unknown, unknown> {
  return v.pipe(
    shape({ ...entries, ...SAID }) as v.GenericSchema<unknown, Record<string, unknown>>,
    v.rawTransform<Record<string, unknown>, Record<string, unknown>>(({ dataset, addIssue, NEVER }) => {
      const read = readSaid(dataset.value);
      if (typeof read !== "string") return read;
      addIssue({ message: read });
      return NEVER;
    }),
  );
}

const botResponse = response({
  to: token(64),
  command: v.exactOptional(token(64)),
  kind: v.exactOptional(KIND),
}) as Schema<BotResponse>;

const botResponseDelivery = response({
  bot: name(),
  from: userIdField(),
  command: name(),
  kind: KIND,
  channel: v.exactOptional(channelField()),
  reason: v.exactOptional(v.picklist(REASONS, `one of ${REASONS.join(", ")}`)),
}) as Schema<BotResponseDelivery>;

const botTaken: Schema<BotTaken> = shape({
  length: v.exactOptional(integer(0)),
  offset: v.exactOptional(offsetField()),
});

const botRegister: Schema<BotRegister> = shape({
  description: v.exactOptional(descriptionField()),
  commands: commandsField(),
});

const botCommands: Schema<BotCommands> = shape({
  bot: v.exactOptional(name()),
  prefix: v.exactOptional(text(MAX_BOT_NAME_LENGTH)),
  limit: v.exactOptional(integer(1, 1000)),
});

const botList: Schema<BotList> = shape({
  commands: v.array(listedField({ bot: name(), usage: text(4096) }) as Schema<BotListed>),
  more: flag(),
});

/** What a client sends. */
export interface BotClientPayloads {
  bot_command: BotCommand;
  bot_response: BotResponse;
  bot_register: BotRegister;
  bot_commands: BotCommands;
}

/** Its schemas. */
export const BOT_CLIENT: Schemas<BotClientPayloads> = {
  bot_command: botCommand,
  bot_response: botResponse,
  bot_register: botRegister,
  bot_commands: botCommands,
};

/** What a server sends. */
export interface BotServerPayloads {
  bot_command: BotCommandDelivery;
  bot_response: BotResponseDelivery;
  bot_taken: BotTaken;
  bot_listed: BotList;
}

/** Its schemas. */
export const BOT_SERVER: Schemas<BotServerPayloads> = {
  bot_command: botCommandDelivery,
  bot_response: botResponseDelivery,
  bot_taken: botTaken,
  bot_listed: botList,
};
