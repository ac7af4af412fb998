/**
 * The one table of error codes and the one table of close codes, for all transports.
 *
 * @module
 */

interface ErrorRow {
  readonly code: number;
  readonly temporary: boolean;
  /** For people, when nothing else is said. */
  readonly text: string;
}

/**
 * Errors answer one message and leave the connection open. `temporary`: the same message, sent again with the same id,
 * may succeed later.
 */
export const ERRORS = {
  internal: { code: 100, temporary: true, text: "internal error" },
  unauthorized: { code: 101, temporary: false, text: "not authenticated" },
  unknown_channel: { code: 102, temporary: false, text: "no such channel" },
  permission_denied: { code: 103, temporary: false, text: "not allowed" },
  unknown_type: { code: 104, temporary: false, text: "unknown message type" },
  limit_exceeded: { code: 106, temporary: false, text: "limit exceeded" },
  bad_request: { code: 107, temporary: false, text: "malformed message" },
  bad_payload: { code: 108, temporary: false, text: "payload does not fit the message type" },
  token_expired: { code: 109, temporary: true, text: "token expired" },
  invalid_token: { code: 110, temporary: false, text: "token not accepted" },
  rate_limited: { code: 111, temporary: true, text: "too many messages" },
  unrecoverable_position: { code: 112, temporary: false, text: "history does not reach back that far" },
  too_early: { code: 113, temporary: true, text: "not allowed before the handshake ends" },
  not_available: { code: 114, temporary: true, text: "not available now" },
  unknown_user: { code: 115, temporary: false, text: "no such user" },
  not_subscribed: { code: 116, temporary: false, text: "not subscribed" },
  message_too_large: { code: 117, temporary: false, text: "message too large" },
  wrong_lane: { code: 118, temporary: false, text: "message type does not belong on this lane" },
  unknown_bot: { code: 119, temporary: true, text: "no such bot is connected" },
  out_of_order: { code: 120, temporary: true, text: "the message before this one was not taken" },
  unknown_command: { code: 121, temporary: false, text: "no such command" },
  bad_arguments: { code: 122, temporary: false, text: "the arguments do not fit the command" },
  command_over: { code: 123, temporary: false, text: "no such command waits for an answer of this bot" },
  unknown_method: { code: 125, temporary: false, text: "no such method" },
  unknown_upload: { code: 130, temporary: false, text: "no such upload" },
  foreign_upload: { code: 131, temporary: false, text: "the upload is another user's" },
  file_gap: { code: 132, temporary: false, text: "bytes before the chunk are missing" },
  file_overlap: { code: 133, temporary: false, text: "the chunk overlaps what was sent before" },
  file_beyond_end: { code: 134, temporary: false, text: "the chunk goes beyond the end of the file" },
  file_window: { code: 135, temporary: false, text: "more bytes on their way than the window allows" },
  file_incomplete: { code: 136, temporary: false, text: "the file is not as long as was said" },
  file_hash_mismatch: { code: 137, temporary: false, text: "the bytes do not have the hash that was said" },
  file_too_large: { code: 138, temporary: false, text: "file too large" },
  file_type_refused: { code: 139, temporary: false, text: "files of this type are not taken" },
  quota_exceeded: { code: 140, temporary: false, text: "no room left for this user's files" },
  too_many_transfers: { code: 141, temporary: true, text: "too many transfers at once" },
  unknown_file: { code: 142, temporary: false, text: "no such file" },
  file_range: { code: 143, temporary: false, text: "the file has no such part" },
  not_a_document: {
    code: 150,
    temporary: false,
    text: "the channel is no document, or a document where none may be",
  },
  doc_out_of_order: { code: 151, temporary: true, text: "an operation before this one has not come whole" },
  doc_full: { code: 152, temporary: true, text: "the document takes no operations until a snapshot is made" },
  doc_snapshot_gap: {
    code: 153,
    temporary: false,
    text: "parts of the snapshot before this one are missing",
  },
  doc_snapshot_too_large: { code: 154, temporary: false, text: "the snapshot is too large" },
  checksum_mismatch: { code: 155, temporary: true, text: "the bytes do not have the checksum that was said" },
  wrong_epoch: { code: 156, temporary: false, text: "the offset is of another epoch" },
  unknown_offset: { code: 157, temporary: false, text: "nothing is at this offset" },
  unknown_message: { code: 158, temporary: false, text: "no such message is kept" },
  foreign_message: { code: 159, temporary: false, text: "the message is another user's" },
  unknown_replay: { code: 160, temporary: false, text: "no such replay" },
  doc_op_too_large: {
    code: 161,
    temporary: false,
    text: "the operation is larger than a document may wait for",
  },
  doc_op_given_up: {
    code: 162,
    temporary: false,
    text: "parts of the operation came too late, none of them counts",
  },
  stream_ended: { code: 163, temporary: false, text: "the message does not grow, or no more" },
  stream_gap: { code: 164, temporary: false, text: "a piece before this one is missing" },
  unknown_peer: { code: 170, temporary: true, text: "no such peer is connected" },
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
  connection_limit: { code: 3014, reason: "too many connections" },
  invalid_token: { code: 3500, reason: "invalid token" },
  bad_request: { code: 3501, reason: "bad request" },
  replaced: { code: 3503, reason: "replaced" },
  auth_timeout: { code: 3506, reason: "authentication timeout" },
  message_too_large: { code: 3507, reason: "message too large" },
  forced: { code: 3508, reason: "disconnected by the server" },
} as const satisfies Record<string, CloseRow>;

