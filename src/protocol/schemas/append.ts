/**
 * `message_append` -> `message_appended`, and its delivery: pieces by which a streamed message of the sender's grows.
 *
 * @module
 */

import * as v from "valibot";
import {
  channelField,
  type Content,
  epochField,
  integer,
  saying,
  type Schema,
  type Schemas,
  shape,
  userIdField,
} from "./fields.ts";

/** A piece of one's own streamed message: more of its text, or more elements of its list. */
export interface MessageAppend extends Content {
  channel: string;
  /** The offset of the message. */
  target: number;
  /** The epoch of the offset. @default not checked */
  epoch?: string;
  /** How long the message was before: UTF-16 code units of a text, elements of a list. */
  at: number;
  /** Nothing follows: all is said, or the sender gives up. @default the message stays open */
  final?: "ended" | "failed";
}

/** The piece is committed, or was known. */
export interface MessageAppended {
  channel: string;
  target: number;
  /** How long the message is now: every piece below it is committed. */
  length: number;
}

/** A piece as it is delivered; several that were committed together are one. */
export interface MessageAppendDelivery extends Content {
  channel: string;
  /** The sender's user id. */
  from: string;
  target: number;
  /** How long the message was before. */
  at: number;
  /** Nothing follows. `interrupted`: the sender was not heard of for too long. */
  final?: "ended" | "failed" | "interrupted";
}

/** A text, or a list. */
const pieces = <T extends Content>(schema: Schema<T>): Schema<T> =>
  v.pipe(
    schema as v.GenericSchema<unknown, T>,
    v.check(({ text, data }) => text !== undefined || Array.isArray(data), "a text, or a list as data"),
  );

const place = { channel: channelField(), target: integer(1), at: integer(0) };

const messageAppend: Schema<MessageAppend> = pieces(saying({
  ...place,
  epoch: v.exactOptional(epochField()),
  final: v.exactOptional(v.picklist(["ended", "failed"], "ended or failed")),
}));

const messageAppended: Schema<MessageAppended> = shape({
  channel: channelField(),
  target: integer(1),
  length: integer(0),
});

const messageAppendDelivery: Schema<MessageAppendDelivery> = pieces(saying({
  ...place,
  from: userIdField(),
  final: v.exactOptional(v.picklist(["ended", "failed", "interrupted"], "ended, failed or interrupted")),
}));

/** What a client sends. */
export interface AppendClientPayloads {
  message_append: MessageAppend;
}

/** Its schemas. */
export const APPEND_CLIENT: Schemas<AppendClientPayloads> = { message_append: messageAppend };

/** What a server sends. */
export interface AppendServerPayloads {
  message_append: MessageAppendDelivery;
  message_appended: MessageAppended;
}

/** Its schemas. */
export const APPEND_SERVER: Schemas<AppendServerPayloads> = {
  message_append: messageAppendDelivery,
  message_appended: messageAppended,
};
