/**
 * `server_notice`, `error` and `close`, which a server may send unasked.
 *
 * @module
 */

import * as v from "valibot";
import type { ErrorName } from "../errors.ts";
import {
  channelField,
  type Content,
  flag,
  integer,
  saying,
  type Schema,
  type Schemas,
  shape,
  text,
  token,
} from "./fields.ts";

/** The server is about to close every connection: move before `deadline`. */
export interface DrainingNotice {
  kind: "draining";
  /** Milliseconds from now until the server closes the connection. */
  deadline: number;
}

/**
 * Messages of a channel were not delivered. `slow_consumer` and `lane_lost`: deliveries have stopped; subscribe again
 * with the last offset, or read its history. `message_too_large`: deliveries go on after `offset`.
 */
export interface DiscontinuityNotice {
  kind: "discontinuity";
  channel: string;
  /** How many deliveries were dropped. */
  dropped: number;
  /**
   * The client is slow, or it stopped reading the lane on which deliveries were under way, or the messages are too large
   * for it.
   */
  reason: "slow_consumer" | "lane_lost" | "message_too_large";
  /** With `message_too_large`: of the last message that was left out. */
  epoch?: string;
  offset?: number;
}

/** The token is about to expire: send `auth_refresh`. */
export interface TokenExpiringNotice {
  kind: "token_expiring";
  /** Seconds. */
  expiresIn: number;
}

/** This client is asked to go to another node. */
export interface MovedNotice {
  kind: "moved_to";
  /** URLs by transport; a transport without one is not to be tried. */
  urls: { webtransport?: string; quic?: string; websocket?: string };
  /** Milliseconds from now until the server closes the connection. */
  deadline: number;
}

/** `server_notice`. Clients ignore kinds they do not know. */
export type ServerNotice = DrainingNotice | DiscontinuityNotice | TokenExpiringNotice | MovedNotice;

/** `server_message`: what a back end sends to this session alone. It is not kept. */
export type ServerMessage = Content;

/** `error`; `re` of its message is the id of the message that failed, if that is known. */
export interface ErrorPayload {
  code: number;
  name: ErrorName;
  message: string;
  /** The same message, sent again with the same id, may succeed later. */
  temporary: boolean;
  /** Milliseconds to wait before that. */
  retryAfter?: number;
  /** What may have been meant. */
  suggestions?: string[];
}

/** `close`: the connection ends right after it. */
export interface Close {
  code: number;
  reason: string;
  /** Whether to connect again. */
  reconnect: boolean;
}

const url = () => v.exactOptional(text(2048));

const serverNotice: Schema<ServerNotice> = v.variant("kind", [
  shape({ kind: v.literal("draining"), deadline: integer(0) }),
  shape({
    kind: v.literal("discontinuity"),
    channel: channelField(),
    dropped: integer(0),
    reason: v.picklist(["slow_consumer", "lane_lost", "message_too_large"]),
    epoch: v.exactOptional(token(64)),
    offset: v.exactOptional(integer(0)),
  }),
  shape({ kind: v.literal("token_expiring"), expiresIn: integer(0) }),
  shape({
    kind: v.literal("moved_to"),
    urls: shape({ webtransport: url(), quic: url(), websocket: url() }),
    deadline: integer(0),
  }),
]);

const errorPayload: Schema<ErrorPayload> = shape({
  code: integer(100, 999),
  name: token(64) as Schema<ErrorName>,
  message: text(1024),
  temporary: flag(),
  retryAfter: v.exactOptional(integer(0)),
  suggestions: v.exactOptional(v.array(text(256), "a list of texts")),
});

const close: Schema<Close> = shape({
  code: integer(1000, 4999),
  reason: text(1024),
  reconnect: flag(),
});

/** What a server sends. */
export interface NoticeServerPayloads {
  server_notice: ServerNotice;
  server_message: ServerMessage;
  error: ErrorPayload;
  close: Close;
}

/** Its schemas. */
export const NOTICE_SERVER: Schemas<NoticeServerPayloads> = {
  server_notice: serverNotice,
  server_message: saying({}),
  error: errorPayload,
  close,
};
