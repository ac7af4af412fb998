/**
 * What the payload of each message type is, and the checks.
 *
 * @module
 */

import * as v from "valibot";
import { ProtocolError } from "../errors.ts";
import type { ClientType } from "../client_types.ts";
import type { Payload } from "../message.ts";
import type { ServerType } from "../server_types.ts";
import {
  type AuthRefresh,
  authRefresh,
  type AuthRequest,
  authRequest,
  type AuthResponse,
  authResponse,
} from "./auth.ts";
import {
  type BotCommand,
  botCommand,
  type BotCommandDelivery,
  botCommandDelivery,
  type BotResponse,
  botResponse,
  type BotResponseDelivery,
  botResponseDelivery,
} from "./bot.ts";
import {
  chatDelivery,
  type ChatMessage,
  chatMessage,
  type Delivery,
  type MessageAck,
  messageAck,
  parseChat,
} from "./chat.ts";
import {
  type Broadcast,
  broadcast,
  broadcastDelivery,
  type DirectDelivery,
  directDelivery,
  type DirectMessage,
  directMessage,
} from "./direct.ts";
import { DOC_CLIENT, DOC_SERVER, type DocClientPayloads, type DocServerPayloads } from "./doc.ts";
import { EDIT_CLIENT, EDIT_SERVER, type EditClientPayloads, type EditServerPayloads } from "./edit.ts";
import type { Schema } from "./fields.ts";
import {
  type FileChunk,
  fileChunk,
  type FileChunkAck,
  fileChunkAck,
  type FileData,
  fileData,
  type FileDownload,
  fileDownload,
  type FileDownloadCancel,
  fileDownloadCancel,
  type FileDownloadReady,
  fileDownloadReady,
  type FileLink,
  fileLink,
  type FileLinkResponse,
  fileLinkResponse,
  type FileUploaded,
  fileUploaded,
  type FileUploadId,
  fileUploadId,
  type FileUploadReady,
  fileUploadReady,
  type FileUploadStart,
  fileUploadStart,
  parseChunk,
} from "./file.ts";
import { type History, history, type HistoryResponse, historyResponse } from "./history.ts";
import { MARK_CLIENT, MARK_SERVER, type MarkClientPayloads, type MarkServerPayloads } from "./mark.ts";
import {
  type Close,
  close,
  type ErrorPayload,
  errorPayload,
  type ServerNotice,
  serverNotice,
} from "./notice.ts";
import { parsePing, type Ping, ping, type Pong, pong } from "./ping.ts";
import {
  type ClientList,
  clientList,
  type ClientListResponse,
  clientListResponse,
  type Presence,
  presence,
  type PresenceResponse,
  presenceResponse,
  type UserOffline,
  userOffline,
  type UserOnline,
  userOnline,
} from "./presence.ts";
import {
  REPLAY_CLIENT,
  REPLAY_SERVER,
  type ReplayClientPayloads,
  type ReplayServerPayloads,
} from "./replay.ts";
import { type Report, report } from "./report.ts";
import {
  type Subscribe,
  subscribe,
  type Subscribed,
  subscribed,
  type Unsubscribe,
  unsubscribe,
  type Unsubscribed,
  unsubscribed,
} from "./subscribe.ts";
import { type Typing, typing, type TypingDelivery, typingDelivery } from "./typing.ts";

