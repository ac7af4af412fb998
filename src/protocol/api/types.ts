/**
 * The server API as types: the parameters and the result of each method. The service checks them by the schemas in
 * `table.ts`; the client for back ends is made of them.
 *
 * @module
 */

import type { ErrorName } from "../errors.ts";
import type { ApiErased, ApiExport, ApiFile } from "./erasure_types.ts";
import type { Content, Prioritised } from "../schemas/fields.ts";
import type { ApiFunction, ApiFunctionLine, ApiFunctionLogs } from "./function_types.ts";
import type { ApiDeadLetter, ApiWebhook, ApiWebhookDead, ApiWebhookResend } from "./webhook_types.ts";

export type * from "./function_types.ts";
export type * from "./webhook_types.ts";

export type * from "./erasure_types.ts";

/** What a key may be allowed: to publish, to change who is connected and what is kept, to read. */
export type ApiRight = "publish" | "manage" | "read";

/** What messages of the API have in common. */
export interface ApiSaid extends Content, Prioritised {
  /** The message id, for dedupe. @default one that the service makes, or the call's `Idempotency-Key` */
  id?: string;
  /** The user id that the message is said to be from. @default "server" */
  from?: string;
}

/** A message to be published. */
export interface ApiPublish extends ApiSaid {
  channel: string;
  /** It grows by `append`: its content is a text, or a list. Only in conversations. */
  stream?: true;
}

/** A piece by which a streamed message grows. Sent again it has no other effect. */
export interface ApiAppend extends Pick<Content, "text" | "data"> {
  channel: string;
  /** The offset of the message. */
  target: number;
  /** The epoch of the offset. @default it is not checked */
  epoch?: string;
  /** The length of the message before this piece: UTF-16 code units of a text, elements of a list. */
  at: number;
  /** Nothing follows: all is said, or the sender gives up. @default the message stays open */
  final?: "ended" | "failed";
  /** Whose message it is. @default "server" */
  from?: string;
}

/** How long a streamed message is now, and committed. */
export interface ApiAppended {
  channel: string;
  target: number;
  length: number;
}

/** A streamed message whose pieces come as one request. */
export interface ApiStream extends Pick<ApiSaid, "id" | "from" | "priority"> {
  channel: string;
}

/** A streamed message that is said. */
export interface ApiStreamed extends ApiPublished {
  length: number;
}

/** One message to many channels, or to every session. */
export interface ApiBroadcast extends ApiSaid {
  /** At most 1,000; absent: everybody. */
  channels?: string[];
}

/** A message to a user's inbox. */
export interface ApiDirect extends ApiSaid {
  user: string;
}

/** New content for an earlier `chat_message`, whoever sent it. */
export interface ApiEdit extends Omit<ApiPublish, "stream"> {
  /** The offset of the message. */
  target: number;
  /** The epoch of the offset. @default it is not checked */
  epoch?: string;
}

/** A `chat_message` that is to lose its content. */
export interface ApiDelete extends Pick<ApiEdit, "channel" | "target" | "epoch" | "id" | "from"> {}

/** Where a message is kept. */
export interface ApiPublished {
  channel: string;
  offset: number;
  epoch: string;
  /** The id was known: `offset` is that of the first message with it, and nothing new was kept. */
  duplicate: boolean;
}

/** Something for one session alone. It is not kept. */
export interface ApiSend extends Content {
  session: string;
}

/** A user's sessions, or one of them. */
export interface ApiSessions {
  user: string;
  /** @default all of them */
  session?: string;
}

/** A user's sessions, or one of them, and a channel. */
export interface ApiSubscription extends ApiSessions {
  channel: string;
}

/** Connections to be ended. */
export interface ApiDisconnect extends ApiSessions {
  /** Shown to the client. At most 120 characters. */
  reason?: string;
}

/** Claims that take the place of those of the token, for live sessions of a user. Absent ones stay. */
export interface ApiRefresh extends ApiSessions {
  /** Seconds from now; null: never. */
  expiresIn?: number | null;
  /** Channel patterns for both; with `subscribe` and `publish` they replace all patterns of the token. */
  channels?: string[];
  subscribe?: string[];
  publish?: string[];
  rights?: string[];
  info?: Record<string, unknown>;
}

/** Which tokens are refused from now on: that of a `jti`, or those issued before a time, of one user or of all. */
export interface ApiRevoke {
  /** The `jti` claim; alone. */
  jti?: string;
  user?: string;
  /** Seconds since the epoch, as in `iat`. Tokens without `iat` count as issued before. @default with `user`: now */
  issuedBefore?: number;
  /** Seconds for which it is remembered: as long as such tokens are valid. @default a year */
  keepFor?: number;
}

/** A user who may not connect. */
export interface ApiBlock {
  user: string;
  /** Seconds. @default until `unblock` */
  expiresIn?: number;
}

/** A part of a channel's history. */
export interface ApiHistory {
  channel: string;
  /** Only after this offset (before it, when `reverse`). */
  since?: number;
  /** 1 to 1,000. @default 100 */
  limit?: number;
  /** Newest first. @default false */
  reverse?: boolean;
}

/** A kept message. */
export interface ApiMessage {
  offset: number;
  prev: number;
  type: string;
  id: string;
  from: string;
  /** Milliseconds since the epoch. */
  timestamp: number;
  /** What was said; bytes are base64. */
  payload: Record<string, unknown>;
}

