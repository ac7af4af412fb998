/**
 * `history` -> `history_response`.
 *
 * @module
 */

import * as v from "valibot";
import {
  channelField,
  type Content,
  epochField,
  flag,
  integer,
  offsetField,
  saying,
  type Schema,
  shape,
  token,
  userIdField,
} from "./fields.ts";

/** Most messages of one answer. */
export const MAX_HISTORY = 1000;
/** Messages of one answer when `limit` is absent. */
export const DEFAULT_HISTORY = 100;

/** Asks for a part of a channel's history. */
export interface History {
  channel: string;
  /** Only after this offset; before it when `reverse`. */
  since?: number;
  /** @default 100 */
  limit: number;
  /** Newest first. @default false */
  reverse: boolean;
}

/** A kept message in an answer. */
export interface HistoryRecord extends Content {
  /** `chat_message`, `direct_message` or `broadcast`. */
  type: string;
  id: string;
  /** Milliseconds since the epoch, at the server. */
  timestamp: number;
  from: string;
  offset: number;
  prev: number;
}

/** The answer to `history`. */
export interface HistoryResponse {
  channel: string;
  epoch: string;
  /** The last message of the channel now; 0: none. */
  offset: number;
  /** False: messages between `since` and the first of `messages` are no longer kept. */
  complete: boolean;
  /** There are more in this direction: ask again with `since` = the last offset of `messages`. */
  more: boolean;
  /** No more than `limit`, and no more than fit a message. */
  messages: HistoryRecord[];
}

/** Checks `history`; fills in `limit` and `reverse`. */
export const history: Schema<History> = shape({
  channel: channelField(),
  since: v.exactOptional(offsetField()),
  limit: v.optional(integer(1, MAX_HISTORY), DEFAULT_HISTORY),
  reverse: v.optional(flag(), false),
});

/** Checks `history_response`. */
export const historyResponse: Schema<HistoryResponse> = shape({
  channel: channelField(),
  epoch: epochField(),
  offset: offsetField(),
  complete: flag(),
  more: flag(),
  messages: v.array(
    saying({
      type: token(64),
      id: token(64),
      timestamp: integer(0),
      from: userIdField(),
      offset: offsetField(),
      prev: offsetField(),
    }),
    "an array",
  ),
});
