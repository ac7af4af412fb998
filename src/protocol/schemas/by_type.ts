/**
 * The payloads and schemas of all types. A new family is added here; a new type is added to the file of its family
 * alone.
 *
 * @module
 */

import {
  APPEND_CLIENT,
  APPEND_SERVER,
  type AppendClientPayloads,
  type AppendServerPayloads,
} from "./append.ts";
import { AUTH_CLIENT, AUTH_SERVER, type AuthClientPayloads, type AuthServerPayloads } from "./auth.ts";
import { BOT_CLIENT, BOT_SERVER, type BotClientPayloads, type BotServerPayloads } from "./bot.ts";
import { CHAT_CLIENT, CHAT_SERVER, type ChatClientPayloads, type ChatServerPayloads } from "./chat.ts";
import {
  DEFLATED_CLIENT,
  DEFLATED_SERVER,
  type DeflatedClientPayloads,
  type DeflatedServerPayloads,
} from "./deflated.ts";
import {
  DIRECT_CLIENT,
  DIRECT_SERVER,
  type DirectClientPayloads,
  type DirectServerPayloads,
} from "./direct.ts";
import { DOC_CLIENT, DOC_SERVER, type DocClientPayloads, type DocServerPayloads } from "./doc.ts";
import { EDIT_CLIENT, EDIT_SERVER, type EditClientPayloads, type EditServerPayloads } from "./edit.ts";
import { FILE_CLIENT, FILE_SERVER, type FileClientPayloads, type FileServerPayloads } from "./file.ts";
import {
  HISTORY_CLIENT,
  HISTORY_SERVER,
  type HistoryClientPayloads,
  type HistoryServerPayloads,
} from "./history.ts";
import {
  KEY_PACKAGE_CLIENT,
  KEY_PACKAGE_SERVER,
  type KeyPackageClientPayloads,
  type KeyPackageServerPayloads,
} from "./key_packages.ts";
import {
  READ_CLIENT,
  READ_SERVER,
  type ReadClientPayloads,
  type ReadServerPayloads,
} from "./read_position.ts";
import { NOTICE_SERVER, type NoticeServerPayloads } from "./notice.ts";
import { PEER_CLIENT, PEER_SERVER, type PeerClientPayloads, type PeerServerPayloads } from "./peer.ts";
import { PING_CLIENT, PING_SERVER, type PingClientPayloads, type PingServerPayloads } from "./ping.ts";
import {
  PRESENCE_CLIENT,
  PRESENCE_SERVER,
  type PresenceClientPayloads,
  type PresenceServerPayloads,
} from "./presence.ts";
import {
  RECEIPT_CLIENT,
  RECEIPT_SERVER,
  type ReceiptClientPayloads,
  type ReceiptServerPayloads,
} from "./receipt.ts";
import {
  REPLAY_CLIENT,
  REPLAY_SERVER,
  type ReplayClientPayloads,
  type ReplayServerPayloads,
} from "./replay.ts";
import { REPORT_CLIENT, type ReportClientPayloads } from "./report.ts";
import { RPC_CLIENT, RPC_SERVER, type RpcClientPayloads, type RpcServerPayloads } from "./rpc.ts";
import {
  SETTLE_CLIENT,
  SETTLE_SERVER,
  type SettleClientPayloads,
  type SettleServerPayloads,
} from "./settle.ts";
import {
  SUBSCRIBE_CLIENT,
  SUBSCRIBE_SERVER,
  type SubscribeClientPayloads,
  type SubscribeServerPayloads,
} from "./subscribe.ts";
import {
  TYPING_CLIENT,
  TYPING_SERVER,
  type TypingClientPayloads,
  type TypingServerPayloads,
} from "./typing.ts";
import type { Schemas } from "./fields.ts";

/** The payload of each type a client sends, after the check: with defaults filled in. */
export interface ClientPayloads
  extends
    AppendClientPayloads,
    AuthClientPayloads,
    BotClientPayloads,
    ChatClientPayloads,
    DeflatedClientPayloads,
    DirectClientPayloads,
    DocClientPayloads,
    EditClientPayloads,
    FileClientPayloads,
    HistoryClientPayloads,
    ReadClientPayloads,
    PeerClientPayloads,
    KeyPackageClientPayloads,
    PingClientPayloads,
    PresenceClientPayloads,
    ReceiptClientPayloads,
    ReplayClientPayloads,
    ReportClientPayloads,
    RpcClientPayloads,
    SettleClientPayloads,
    SubscribeClientPayloads,
    TypingClientPayloads {}

/** The payload of each type a server sends. */
export interface ServerPayloads
  extends
    AppendServerPayloads,
    AuthServerPayloads,
    BotServerPayloads,
    ChatServerPayloads,
    DeflatedServerPayloads,
    DirectServerPayloads,
    DocServerPayloads,
    EditServerPayloads,
    FileServerPayloads,
    HistoryServerPayloads,
    ReadServerPayloads,
    NoticeServerPayloads,
    PeerServerPayloads,
    KeyPackageServerPayloads,
    PingServerPayloads,
    PresenceServerPayloads,
    ReceiptServerPayloads,
    ReplayServerPayloads,
    RpcServerPayloads,
    SettleServerPayloads,
    SubscribeServerPayloads,
    TypingServerPayloads {}

/** The schema of each type a client sends. Unknown fields are ignored. */
export const CLIENT_SCHEMAS: Schemas<ClientPayloads> = {
  ...APPEND_CLIENT,
  ...AUTH_CLIENT,
  ...BOT_CLIENT,
  ...CHAT_CLIENT,
  ...DEFLATED_CLIENT,
  ...DIRECT_CLIENT,
  ...DOC_CLIENT,
  ...EDIT_CLIENT,
  ...FILE_CLIENT,
  ...HISTORY_CLIENT,
  ...READ_CLIENT,
  ...PEER_CLIENT,
  ...KEY_PACKAGE_CLIENT,
  ...PING_CLIENT,
  ...PRESENCE_CLIENT,
  ...RECEIPT_CLIENT,
  ...REPLAY_CLIENT,
  ...REPORT_CLIENT,
  ...RPC_CLIENT,
  ...SETTLE_CLIENT,
  ...SUBSCRIBE_CLIENT,
  ...TYPING_CLIENT,
};

/** The schema of each type a server sends. Unknown fields are ignored. */
export const SERVER_SCHEMAS: Schemas<ServerPayloads> = {
  ...APPEND_SERVER,
  ...AUTH_SERVER,
  ...BOT_SERVER,
  ...CHAT_SERVER,
  ...DEFLATED_SERVER,
  ...DIRECT_SERVER,
  ...DOC_SERVER,
  ...EDIT_SERVER,
  ...FILE_SERVER,
  ...HISTORY_SERVER,
  ...READ_SERVER,
  ...NOTICE_SERVER,
  ...PEER_SERVER,
  ...KEY_PACKAGE_SERVER,
  ...PING_SERVER,
  ...PRESENCE_SERVER,
  ...RECEIPT_SERVER,
  ...REPLAY_SERVER,
  ...RPC_SERVER,
  ...SETTLE_SERVER,
  ...SUBSCRIBE_SERVER,
  ...TYPING_SERVER,
};
