/**
 * `auth_request`, `auth_refresh` -> `auth_response`.
 *
 * @module
 */

import * as v from "valibot";
import type { ErrorName } from "../errors.ts";
import { classOfChannel, laneClass, LANES } from "../lanes.ts";
import {
  epochField,
  flag,
  integer,
  number,
  offsetField,
  perChannel,
  type Schema,
  type Schemas,
  shape,
  text,
  token,
  userIdField,
} from "./fields.ts";

/** Longest token, in characters. */
export const MAX_TOKEN_LENGTH = 8192;

/** The last message of a channel that a client has processed. */
export interface ResumeChannel {
  epoch: string;
  offset: number;
  /** The lane for deliveries; they come on lane 0 while it is not open. @default 0 */
  lane?: number;
}

/** The first message of a connection. */
export interface AuthRequest {
  /** A JWT. */
  token: string;
  /** The session to resume, and the last message processed of each of its channels. */
  resume?: { sessionId: string; channels: Record<string, ResumeChannel> };
  /**
   * On WebSocket with JSON: how the server may put several messages into one frame. `true`: into a binary frame, each
   * behind its length. `"lines"`: into a text frame, with a line break between them. @default false
   */
  batch?: boolean | "lines";
  /** The client reads compressed messages (`deflated`), and wants to send some. @default false */
  deflate?: boolean;
  /** Name and version of the client software. */
  client?: string;
}

/** A new token of the same user for a live connection. */
export interface AuthRefresh {
  token: string;
}

/** The end of a channel at the server. */
export interface ResumedChannel {
  epoch: string;
  offset: number;
  /** True: everything after the client's offset follows. False: nothing of it does. */
  recovered: boolean;
}

/**
 * What a client may send: a token bucket for messages and one for bytes. A client that keeps below is never refused for
 * its rate, unless other connections of its user send as well. 0 a second: no bound.
 */
export interface SendRates {
  messagesPerSecond: number;
  messageBurst: number;
  bytesPerSecond: number;
  byteBurst: number;
}

/** The answer to `auth_request` and `auth_refresh`. */
export interface AuthResponse {
  userId: string;
  /** Keep it for `resume`. */
  sessionId: string;
  connectionId: string;
  /** `webtransport`, `quic`, `websocket`, or `memory` within one process. */
  transport: string;
  /** Seconds until the token expires; null: never. */
  expiresIn: number | null;
  /** The session of `resume` was resumed; always true after `auth_refresh`. */
  resumed: boolean;
  /** Every channel the session is on, its inbox and `broadcast:all` among them. */
  channels: Record<string, ResumedChannel>;
  /** Channels of `resume` that the session is not on, and why. */
  refused: Record<string, ErrorName>;
  limits: {
    /** Bytes of a message, without its length prefix. */
    maxMessage: number;
    /** Concurrent streams of the connection. */
    maxStreams: number;
    /** Channels of the session, beside its inbox and `broadcast:all`. */
    maxChannels: number;
    /** Bytes of the largest datagram that the server could send when it answered; 0: there are none. */
    maxDatagram: number;
    rates: SendRates;
  };
  /** Compression is agreed on, for messages of this many bytes and more. @default it is not */
  deflate?: number;
  /** Milliseconds. */
  heartbeat: { interval: number; timeout: number };
  /** Milliseconds since the epoch. */
  serverTime: number;
  /** Name of the server's node. */
  node: string;
}

const TOKEN = `1 to ${MAX_TOKEN_LENGTH} characters`;
const tokenField = () => v.pipe(v.string(TOKEN), v.minLength(1, TOKEN), v.maxLength(MAX_TOKEN_LENGTH, TOKEN));

const resumeChannel: Schema<ResumeChannel> = shape({
  epoch: epochField(),
  offset: offsetField(),
  lane: v.exactOptional(integer(0, LANES.document[1])),
});

// A lane that cannot carry the channel is refused here, so that no other code has to check it.
const resumeChannels = v.pipe(
  perChannel(resumeChannel),
  v.check(
    (channels) =>
      Object.entries(channels).every(([channel, { lane }]) =>
        lane === undefined || lane === 0 || laneClass(lane) === classOfChannel(channel)
      ),
    "a lane that does not carry the channel",
  ),
);

const authRequest: Schema<AuthRequest> = shape({
  token: tokenField(),
  resume: v.exactOptional(shape({ sessionId: token(64), channels: resumeChannels })),
  batch: v.exactOptional(v.union([v.boolean(), v.literal("lines")], `true, false or "lines"`)),
  deflate: v.exactOptional(flag()),
  client: v.exactOptional(
    v.pipe(text(128), v.regex(/^[\x20-\x7e]*$/, "printable ASCII characters")),
  ),
});

const authRefresh: Schema<AuthRefresh> = shape({ token: tokenField() });

const authResponse: Schema<AuthResponse> = shape({
  userId: userIdField(),
  sessionId: token(64),
  connectionId: token(64),
  transport: token(32),
  expiresIn: v.nullable(integer(0)),
  resumed: flag(),
  channels: perChannel(shape({ epoch: epochField(), offset: offsetField(), recovered: flag() })),
  refused: perChannel(token(64) as Schema<ErrorName>),
  limits: shape({
    maxMessage: integer(1),
    maxStreams: integer(0),
    maxChannels: integer(0),
    maxDatagram: integer(0),
    rates: shape({
      messagesPerSecond: number(0, Infinity),
      messageBurst: number(0, Infinity),
      bytesPerSecond: number(0, Infinity),
      byteBurst: number(0, Infinity),
    }),
  }),
  deflate: v.exactOptional(integer(1)),
  heartbeat: shape({ interval: integer(1), timeout: integer(1) }),
  serverTime: integer(0),
  node: token(128),
});

/** What a client sends. */
export interface AuthClientPayloads {
  auth_request: AuthRequest;
  auth_refresh: AuthRefresh;
}

/** Its schemas. */
export const AUTH_CLIENT: Schemas<AuthClientPayloads> = {
  auth_request: authRequest,
  auth_refresh: authRefresh,
};

/** What a server sends. */
export interface AuthServerPayloads {
  auth_response: AuthResponse;
}

/** Its schemas. */
export const AUTH_SERVER: Schemas<AuthServerPayloads> = {
  auth_response: authResponse,
};