/** The end of a channel, and messages of it. */
export interface ApiHistoryPage {
  channel: string;
  epoch: string;
  offset: number;
  /** False when messages between `since` and the first one are no longer kept. */
  complete: boolean;
  messages: ApiMessage[];
}

/** Which messages of a channel are to go. */
export interface ApiHistoryRemove {
  channel: string;
  /** The last offset to go. @default the end of the channel */
  until?: number;
}

/** One session on a channel. */
export interface ApiPresent {
  userId: string;
  sessionId: string;
  info?: Record<string, unknown>;
}

/** One connection in figures. */
export interface ApiConnection {
  connectionId: string;
  /** Null before authentication, like `userId`. */
  sessionId: string | null;
  userId: string | null;
  transport: string;
  remoteAddress: string;
  /** Milliseconds since the epoch. */
  connectedAt: number;
  lastActivity: number;
  bytesIn: number;
  bytesOut: number;
  messagesIn: number;
  messagesOut: number;
  /** Milliseconds, as the client measured it. */
  rtt: number | null;
  outboxBytes: number;
  outboxMessages: number;
  channels: number;
  /** The name of the node it is on. */
  node: string;
}

/** A page of a listing in the order of names. */
export interface ApiPage {
  /** The name before the page. @default from the first one on */
  after?: string;
  /** 1 to 1,000. @default 1000 */
  limit?: number;
}

/** A document, and with `content` what it is made of. */
export interface ApiDocument {
  channel: string;
  epoch: string;
  /** The last operation. */
  offset: number;
  /** The newest snapshot; `data` is base64, with `content` alone. */
  snapshot?: { offset: number; size: number; data?: string };
  /** Operations after the snapshot, at most 1,000; with `content` alone. */
  operations?: ApiMessage[];
}

/** Which files are listed, in the order of their ids. */
export interface ApiFiles extends ApiPage {
  /** @default of all users */
  user?: string;
  /** @default of all channels */
  channel?: string;
}

/** One call of a batch. */
export interface ApiCommand {
  method: string;
  params?: unknown;
}

/** An error of the protocol's table. */
export interface ApiFailure {
  code: number;
  name: ErrorName;
  message: string;
  /** The same call may succeed later. */
  temporary: boolean;
  /** Milliseconds to wait before that. */
  retryAfter?: number;
}

/** One answer of a batch. */
export type ApiReply = { result: unknown } | { error: ApiFailure };

/** What one method takes and gives. */
export interface Call<P, R> {
  readonly params: P;
  readonly result: R;
}

/** All methods. */
export interface ApiCalls {
  publish: Call<ApiPublish, ApiPublished>;
  append: Call<ApiAppend, ApiAppended>;
  broadcast: Call<ApiBroadcast, { published: ApiPublished[] }>;
  direct: Call<ApiDirect, ApiPublished>;
  edit: Call<ApiEdit, ApiPublished>;
  delete: Call<ApiDelete, ApiPublished>;
  send: Call<ApiSend, { sent: boolean }>;
  subscribe: Call<ApiSubscription, { sessions: number }>;
  unsubscribe: Call<ApiSubscription, { sessions: number }>;
  disconnect: Call<ApiDisconnect, { connections: number }>;
  refresh: Call<ApiRefresh, { sessions: number }>;
  revoke: Call<ApiRevoke, { connections: number }>;
  block: Call<ApiBlock, { connections: number }>;
  unblock: Call<{ user: string }, { unblocked: boolean }>;
  presence: Call<{ channel: string }, { channel: string; sessions: ApiPresent[] }>;
  presence_stats: Call<{ channel: string }, { channel: string; users: number; sessions: number }>;
  history: Call<ApiHistory, ApiHistoryPage>;
  history_remove: Call<ApiHistoryRemove, { channel: string; epoch: string; offset: number }>;
  channels: Call<
    ApiPage & { pattern?: string },
    { channels: { channel: string; subscribers: number }[]; more: boolean }
  >;
  users: Call<ApiPage, { users: { userId: string; sessions: number }[]; more: boolean }>;
  connections: Call<{ user?: string; limit?: number }, { items: ApiConnection[]; more: boolean }>;
  connection: Call<{ session: string }, { connection: ApiConnection; subscriptions: string[] }>;
  file_delete: Call<{ file: string }, { deleted: boolean }>;
  files: Call<ApiFiles, { files: ApiFile[]; more: boolean }>;
  document_delete: Call<{ channel: string }, { deleted: boolean }>;
  user_export: Call<{ user: string; cursor?: string }, ApiExport>;
  user_erase: Call<{ user: string }, ApiErased>;
  document: Call<{ channel: string; content?: boolean }, ApiDocument>;
  functions: Call<Record<never, never>, { functions: ApiFunction[] }>;
  function_logs: Call<ApiFunctionLogs, { lines: ApiFunctionLine[]; last: number }>;
  webhooks: Call<Record<never, never>, { endpoints: ApiWebhook[] }>;
  webhook_dead: Call<ApiWebhookDead, { letters: ApiDeadLetter[]; last: number; more: boolean }>;
  webhook_resend: Call<ApiWebhookResend, { resent: number }>;
  info: Call<Record<never, never>, Record<string, unknown>>;
  batch: Call<{ commands: ApiCommand[] }, { replies: ApiReply[] }>;
}

/** The name of a method. */
export type ApiMethod = keyof ApiCalls;
/** What a method takes. */
export type ApiParams<M extends ApiMethod> = ApiCalls[M]["params"];
/** What a method gives. */
export type ApiResult<M extends ApiMethod> = ApiCalls[M]["result"];