export {
  type AuthRefresh,
  type AuthRequest,
  type AuthResponse,
  MAX_TOKEN_LENGTH,
  type ResumeChannel,
  type ResumedChannel,
} from "./auth.ts";
export {
  type BotCommand,
  type BotCommandDelivery,
  type BotResponse,
  type BotResponseDelivery,
  MAX_BOT_NAME_LENGTH,
} from "./bot.ts";
export type { ChatMessage, Delivery, MessageAck } from "./chat.ts";
export type { Broadcast, DirectDelivery, DirectMessage } from "./direct.ts";
export {
  type DocAwareness,
  type DocAwarenessDelivery,
  type DocClientPayloads,
  type DocClose,
  type DocNack,
  type DocNackDelivery,
  type DocOp,
  type DocOpDelivery,
  type DocOpen,
  type DocOpened,
  type DocPart,
  type DocServerPayloads,
  type DocSnapshot,
  type DocSnapshotAck,
  type DocSnapshotInfo,
  MAX_DOC_PARTS,
} from "./doc.ts";
export type {
  ChatDelete,
  ChatDeleteDelivery,
  ChatEdit,
  ChatEditDelivery,
  EditClientPayloads,
  EditServerPayloads,
} from "./edit.ts";
export { bytesField, type Content, contentOf, type Schema } from "./fields.ts";
export {
  type FileChunk,
  type FileChunkAck,
  type FileData,
  type FileDownload,
  type FileDownloadCancel,
  type FileDownloadReady,
  type FileInfo,
  type FileLink,
  type FileLinkResponse,
  type FileUploaded,
  type FileUploadId,
  type FileUploadReady,
  type FileUploadStart,
  MAX_FILE_CHUNK,
  MAX_FILE_NAME_LENGTH,
  MAX_FILE_TYPE_LENGTH,
} from "./file.ts";
export {
  DEFAULT_HISTORY,
  type History,
  type HistoryRecord,
  type HistoryResponse,
  MAX_HISTORY,
} from "./history.ts";
export {
  DEFAULT_UNREAD,
  type MarkClientPayloads,
  type MarkServerPayloads,
  MAX_UNREAD,
  MAX_UNREAD_CHANNELS,
  type ReadMarks,
  type ReadUpTo,
  type Unread,
  type UnreadCount,
  type UnreadResponse,
} from "./mark.ts";
export type {
  Close,
  DiscontinuityNotice,
  DrainingNotice,
  ErrorPayload,
  MovedNotice,
  ServerNotice,
  TokenExpiringNotice,
} from "./notice.ts";
export { MAX_RTT, type Ping, type Pong } from "./ping.ts";
export type {
  ClientList,
  ClientListResponse,
  Presence,
  PresenceResponse,
  PresentUser,
  UserOffline,
  UserOnline,
} from "./presence.ts";
export {
  MAX_REPLAY_WAIT,
  type Replay,
  REPLAY_SPEED,
  type ReplayClientPayloads,
  type ReplayEnded,
  type ReplayMessage,
  type ReplayServerPayloads,
  type ReplayStarted,
  type ReplayStop,
} from "./replay.ts";
export { type Report, REPORTED_TRANSPORTS } from "./report.ts";
export type { Subscribe, Subscribed, Unsubscribe, Unsubscribed } from "./subscribe.ts";
export type { Typing, TypingDelivery } from "./typing.ts";

/** The payload of each type a client sends, as it is once checked (defaults filled in). */
export interface ClientPayloads
  extends DocClientPayloads, EditClientPayloads, MarkClientPayloads, ReplayClientPayloads {
  auth_request: AuthRequest;
  auth_refresh: AuthRefresh;
  ping: Ping;
  subscribe: Subscribe;
  unsubscribe: Unsubscribe;
  chat_message: ChatMessage;
  direct_message: DirectMessage;
  broadcast: Broadcast;
  typing_start: Typing;
  typing_stop: Typing;
  history: History;
  presence: Presence;
  client_list: ClientList;
  bot_command: BotCommand;
  bot_response: BotResponse;
  client_report: Report;
  file_upload_start: FileUploadStart;
  file_chunk: FileChunk;
  file_upload_complete: FileUploadId;
  file_upload_cancel: FileUploadId;
  file_download: FileDownload;
  file_download_cancel: FileDownloadCancel;
  file_link: FileLink;
}

/** The payload of each type a server sends. */
export interface ServerPayloads
  extends DocServerPayloads, EditServerPayloads, MarkServerPayloads, ReplayServerPayloads {
  auth_response: AuthResponse;
  pong: Pong;
  error: ErrorPayload;
  subscribed: Subscribed;
  unsubscribed: Unsubscribed;
  message_ack: MessageAck;
  chat_message: Delivery;
  direct_message: DirectDelivery;
  broadcast: Delivery;
  typing_start: TypingDelivery;
  typing_stop: TypingDelivery;
  user_online: UserOnline;
  user_offline: UserOffline;
  history_response: HistoryResponse;
  presence_response: PresenceResponse;
  client_list_response: ClientListResponse;
  bot_command: BotCommandDelivery;
  bot_response: BotResponseDelivery;
  server_notice: ServerNotice;
  close: Close;
  file_upload_ready: FileUploadReady;
  file_chunk_ack: FileChunkAck;
  file_uploaded: FileUploaded;
  file_upload_cancelled: FileUploadId;
  file_download_ready: FileDownloadReady;
  file_data: FileData;
  file_link_response: FileLinkResponse;
}