/** The name of a close in the table. */
export type CloseName = keyof typeof CLOSES;

/** The codes alone: a page that loads the SDK does not load the reasons. */
export const CLOSE_CODES = {
  normal: 1000,
  shutdown: 3001,
  internal: 3004,
  token_expired: 3005,
  transport_disabled: 3006,
  slow_consumer: 3008,
  moved: 3010,
  no_pong: 3012,
  rate_limited: 3013,
  connection_limit: 3014,
  invalid_token: 3500,
  bad_request: 3501,
  replaced: 3503,
  auth_timeout: 3506,
  message_too_large: 3507,
  forced: 3508,
} as const satisfies { [N in CloseName]: typeof CLOSES[N]["code"] };

/** Whether a client should connect again after this close code. */
export function shouldReconnect(code: number): boolean {
  return code < 3500 || code > 3999;
}

/**
 * A failure that is answered with an `error` message; the connection lives. It names its row of `ERRORS` and does not
 * refer to the table, so that a page that loads the SDK does not load the table.
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly error: ErrorName;
  /** More than the name says, when there is more to say. */
  readonly detail: string | undefined;
  /** Milliseconds after which the same may succeed; undefined: not known. */
  readonly retryAfter: number | undefined;
  /** What may have been meant. @default not known */
  readonly suggestions: readonly string[] | undefined;

  /** `detail` is shown to the peer: never put a token or a payload in it. */
  constructor(
    error: ErrorName,
    detail?: string,
    options: ErrorOptions & { retryAfter?: number; suggestions?: readonly string[] } = {},
  ) {
    super(detail ?? error.replaceAll("_", " "), options);
    this.error = error;
    this.detail = detail;
    this.retryAfter = options.retryAfter;
    this.suggestions = options.suggestions;
  }
}

/** A failure that ends the connection with a code of the table. As `ProtocolError` it does not load the table. */
export class CloseError extends Error {
  override readonly name = "CloseError";
  readonly close: CloseName;
  /** More than the table says, when there is more to say. */
  readonly detail: string | undefined;

  /** `detail` goes into the close reason: never put a token or a payload in it. */
  constructor(close: CloseName, detail?: string, options?: ErrorOptions) {
    super(detail ?? close.replaceAll("_", " "), options);
    this.close = close;
    this.detail = detail;
  }

  /** The number of the table. */
  get code(): number {
    return CLOSE_CODES[this.close];
  }
}
