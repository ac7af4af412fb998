/**
 * The one envelope every message travels in, on every transport.
 *
 * @module
 */

/** A payload: a JSON object. Binary fields are bytes in MessagePack and base64 text in JSON. */
export type Payload = Record<string, unknown>;

/** A message as it stands on the wire. */
export interface Message<P extends Payload = Payload> {
  /** What it is, in snake_case: `chat_message`, `ping`, ... */
  type: string;
  /** Made by the sender, unique for that sender; a UUIDv7 by convention, 1 to 64 printable ASCII characters. */
  id: string;
  /** Milliseconds since the Unix epoch at the sender. */
  timestamp: number;
  /** In a reply: the `id` of the message it answers. */
  re?: string;
  /** What it says: `ClientPayloads` and `ServerPayloads` tell by type. */
  payload: P;
}

/** How a connection's frames are written: the form the client used first. */
export type Form = "json" | "msgpack";

/** Everything a client may send. Replies and pushes have types of their own. */
export const CLIENT_TYPES = [
  "auth_request",
  "auth_refresh",
  "ping",
  "subscribe",
  "unsubscribe",
  "chat_message",
  "direct_message",
  "broadcast",
  "typing_start",
  "typing_stop",
  "history",
  "presence",
  "client_list",
  "bot_command",
  "bot_response",
  "client_report",
  "file_upload_start",
  "file_chunk",
  "file_upload_complete",
  "file_upload_cancel",
  "file_download",
  "file_download_cancel",
  "file_link",
  "chat_edit",
  "chat_delete",
  "read_up_to",
  "unread",
  "replay",
  "replay_stop",
  "doc_open",
  "doc_op",
  "doc_nack",
  "doc_snapshot",
  "doc_awareness",
  "doc_close",
] as const;

/** Everything a server may send. */
export const SERVER_TYPES = [
  "auth_response",
  "pong",
  "error",
  "subscribed",
  "unsubscribed",
  "message_ack",
  "chat_message",
  "direct_message",
  "broadcast",
  "typing_start",
  "typing_stop",
  "user_online",
  "user_offline",
  "history_response",
  "presence_response",
  "client_list_response",
  "bot_command",
  "bot_response",
  "server_notice",
  "close",
  "file_upload_ready",
  "file_chunk_ack",
  "file_uploaded",
  "file_upload_cancelled",
  "file_download_ready",
  "file_data",
  "file_link_response",
  "chat_edit",
  "chat_delete",
  "read_marks",
  "unread_response",
  "replay_started",
  "replay_message",
  "replay_ended",
  "doc_opened",
  "doc_op",
  "doc_nack",
  "doc_snapshot",
  "doc_snapshot_ack",
  "doc_awareness",
  "doc_closed",
] as const;

/** A type a client may send. */
export type ClientType = typeof CLIENT_TYPES[number];
/** A type a server may send. */
export type ServerType = typeof SERVER_TYPES[number];
