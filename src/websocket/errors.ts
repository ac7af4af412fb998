/**
 * What ends a WebSocket: the close codes of RFC 6455 §7.4 that this layer uses, and the error that carries one.
 *
 * @module
 */

/** Close codes (RFC 6455 §7.4.1). */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  /** Never on the wire: the peer's close frame had no code. */
  noStatus: 1005,
  /** Never on the wire: the connection ended without a close frame. */
  abnormal: 1006,
  invalidData: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
} as const;

/** The peer broke the protocol or a limit. The connection is to be closed with `code`. */
export class WebSocketError extends Error {
  override readonly name = "WebSocketError";
  /** A close code. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Whether a peer may send this close code (RFC 6455 §7.4.2: 1004 to 1006 and 1015 are reserved). */
export function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) ||
    (code >= 3000 && code <= 4999);
}
