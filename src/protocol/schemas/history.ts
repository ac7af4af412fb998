/**
 * `history` -> `history_response`.
 *
 * @module
 */

import * as v from "valibot";
import { streamField, type StreamState } from "./chat.ts";
import {
  channelField,
  type Content,
  epochField,
  flag,
  integer,
  jsonField,
  offsetField,
  PRIORITISED,
  type Prioritised,
  type Schema,
  type Schemas,
  shape,
  text,
  token,
  userIdField,
} from "./fields.ts";

/** Most messages of one answer. */
const MAX_HISTORY = 1000;
/** Messages of one answer when `limit` is absent. */
const DEFAULT_HISTORY = 100;

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

/** A kept message in `history_response`. */
export interface HistoryRecord extends Content, Prioritised {
  /**
   * `chat_message`, `direct_message` or `broadcast`, which have content; `chat_edit`, which has content and a `target`;
   * `chat_delete`, which has a `target` alone; `delivered`; `doc_op`. Bytes in `data` are base64 text in both forms.
   */
  type: string;
  id: string;
  /** Milliseconds since the epoch, at the server. */
  timestamp: number;
  from: string;
  offset: number;
  prev: number;
  /** The offset of the message that an edit or a deletion is about. */
  target?: number;
  /** The sender has edited the message; this is the offset of the last edit, whose content it has now. */
  edited?: number;
  /** The sender has deleted the message; `data` is null, and this is the offset of the deletion. */
  deleted?: number;
  /** The message is streamed: `open` while it may grow. */
  stream?: StreamState;
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
  /** At most `limit`, and as many as fit a message. */
  messages: HistoryRecord[];
}

const history: Schema<History> = shape({
  channel: channelField(),
  since: v.exactOptional(offsetField()),
  limit: v.optional(integer(1, MAX_HISTORY), DEFAULT_HISTORY),
  reverse: v.optional(flag(), false),
});

const historyResponse: Schema<HistoryResponse> = shape({
  channel: channelField(),
  epoch: epochField(),
  offset: offsetField(),
  complete: flag(),
  more: flag(),
  messages: v.array(
    v.pipe(
      shape({
        type: token(64),
        id: token(64),
        timestamp: integer(0),
        from: userIdField(),
        text: v.exactOptional(text(Number.MAX_SAFE_INTEGER)),
        data: v.exactOptional(jsonField()),
        bytes: v.exactOptional(v.literal(true, "true")),
        ...PRIORITISED,
        offset: offsetField(),
        prev: offsetField(),
        target: v.exactOptional(offsetField()),
        edited: v.exactOptional(offsetField()),
        deleted: v.exactOptional(offsetField()),
        stream: v.exactOptional(streamField()),
      }) as v.GenericSchema<unknown, HistoryRecord>,
      v.check(
        ({ type, text, data }) =>
          type === "chat_delete" || type === "delivered"
            ? text === undefined && data === undefined
            : (text === undefined) !== (data === undefined),
        "exactly one of text and data",
      ),
    ),
    "an array",
  ),
});

/** What a client sends. */
export interface HistoryClientPayloads {
  history: History;
}

/** Its schemas. */
export const HISTORY_CLIENT: Schemas<HistoryClientPayloads> = {
  history,
};

/** What a server sends. */
export interface HistoryServerPayloads {
  history_response: HistoryResponse;
}

/** Its schemas. */
export const HISTORY_SERVER: Schemas<HistoryServerPayloads> = {
  history_response: historyResponse,
};
