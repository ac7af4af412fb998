/**
 * `read_up_to` -> `read_position`, `unread` -> `unread_response`: how far a user has read a channel.
 *
 * @module
 */

import * as v from "valibot";
import {
  channelField,
  epochField,
  flag,
  integer,
  offsetField,
  perChannel,
  type Schema,
  type Schemas,
  shape,
} from "./fields.ts";

/** Most channels of one `unread`. */
const MAX_UNREAD_CHANNELS = 100;
/** Highest `limit` of `unread`. */
const MAX_UNREAD = 1000;
/** `limit` of `unread` when it is absent. */
const DEFAULT_UNREAD = 100;

/** The user has read everything up to `offset`. */
export interface ReadUpTo {
  channel: string;
  /** The epoch of the offset. */
  epoch: string;
  offset: number;
}

/** Where the user's read position is; also sent to the user's other sessions when it moves. */
export interface ReadPosition {
  channel: string;
  epoch: string;
  /** Never less than before in the same epoch. */
  offset: number;
}

/** Asks how many messages of some channels the user has not read. */
export interface Unread {
  channels: string[];
  /** Counts no further. @default 100 */
  limit: number;
}

/** The count of one channel. */
export interface UnreadCount {
  epoch: string;
  /** The user's read position; 0: nothing was read. */
  offset: number;
  /** Messages of others after it, without those that were deleted; no more than `limit`. */
  unread: number;
  /** There are more than that, or some that are no longer kept. */
  more: boolean;
}

/** The answer to `unread`. */
export interface UnreadResponse {
  channels: Record<string, UnreadCount>;
  /** Channels that cannot be counted, and the error's name. */
  refused: Record<string, string>;
}

const readUpTo: Schema<ReadUpTo> = shape({
  channel: channelField(),
  epoch: epochField(),
  offset: offsetField(),
});

const readPosition: Schema<ReadPosition> = shape({
  channel: channelField(),
  epoch: epochField(),
  offset: offsetField(),
});

const unread: Schema<Unread> = shape({
  channels: v.pipe(
    v.array(channelField() as v.GenericSchema<string, string>, "an array of channels"),
    v.maxLength(MAX_UNREAD_CHANNELS, `at most ${MAX_UNREAD_CHANNELS} channels`),
  ),
  limit: v.optional(integer(1, MAX_UNREAD), DEFAULT_UNREAD),
});

const unreadResponse: Schema<UnreadResponse> = shape({
  channels: perChannel(
    shape({ epoch: epochField(), offset: offsetField(), unread: integer(0), more: flag() }),
  ),
  refused: perChannel(v.string("an error name") as Schema<string>),
});

/** What a client sends. */
export interface ReadClientPayloads {
  read_up_to: ReadUpTo;
  unread: Unread;
}

/** Its schemas. */
export const READ_CLIENT: Schemas<ReadClientPayloads> = {
  read_up_to: readUpTo,
  unread,
};

/** What a server sends. */
export interface ReadServerPayloads {
  read_position: ReadPosition;
  unread_response: UnreadResponse;
}

/** Its schemas. */
export const READ_SERVER: Schemas<ReadServerPayloads> = {
  read_position: readPosition,
  unread_response: unreadResponse,
};
