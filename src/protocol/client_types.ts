/**
 * The table of what a client may send. A row says how a type is treated; everything that treats types differently asks
 * it. What is answered is in `server_types.ts`. PROTOCOL.md §7 shows the same table.
 *
 * @module
 */

import { classOfChannel, type LaneClass, laneClass } from "./lanes.ts";
import type { ServerType } from "./server_types.ts";

/** How a type that clients send is treated. */
export interface ClientRow {
  /**
   * The lanes it may come on, beside lane 0. `channel`: those of the channel that the payload names; without a channel
   * lane 0 alone.
   */
  readonly lane: LaneClass | "channel";
  /**
   * The type that answers it when all is well; without one there is no answer. `message_ack`: it is committed then, and
   * a client keeps the message until it comes.
   */
  readonly answer?: ServerType;
  /** Acting on it twice has the effect of acting once, so it may come as early data, which can be replayed. */
  readonly idempotent?: true;
  /** It may come as a datagram. */
  readonly datagram?: true;
  /**
   * The type that somebody else may send because of it, with `re` set to its id, now or much later. Nobody waits for it:
   * an application gets it like what comes unasked.
   */
  readonly response?: ServerType;
  /** It is about a download: a client sends it on another lane than what is about uploads, not to wait behind chunks. */
  readonly download?: true;
  /** It keeps a connection up or measures it: nobody notices when it waits, so uploads need not make room for it. */
  readonly upkeep?: true;
  /**
   * Bytes in its payload are lent to the handler: views of a buffer that is used again once the handler has returned.
   * One copy less of all that is uploaded saves a fifth of the cost of an upload.
   */
  readonly lent?: true;
}

/** The table. `clientRow` looks a type up. */
export const CLIENT_TYPES = {
  auth_request: { lane: "control", answer: "auth_response", idempotent: true },
  auth_refresh: { lane: "control", answer: "auth_response" },
  deflated: { lane: "control" },
  ping: { lane: "control", answer: "pong", idempotent: true, datagram: true, upkeep: true },
  client_report: { lane: "control", upkeep: true },
  subscribe: { lane: "channel", answer: "subscribed", idempotent: true },
  unsubscribe: { lane: "channel", answer: "unsubscribed", idempotent: true },
  history: { lane: "channel", answer: "history_response", idempotent: true },
  presence: { lane: "channel", answer: "presence_response", idempotent: true },
  client_list: { lane: "control", answer: "client_list_response", idempotent: true },
  chat_message: { lane: "channel", answer: "message_ack", idempotent: true },
  chat_edit: { lane: "channel", answer: "message_ack", idempotent: true },
  chat_delete: { lane: "channel", answer: "message_ack", idempotent: true },
  message_append: { lane: "channel", answer: "message_appended", idempotent: true },
  direct_message: { lane: "control", answer: "message_ack", idempotent: true },
  broadcast: { lane: "control", answer: "message_ack", idempotent: true },
  received: { lane: "control", answer: "received_response", idempotent: true },
  typing_start: { lane: "channel", idempotent: true, datagram: true },
  typing_stop: { lane: "channel", idempotent: true, datagram: true },
  read_up_to: { lane: "channel", answer: "read_position", idempotent: true },
  unread: { lane: "control", answer: "unread_response", idempotent: true },
  settle: { lane: "control", answer: "settled", idempotent: true },
  replay: { lane: "channel", answer: "replay_started" },
  replay_stop: { lane: "channel" },
  bot_command: { lane: "bot", response: "bot_response" },
  bot_response: { lane: "bot", answer: "bot_taken" },
  bot_register: { lane: "bot", answer: "bot_taken" },
  bot_commands: { lane: "bot", answer: "bot_listed" },
  rpc: { lane: "bot", answer: "rpc_response" },
  file_upload_start: { lane: "file", answer: "file_upload_ready" },
  file_chunk: { lane: "file", lent: true },
  file_upload_complete: { lane: "file", answer: "file_uploaded" },
  file_upload_cancel: { lane: "file", answer: "file_upload_cancelled" },
  file_download: { lane: "file", answer: "file_download_ready", download: true },
  file_download_cancel: { lane: "file", download: true },
  file_link: { lane: "file", answer: "file_link_response", idempotent: true },
  file_delete: { lane: "file", answer: "file_deleted", idempotent: true },
  doc_open: { lane: "document", answer: "doc_opened", idempotent: true },
  doc_op: { lane: "document", answer: "message_ack", idempotent: true },
  doc_nack: { lane: "document", idempotent: true },
  doc_snapshot: { lane: "document", answer: "doc_snapshot_ack" },
  doc_awareness: { lane: "document", idempotent: true, datagram: true },
  doc_close: { lane: "document", answer: "doc_closed", idempotent: true },
  doc_delete: { lane: "document", answer: "doc_deleted", idempotent: true },
  peer_announce: { lane: "control", answer: "peer_announced", idempotent: true },
  peer_offer: { lane: "control", answer: "peer_sent", idempotent: true },
  peer_answer: { lane: "control", answer: "peer_sent", idempotent: true },
  peer_candidate: { lane: "control", answer: "peer_sent", idempotent: true },
  peer_close: { lane: "control", answer: "peer_sent", idempotent: true },
  peer_relay_credentials: {
    lane: "control",
    answer: "peer_relay_credentials_response",
    idempotent: true,
  },
  peer_report: { lane: "control", upkeep: true },
  key_packages_publish: { lane: "control", answer: "key_packages_published", idempotent: true },
  key_packages_claim: { lane: "control", answer: "key_packages_claimed" },
  key_packages_remove: { lane: "control", answer: "key_packages_removed", idempotent: true },
} as const satisfies Record<string, ClientRow>;

/** A type a client may send. */
export type ClientType = keyof typeof CLIENT_TYPES;
/** The types that have an answer. */
export type AnsweredType = {
  [T in ClientType]: (typeof CLIENT_TYPES)[T] extends { answer: ServerType } ? T : never;
}[ClientType];
/** The types that have no answer. */
export type UnansweredType = Exclude<ClientType, AnsweredType>;
/** The type that answers `T`. */
export type AnswerType<T extends AnsweredType> = (typeof CLIENT_TYPES)[T]["answer"];
/** The types that are kept until they are acknowledged. */
export type AcknowledgedType = {
  [T in AnsweredType]: AnswerType<T> extends "message_ack" ? T : never;
}[AnsweredType];

const TABLE: ReadonlyMap<string, ClientRow> = new Map(Object.entries(CLIENT_TYPES));

/** The row of a type. */
export function clientRow(type: ClientType): ClientRow;
/** The row of a type; undefined: no client sends it. */
export function clientRow(type: string): ClientRow | undefined;
export function clientRow(type: string): ClientRow | undefined {
  return TABLE.get(type);
}

/** Whether messages of `type` are kept until they are acknowledged, and sent again. */
export function isAcknowledged(type: string): type is AcknowledgedType {
  return clientRow(type)?.answer === "message_ack";
}

/** Which class of lanes a message of `type` about `channel` belongs on. */
export function classOfType(type: string, channel?: string): LaneClass {
  const lane = clientRow(type)?.lane ?? "control";
  if (lane !== "channel") return lane;
  return channel === undefined ? "control" : classOfChannel(channel);
}

/** Whether a message of `type` about `channel` may come on `lane`. One that may not is answered with `wrong_lane`. */
export function laneAllows(lane: number, type: string, channel?: string): boolean {
  return lane === 0 || classOfType(type, channel) === laneClass(lane);
}
