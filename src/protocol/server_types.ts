/**
 * The table of what a server may send: how each type waits for a client that reads slower than it comes.
 *
 * @module
 */

import type { Message } from "./message.ts";
import { NORMAL, priorityOf } from "./priority.ts";

/**
 * How a type waits for a slow client.
 *
 * - `reply`: it comes only as the answer to a message of the client's. Never dropped.
 * - `notice`: it may come without having been asked for. Never dropped.
 * - `kept`: it is one of a channel's deliveries in order: kept messages, their replays, parts of a snapshot. When the
 *   channel is stopped for a slow client, those that wait are dropped, and the client is told (`discontinuity`).
 * - `ephemeral`: it may be dropped. Each counts: none replaces another.
 * - `Latest`: only the newest counts. It may be dropped.
 */
export type DeliveryPolicy = "reply" | "notice" | "kept" | "ephemeral" | Latest;

/** A message replaces one that waits when both are of the same group and have the same values in these fields. */
export interface Latest {
  /** Fields of the payload. */
  readonly latest: readonly string[];
  /** Types of one group replace one another. */
  readonly group: string;
}

/** Which channels keep messages of a type: `document` is `doc:*`, `inbox` is `user:*`. */
export type KeptIn = "conversation" | "document" | "inbox" | "broadcast";

/** How a type that servers send is treated. */
export interface ServerRow {
  readonly delivery: DeliveryPolicy;
  /** Sent as a datagram where it fits into one. */
  readonly datagram?: true;
  /** Messages of this type are published and kept in these channels. @default they are never published */
  readonly keptIn?: KeptIn;
  /** A kept message that others have to read: it counts as unread. */
  readonly unread?: true;
}

/** A type that only answers. */
const REPLY = { delivery: "reply" } as const;
/** A type that is never dropped. */
const NOTICE = { delivery: "notice" } as const;
/** A type of a channel's deliveries. */
const KEPT = { delivery: "kept" } as const;

/** The table. `serverRow` looks a type up. */
export const SERVER_TYPES = {
  auth_response: REPLY,
  deflated: NOTICE,
  pong: REPLY,
  error: NOTICE,
  close: NOTICE,
  server_notice: NOTICE,
  server_message: NOTICE,
  subscribed: NOTICE,
  unsubscribed: NOTICE,
  history_response: REPLY,
  presence_response: REPLY,
  client_list_response: REPLY,
  user_online: { delivery: { latest: ["channel", "userId"], group: "presence" } },
  user_offline: { delivery: { latest: ["channel", "userId"], group: "presence" } },
  message_ack: REPLY,
  chat_message: { ...KEPT, keptIn: "conversation", unread: true },
  chat_edit: { ...KEPT, keptIn: "conversation" },
  chat_delete: { ...KEPT, keptIn: "conversation" },
  message_append: KEPT,
  message_appended: REPLY,
  direct_message: { ...KEPT, keptIn: "inbox", unread: true },
  broadcast: { ...KEPT, keptIn: "broadcast", unread: true },
  received_response: REPLY,
  delivered: { ...KEPT, keptIn: "inbox" },
  typing_start: { delivery: { latest: ["channel", "from"], group: "typing" }, datagram: true },
  typing_stop: { delivery: { latest: ["channel", "from"], group: "typing" }, datagram: true },
  read_position: { delivery: { latest: ["channel"], group: "read_position" } },
  unread_response: REPLY,
  settled: REPLY,
  replay_started: REPLY,
  replay_message: KEPT,
  replay_ended: NOTICE,
  bot_command: NOTICE,
  bot_response: NOTICE,
  bot_taken: REPLY,
  bot_listed: REPLY,
  rpc_response: REPLY,
  file_upload_ready: REPLY,
  file_chunk_ack: NOTICE,
  file_uploaded: REPLY,
  file_upload_cancelled: REPLY,
  file_download_ready: REPLY,
  file_data: REPLY,
  file_link_response: REPLY,
  file_deleted: REPLY,
  doc_opened: REPLY,
  doc_op: { ...KEPT, keptIn: "document" },
  doc_op_given_up: { ...KEPT, keptIn: "document" },
  doc_nack: REPLY,
  doc_snapshot: KEPT,
  doc_snapshot_ack: REPLY,
  doc_awareness: {
    delivery: { latest: ["channel", "session"], group: "doc_awareness" },
    datagram: true,
  },
  doc_closed: REPLY,
  doc_deleted: REPLY,
  peer_announced: REPLY,
  peer_offer: NOTICE,
  peer_answer: NOTICE,
  peer_candidate: NOTICE,
  peer_close: NOTICE,
  peer_sent: REPLY,
  peer_relay_credentials_response: REPLY,
  key_packages_published: REPLY,
  key_packages_claimed: REPLY,
  key_packages_removed: REPLY,
  key_packages_low: { delivery: { latest: ["device"], group: "key_packages_low" } },
} as const satisfies Record<string, ServerRow>;

/** A type a server may send. */
export type ServerType = keyof typeof SERVER_TYPES;
/** A type of message that channels keep. */
export type KeptType = {
  [T in ServerType]: (typeof SERVER_TYPES)[T] extends { keptIn: KeptIn } ? T : never;
}[ServerType];

const TABLE: ReadonlyMap<string, ServerRow> = new Map<string, ServerRow>(Object.entries(SERVER_TYPES));

/** The row of a type. */
export function serverRow(type: ServerType): ServerRow;
/** The row of a type; undefined: this version sends no such type of its own. */
export function serverRow(type: string): ServerRow | undefined;
export function serverRow(type: string): ServerRow | undefined {
  return TABLE.get(type);
}

/** How one message waits for a slow client. */
export interface Queueing {
  /**
   * `always`: it is never dropped. `channel`: it is dropped when the channel `key` is stopped. `latest`: it may be
   * dropped, and a newer one with the same `key` replaces it. `ephemeral`: it may be dropped.
   */
  readonly policy: "always" | "channel" | "latest" | "ephemeral";
  readonly key: string;
  /** It is sent as a datagram where it fits into one. */
  readonly datagram: boolean;
  /** Decides the order among what waits on one lane: `priority.ts`. */
  readonly priority: number;
}

const ALWAYS: Queueing = { policy: "always", key: "", datagram: false, priority: NORMAL };
const EPHEMERAL = [false, true].map((datagram): Queueing => ({
  policy: "ephemeral",
  key: "",
  datagram,
  priority: NORMAL,
}));

/**
 * How `message` waits for a slow client: what its row says. A reply is never dropped, whatever its type. A type without
 * a row, which a newer version may keep or send, is a channel's delivery when it has an offset there.
 */
export function queueingOf({ type, re, payload }: Message): Queueing {
  if (re !== undefined) return ALWAYS;
  const row = TABLE.get(type);
  const delivery = row?.delivery ?? (typeof payload.offset === "number" ? "kept" : "notice");
  if (delivery === "kept") {
    const { channel } = payload;
    if (typeof channel !== "string") return ALWAYS;
    return { policy: "channel", key: channel, datagram: false, priority: priorityOf(payload.priority) };
  }
  const datagram = row?.datagram === true;
  if (delivery === "ephemeral") return EPHEMERAL[Number(datagram)]!;
  if (typeof delivery === "string") return ALWAYS;
  // No group and none of these values holds a space.
  let key = delivery.group;
  for (const field of delivery.latest) key += ` ${payload[field]}`;
  return { policy: "latest", key, datagram, priority: NORMAL };
}
