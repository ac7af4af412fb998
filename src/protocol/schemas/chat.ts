/**
 * `chat_message` -> `message_ack`, and its delivery.
 *
 * @module
 */

import * as v from "valibot";
import { isChannel } from "../channel.ts";
import { ProtocolError } from "../errors.ts";
import type { Payload } from "../message.ts";
import { isPriorityName } from "../priority.ts";
import {
  AFTER_RULE,
  channelField,
  type Content,
  epochField,
  flag,
  isAfter,
  offsetField,
  ORDERED,
  type Ordered,
  PRIORITISED,
  type Prioritised,
  PRIORITY_RULE,
  readContent,
  saying,
  type Schema,
  type Schemas,
  shape,
  token,
  userIdField,
} from "./fields.ts";

/** A message to a channel. */
export interface ChatMessage extends Content, Ordered, Prioritised {
  channel: string;
  /** It grows by `message_append`: its content is a text, or a list. */
  stream?: true;
}

/** The message is committed. */
export interface MessageAck {
  channel: string;
  offset: number;
  epoch: string;
  /** The id was known: `offset` is that of the first message with it, and nothing new was kept. */
  duplicate: boolean;
  /**
   * The message was a typed command and is not kept: `offset` is 0, and the bot's `bot_response` follows with the
   * message's id as its `re`.
   */
  command?: { bot: string; command: string };
}

/** A kept message as it is delivered to subscribers of its channel. */
export interface Delivery extends Content, Prioritised {
  channel: string;
  /** The sender's user id. */
  from: string;
  offset: number;
  /** The offset of the message before it in this channel; 0: it is the first one. */
  prev: number;
  /** It was edited before this delivery: the offset of the last edit, whose content it has. */
  edited?: number;
  /** It was deleted before this delivery: the offset of the deletion; `data` is null. */
  deleted?: number;
  /** It is streamed: `open` while it may grow. */
  stream?: StreamState;
}

/** How a streamed message stands: its sender goes on, has said all, gave up, or was not heard of for too long. */
export type StreamState = "open" | "ended" | "failed" | "interrupted";

const STREAM_STATES = ["open", "ended", "failed", "interrupted"] as const;

/** The schema of `stream` of what is kept. */
export function streamField(): Schema<StreamState> {
  return v.picklist(STREAM_STATES, `one of ${STREAM_STATES.join(", ")}`);
}

const STREAM_RULE = "stream: true, with a text or a list as content";

/** `parseChat` checks the same, faster. */
const chatMessage: Schema<ChatMessage> = v.pipe(
  saying({
    channel: channelField(),
    stream: v.exactOptional(v.literal(true, "true")),
    ...ORDERED,
    ...PRIORITISED,
  }) as v.GenericSchema<unknown, ChatMessage>,
  v.check(({ stream, text, data }) => !stream || text !== undefined || Array.isArray(data), STREAM_RULE),
);

const messageAck: Schema<MessageAck> = shape({
  channel: channelField(),
  offset: offsetField(),
  epoch: epochField(),
  duplicate: flag(),
  command: v.exactOptional(shape({ bot: token(64), command: token(64) })),
});

/** The fields that every delivery has. */
export const DELIVERY = {
  channel: channelField(),
  from: userIdField(),
  offset: offsetField(),
  prev: offsetField(),
  ...PRIORITISED,
} as const;

const chatDelivery: Schema<Delivery> = saying({
  ...DELIVERY,
  edited: v.exactOptional(offsetField()),
  deleted: v.exactOptional(offsetField()),
  stream: v.exactOptional(streamField()),
});

/** Checks `chat_message`; written by hand because it runs for every message. Throws ProtocolError `bad_payload`. */
export function parseChat(payload: Payload): ChatMessage {
  const { channel, after, priority, stream } = payload;
  if (typeof channel !== "string" || !isChannel(channel)) {
    throw new ProtocolError(
      "bad_payload",
      "channel: a channel: namespace:name, at most 255 printable ASCII characters",
    );
  }
  if (after !== undefined && !isAfter(after)) throw new ProtocolError("bad_payload", AFTER_RULE);
  if (priority !== undefined && !isPriorityName(priority)) {
    throw new ProtocolError("bad_payload", PRIORITY_RULE);
  }
  const content = readContent(payload);
  if (typeof content === "string") throw new ProtocolError("bad_payload", content);
  const message: ChatMessage = { channel, ...content };
  if (after !== undefined) message.after = after;
  if (priority !== undefined) message.priority = priority;
  if (stream !== undefined) {
    if (stream !== true || (content.text === undefined && !Array.isArray(content.data))) {
      throw new ProtocolError("bad_payload", STREAM_RULE);
    }
    message.stream = stream;
  }
  return message;
}

/** What a client sends. */
export interface ChatClientPayloads {
  chat_message: ChatMessage;
}

/** Its schemas. */
export const CHAT_CLIENT: Schemas<ChatClientPayloads> = {
  chat_message: chatMessage,
};

/** What a server sends. */
export interface ChatServerPayloads {
  chat_message: Delivery;
  message_ack: MessageAck;
}

/** Its schemas. */
export const CHAT_SERVER: Schemas<ChatServerPayloads> = {
  chat_message: chatDelivery,
  message_ack: messageAck,
};
