/**
 * What a peer is told of an error. Only a server says it, so the texts are not where a client's page would load them.
 *
 * @module
 */

import { type ErrorName, ERRORS, ProtocolError } from "./errors.ts";

/** What each error says to people, when whoever throws it says nothing else. */
export const ERROR_TEXTS: Readonly<Record<ErrorName, string>> = {
  internal: "internal error",
  unauthorized: "not authenticated",
  unknown_channel: "no such channel",
  permission_denied: "not allowed",
  unknown_type: "unknown message type",
  limit_exceeded: "limit exceeded",
  bad_request: "malformed message",
  bad_payload: "payload does not fit the message type",
  token_expired: "token expired",
  invalid_token: "token not accepted",
  rate_limited: "too many messages",
  unrecoverable_position: "history does not reach back that far",
  too_early: "not allowed before the handshake ends",
  not_available: "not available now",
  unknown_user: "no such user",
  not_subscribed: "not subscribed",
  message_too_large: "message too large",
  wrong_lane: "message type does not belong on this lane",
  unknown_bot: "no such bot is connected",
  unknown_upload: "no such upload",
  foreign_upload: "the upload is another user's",
  file_gap: "bytes before the chunk are missing",
  file_overlap: "the chunk overlaps what was sent before",
  file_beyond_end: "the chunk goes beyond the end of the file",
  file_window: "more bytes on their way than the window allows",
  file_incomplete: "the file is not as long as was said",
  file_hash_mismatch: "the bytes do not have the hash that was said",
  file_too_large: "file too large",
  file_type_refused: "files of this type are not taken",
  quota_exceeded: "no room left for this user's files",
  too_many_transfers: "too many transfers at once",
  unknown_file: "no such file",
  file_range: "the file has no such part",
  not_a_document: "the channel is no document, or a document where none may be",
  doc_out_of_order: "an operation before this one has not come whole",
  doc_full: "the document takes no operations until a snapshot is made",
  doc_snapshot_gap: "parts of the snapshot before this one are missing",
  doc_snapshot_too_large: "the snapshot is too large",
  checksum_mismatch: "the bytes do not have the checksum that was said",
  wrong_epoch: "the offset is of another epoch",
  unknown_offset: "nothing is at this offset",
  unknown_message: "no such message is kept",
  foreign_message: "the message is another user's",
  unknown_replay: "no such replay",
};

/** An error as peers and callers of the HTTP API see it: the payload of `error`. */
export interface Failure {
  readonly code: number;
  readonly name: ErrorName;
  /** For people; may change. */
  readonly message: string;
  /** Whether the same message or request may succeed later. */
  readonly temporary: boolean;
}

/** What is told of an error; of anything but a ProtocolError only that it is `internal`. */
export function failureOf(error: unknown): Failure {
  const isKnown = error instanceof ProtocolError;
  const name = isKnown ? error.error : "internal";
  const detail = isKnown ? error.detail : undefined;
  return {
    code: ERRORS[name].code,
    name,
    message: detail ?? ERROR_TEXTS[name],
    temporary: ERRORS[name].temporary,
  };
}
