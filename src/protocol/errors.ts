/**
 * The one table of error codes and the one table of close codes, for all transports.
 *
 * @module
 */

interface ErrorRow {
  readonly code: number;
  readonly temporary: boolean;
  readonly message: string;
}

/**
 * Errors answer one message and leave the connection open. `temporary` says that the same message may
 * succeed later, sent again with the same id.
 */
export const ERRORS = {
  internal: { code: 100, temporary: true, message: "internal error" },
  unauthorized: { code: 101, temporary: false, message: "not authenticated" },
  unknown_channel: { code: 102, temporary: false, message: "no such channel" },
  permission_denied: { code: 103, temporary: false, message: "not allowed" },
  unknown_type: { code: 104, temporary: false, message: "unknown message type" },
  limit_exceeded: { code: 106, temporary: false, message: "limit exceeded" },
  bad_request: { code: 107, temporary: false, message: "malformed message" },
  bad_payload: { code: 108, temporary: false, message: "payload does not fit the message type" },
  token_expired: { code: 109, temporary: true, message: "token expired" },
  invalid_token: { code: 110, temporary: false, message: "token not accepted" },
  rate_limited: { code: 111, temporary: true, message: "too many messages" },
  unrecoverable_position: { code: 112, temporary: false, message: "history does not reach back that far" },
  too_early: { code: 113, temporary: true, message: "not allowed before the handshake ends" },
  not_available: { code: 114, temporary: true, message: "not available now" },
  unknown_user: { code: 115, temporary: false, message: "no such user" },
  not_subscribed: { code: 116, temporary: false, message: "not subscribed" },
  message_too_large: { code: 117, temporary: false, message: "message too large" },
  wrong_lane: { code: 118, temporary: false, message: "message type does not belong on this lane" },
  unknown_bot: { code: 119, temporary: true, message: "no such bot is connected" },
  unknown_upload: { code: 130, temporary: false, message: "no such upload" },
  foreign_upload: { code: 131, temporary: false, message: "the upload is another user's" },
  file_gap: { code: 132, temporary: false, message: "bytes before the chunk are missing" },
  file_overlap: { code: 133, temporary: false, message: "the chunk overlaps what was sent before" },
  file_beyond_end: { code: 134, temporary: false, message: "the chunk goes beyond the end of the file" },
  file_window: { code: 135, temporary: false, message: "more bytes on their way than the window allows" },
  file_incomplete: { code: 136, temporary: false, message: "the file is not as long as was said" },
  file_hash_mismatch: {
    code: 137,
    temporary: false,
    message: "the bytes do not have the hash that was said",
  },
  file_too_large: { code: 138, temporary: false, message: "file too large" },
  file_type_refused: { code: 139, temporary: false, message: "files of this type are not taken" },
  quota_exceeded: { code: 140, temporary: false, message: "no room left for this user's files" },
  too_many_transfers: { code: 141, temporary: true, message: "too many transfers at once" },
  unknown_file: { code: 142, temporary: false, message: "no such file" },
  file_range: { code: 143, temporary: false, message: "the file has no such part" },
  not_a_document: {
    code: 150,
    temporary: false,
    message: "the channel is no document, or a document where none may be",
  },
  doc_out_of_order: {
    code: 151,
    temporary: true,
    message: "an operation before this one has not come whole",
  },
  doc_full: {
    code: 152,
    temporary: true,
    message: "the document takes no operations until a snapshot is made",
  },
  doc_snapshot_gap: {
    code: 153,
    temporary: false,
    message: "parts of the snapshot before this one are missing",
  },
  doc_snapshot_too_large: { code: 154, temporary: false, message: "the snapshot is too large" },
  checksum_mismatch: {
    code: 155,
    temporary: true,
    message: "the bytes do not have the checksum that was said",
  },
  wrong_epoch: { code: 156, temporary: false, message: "the offset is of another epoch" },
  unknown_offset: { code: 157, temporary: false, message: "nothing is at this offset" },
  unknown_message: { code: 158, temporary: false, message: "no such message is kept" },
  foreign_message: { code: 159, temporary: false, message: "the message is another user's" },
  unknown_replay: { code: 160, temporary: false, message: "no such replay" },
} as const satisfies Record<string, ErrorRow>;

/** The name of an error in the table. */
export type ErrorName = keyof typeof ERRORS;

interface CloseRow {
  readonly code: number;
  readonly reason: string;
}

/**
 * A close ends the connection. 1000 is a normal end; 3000 to 3499 ask the client to reconnect, 3500 to
 * 3999 ask it not to.
 */
export const CLOSES = {
  normal: { code: 1000, reason: "normal" },
  shutdown: { code: 3001, reason: "shutdown" },
  internal: { code: 3004, reason: "internal error" },
  token_expired: { code: 3005, reason: "token expired" },
  transport_disabled: { code: 3006, reason: "transport disabled" },
  slow_consumer: { code: 3008, reason: "slow consumer" },
  moved: { code: 3010, reason: "moved" },
  no_pong: { code: 3012, reason: "no pong" },
  rate_limited: { code: 3013, reason: "rate limited" },
  invalid_token: { code: 3500, reason: "invalid token" },
  bad_request: { code: 3501, reason: "bad request" },
  replaced: { code: 3503, reason: "replaced" },
  connection_limit: { code: 3504, reason: "connection limit" },
  auth_timeout: { code: 3506, reason: "authentication timeout" },
  message_too_large: { code: 3507, reason: "message too large" },
  forced: { code: 3508, reason: "disconnected by the server" },
} as const satisfies Record<string, CloseRow>;

/** The name of a close in the table. */
export type CloseName = keyof typeof CLOSES;

/** Whether a client told this close code should connect again. */
export function shouldReconnect(code: number): boolean {
  return code < 3500 || code > 3999;
}

/** A failure that is answered with an `error` message; the connection lives. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly error: ErrorName;

  /** `detail` is shown to the peer: never put a token or a payload in it. */
  constructor(error: ErrorName, detail?: string, options?: ErrorOptions) {
    super(detail ?? ERRORS[error].message, options);
    this.error = error;
  }

  /** The number of the table. */
  get code(): number {
    return ERRORS[this.error].code;
  }

  /** Whether the same message may succeed later. */
  get temporary(): boolean {
    return ERRORS[this.error].temporary;
  }
}

/** A failure that ends the connection with a code of the table. */
export class CloseError extends Error {
  override readonly name = "CloseError";
  readonly close: CloseName;

  /** `detail` goes into the close reason: never put a token or a payload in it. */
  constructor(close: CloseName, detail?: string, options?: ErrorOptions) {
    super(detail ?? CLOSES[close].reason, options);
    this.close = close;
  }

  /** The number of the table. */
  get code(): number {
    return CLOSES[this.close].code;
  }
}
