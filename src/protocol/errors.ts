/**
 * The one table of error codes and the one table of close codes, for all transports.
 *
 * @module
 */

interface ErrorRow {
  readonly code: number;
  readonly temporary: boolean;
}

/**
 * Errors answer one message and leave the connection open. `temporary` says that the same message may
 * succeed later, sent again with the same id.
 */
export const ERRORS = {
  internal: { code: 100, temporary: true },
  unauthorized: { code: 101, temporary: false },
  unknown_channel: { code: 102, temporary: false },
  permission_denied: { code: 103, temporary: false },
  unknown_type: { code: 104, temporary: false },
  limit_exceeded: { code: 106, temporary: false },
  bad_request: { code: 107, temporary: false },
  bad_payload: { code: 108, temporary: false },
  token_expired: { code: 109, temporary: true },
  invalid_token: { code: 110, temporary: false },
  rate_limited: { code: 111, temporary: true },
  unrecoverable_position: { code: 112, temporary: false },
  too_early: { code: 113, temporary: true },
  not_available: { code: 114, temporary: true },
  unknown_user: { code: 115, temporary: false },
  not_subscribed: { code: 116, temporary: false },
  message_too_large: { code: 117, temporary: false },
  wrong_lane: { code: 118, temporary: false },
  unknown_bot: { code: 119, temporary: true },
  unknown_upload: { code: 130, temporary: false },
  foreign_upload: { code: 131, temporary: false },
  file_gap: { code: 132, temporary: false },
  file_overlap: { code: 133, temporary: false },
  file_beyond_end: { code: 134, temporary: false },
  file_window: { code: 135, temporary: false },
  file_incomplete: { code: 136, temporary: false },
  file_hash_mismatch: { code: 137, temporary: false },
  file_too_large: { code: 138, temporary: false },
  file_type_refused: { code: 139, temporary: false },
  quota_exceeded: { code: 140, temporary: false },
  too_many_transfers: { code: 141, temporary: true },
  unknown_file: { code: 142, temporary: false },
  file_range: { code: 143, temporary: false },
  not_a_document: { code: 150, temporary: false },
  doc_out_of_order: { code: 151, temporary: true },
  doc_full: { code: 152, temporary: true },
  doc_snapshot_gap: { code: 153, temporary: false },
  doc_snapshot_too_large: { code: 154, temporary: false },
  checksum_mismatch: { code: 155, temporary: true },
  wrong_epoch: { code: 156, temporary: false },
  unknown_offset: { code: 157, temporary: false },
  unknown_message: { code: 158, temporary: false },
  foreign_message: { code: 159, temporary: false },
  unknown_replay: { code: 160, temporary: false },
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
  /** What was said beyond the name. */
  readonly detail: string | undefined;

  /** `detail` is shown to the peer: never put a token or a payload in it. */
  constructor(error: ErrorName, detail?: string, options?: ErrorOptions) {
    super(detail ?? error.replaceAll("_", " "), options);
    this.error = error;
    this.detail = detail;
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
