/**
 * What a server says, checked before it is believed. Only the payloads that the SDK itself reads are here, so that a
 * page carries no others.
 *
 * @module
 */

import * as v from "valibot";
import { type Payload, ProtocolError } from "../../protocol/core.ts";
import { type AuthResponse, authResponse } from "../../protocol/schemas/auth.ts";
import {
  type BotCommandDelivery,
  botCommandDelivery,
  type BotResponseDelivery,
  botResponseDelivery,
} from "../../protocol/schemas/bot.ts";
import { type MessageAck, messageAck } from "../../protocol/schemas/chat.ts";
import type { Schema } from "../../protocol/schemas/fields.ts";
import {
  type FileLinkResponse,
  fileLinkResponse,
  type FileUploaded,
  fileUploaded,
  type FileUploadId,
  fileUploadId,
  type FileUploadReady,
  fileUploadReady,
} from "../../protocol/schemas/file.ts";
import { type HistoryResponse, historyResponse } from "../../protocol/schemas/history.ts";
import {
  type Close,
  close,
  type ErrorPayload,
  errorPayload,
  type ServerNotice,
  serverNotice,
} from "../../protocol/schemas/notice.ts";
import {
  type ClientListResponse,
  clientListResponse,
  type PresenceResponse,
  presenceResponse,
  type UserOffline,
  userOffline,
  type UserOnline,
  userOnline,
} from "../../protocol/schemas/presence.ts";
import {
  type Subscribed,
  subscribed,
  type Unsubscribed,
  unsubscribed,
} from "../../protocol/schemas/subscribe.ts";
import type { ReadMarks, ReplayStarted, UnreadResponse } from "../../protocol/mod.ts";
import { type TypingDelivery, typingDelivery } from "../../protocol/schemas/typing.ts";

/** The payloads the SDK reads, by type. */
export interface ReadPayloads {
  auth_response: AuthResponse;
  error: ErrorPayload;
  close: Close;
  server_notice: ServerNotice;
  subscribed: Subscribed;
  unsubscribed: Unsubscribed;
  message_ack: MessageAck;
  history_response: HistoryResponse;
  presence_response: PresenceResponse;
  client_list_response: ClientListResponse;
  typing_start: TypingDelivery;
  typing_stop: TypingDelivery;
  user_online: UserOnline;
  user_offline: UserOffline;
  bot_command: BotCommandDelivery;
  bot_response: BotResponseDelivery;
  file_upload_ready: FileUploadReady;
  file_uploaded: FileUploaded;
  file_upload_cancelled: FileUploadId;
  file_link_response: FileLinkResponse;
  read_marks: ReadMarks;
  unread_response: UnreadResponse;
  replay_started: ReplayStarted;
}

// What is only handed on to the application, who asked for it, is not checked here.
const SCHEMAS: { readonly [T in keyof ReadPayloads]?: Schema<ReadPayloads[T]> } = {
  auth_response: authResponse,
  error: errorPayload,
  close,
  server_notice: serverNotice,
  subscribed,
  unsubscribed,
  message_ack: messageAck,
  history_response: historyResponse,
  presence_response: presenceResponse,
  client_list_response: clientListResponse,
  typing_start: typingDelivery,
  typing_stop: typingDelivery,
  user_online: userOnline,
  user_offline: userOffline,
  bot_command: botCommandDelivery,
  bot_response: botResponseDelivery,
  file_upload_ready: fileUploadReady,
  file_uploaded: fileUploaded,
  file_upload_cancelled: fileUploadId,
  file_link_response: fileLinkResponse,
};

/** Checks what a server sent. Throws ProtocolError `bad_payload`. */
export function readPayload<T extends keyof ReadPayloads>(type: T, payload: Payload): ReadPayloads[T] {
  const schema = SCHEMAS[type] as Schema<ReadPayloads[T]> | undefined;
  if (schema === undefined) return payload as unknown as ReadPayloads[T];
  const result = v.safeParse(schema, payload, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return result.output;
  throw new ProtocolError("bad_payload", `${type}: ${result.issues[0].message}`);
}