/** The schema of each type a client sends. Fields they do not name are ignored. */
export const CLIENT_PAYLOADS: { readonly [T in ClientType]: Schema<ClientPayloads[T]> } = {
  auth_request: authRequest,
  auth_refresh: authRefresh,
  ping,
  subscribe,
  unsubscribe,
  chat_message: chatMessage,
  direct_message: directMessage,
  broadcast,
  typing_start: typing,
  typing_stop: typing,
  history,
  presence,
  client_list: clientList,
  bot_command: botCommand,
  bot_response: botResponse,
  client_report: report,
  file_upload_start: fileUploadStart,
  file_chunk: fileChunk,
  file_upload_complete: fileUploadId,
  file_upload_cancel: fileUploadId,
  file_download: fileDownload,
  file_download_cancel: fileDownloadCancel,
  file_link: fileLink,
  ...EDIT_CLIENT,
  ...MARK_CLIENT,
  ...REPLAY_CLIENT,
  ...DOC_CLIENT,
};

/** The schema of each type a server sends. Fields they do not name are ignored. */
export const SERVER_PAYLOADS: { readonly [T in ServerType]: Schema<ServerPayloads[T]> } = {
  auth_response: authResponse,
  pong,
  error: errorPayload,
  subscribed,
  unsubscribed,
  message_ack: messageAck,
  chat_message: chatDelivery,
  direct_message: directDelivery,
  broadcast: broadcastDelivery,
  typing_start: typingDelivery,
  typing_stop: typingDelivery,
  user_online: userOnline,
  user_offline: userOffline,
  history_response: historyResponse,
  presence_response: presenceResponse,
  client_list_response: clientListResponse,
  bot_command: botCommandDelivery,
  bot_response: botResponseDelivery,
  server_notice: serverNotice,
  close,
  file_upload_ready: fileUploadReady,
  file_chunk_ack: fileChunkAck,
  file_uploaded: fileUploaded,
  file_upload_cancelled: fileUploadId,
  file_download_ready: fileDownloadReady,
  file_data: fileData,
  file_link_response: fileLinkResponse,
  ...EDIT_SERVER,
  ...MARK_SERVER,
  ...REPLAY_SERVER,
  ...DOC_SERVER,
};

/**
 * Checks what a client sent. Throws ProtocolError `bad_payload` whose message names the field and what is
 * allowed there, and never repeats what was received.
 */
export function parsePayload<T extends ClientType>(type: T, payload: Payload): ClientPayloads[T];
export function parsePayload(type: ClientType, payload: Payload): ClientPayloads[ClientType] {
  if (type === "chat_message") return parseChat(payload);
  if (type === "ping") return parsePing(payload);
  if (type === "file_chunk") return parseChunk(payload) ?? check(fileChunk, payload);
  return check(CLIENT_PAYLOADS[type], payload);
}

/** Checks what a server sent. Throws ProtocolError `bad_payload`, as `parsePayload` does. */
export function parseServerPayload<T extends ServerType>(type: T, payload: Payload): ServerPayloads[T] {
  return check<ServerPayloads[T]>(SERVER_PAYLOADS[type] as Schema<ServerPayloads[T]>, payload);
}

function check<T>(schema: Schema<T>, payload: Payload): T {
  const result = v.safeParse(schema, payload, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return result.output;
  const { path, message } = result.issues[0];
  throw new ProtocolError("bad_payload", path === undefined ? message : `${fieldName(path)}: ${message}`);
}

// Keys of `channels` and `refused` are what the peer made up: they are shown as `*`.
function fieldName(path: readonly v.IssuePathItem[]): string {
  return path.map(({ key }, i) => /^(channels|refused)$/.test(`${path[i - 1]?.key}`) ? "*" : `${key}`).join(
    ".",
  );
}
