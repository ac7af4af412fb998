/**
 * HTTP/3 and QPACK error codes (RFC 9114 §8.1, RFC 9204 §6, RFC 9297 §5.2) and the two errors a peer can cause.
 *
 * @module
 */

import { QuicError } from "../errors.ts";

/** Codes by name. */
export const H3 = {
  DATAGRAM_ERROR: 0x33,
  NO_ERROR: 0x100,
  GENERAL_PROTOCOL_ERROR: 0x101,
  INTERNAL_ERROR: 0x102,
  STREAM_CREATION_ERROR: 0x103,
  CLOSED_CRITICAL_STREAM: 0x104,
  FRAME_UNEXPECTED: 0x105,
  FRAME_ERROR: 0x106,
  EXCESSIVE_LOAD: 0x107,
  ID_ERROR: 0x108,
  SETTINGS_ERROR: 0x109,
  MISSING_SETTINGS: 0x10a,
  MESSAGE_ERROR: 0x10e,
  QPACK_DECOMPRESSION_FAILED: 0x200,
  QPACK_ENCODER_STREAM_ERROR: 0x201,
  QPACK_DECODER_STREAM_ERROR: 0x202,
} as const;

/** A violation by the peer that ends its connection with `h3Code`. */
export class Http3Error extends QuicError {
  override readonly name = "Http3Error";
  /** One of `H3`. */
  readonly h3Code: number;

  constructor(h3Code: number, message: string) {
    super("protocol_violation", message);
    this.h3Code = h3Code;
  }
}

/** A malformed message: answered with `status`, the connection goes on. */
export class MessageError extends QuicError {
  override readonly name = "MessageError";
  /** HTTP status, 400 to 599. */
  readonly status: number;

  constructor(status: number, message: string) {
    super("malformed_message", message);
    this.status = status;
  }
}
