/**
 * Every error of this library that a caller or a peer causes: one class with a code, and a few with more to say.
 * Bad options and arguments are RangeError and TypeError; an aborted signal rejects with its own reason.
 *
 * @module
 */

import type { CloseInfo } from "./types.ts";

/** What went wrong. */
export type QuicErrorCode =
  /** No connection: no such host, no answer, a bad certificate, no common ALPN. The cause says more. */
  | "dial_failed"
  /** Not within the time allowed. */
  | "timeout"
  /** The server answered and does not take this session or request; see `DialError.status`. */
  | "refused"
  /** The connection has ended; see `ConnectionEnded.info`. */
  | "connection_ended"
  /** The peer allows no more streams now. */
  | "stream_limit"
  /** The peer gave the stream up: it reset what it sent, or stopped reading. */
  | "stream_reset"
  /** The server did not take what was sent before the handshake (0-RTT): send it again on a new stream. */
  | "early_data_rejected"
  /** The stream was given up on this side. */
  | "stream_aborted"
  /** A write after `end`. */
  | "stream_ended"
  /** A write while the last one has not resolved. */
  | "write_pending"
  /** The stream ended before the bytes that were asked for. */
  | "unexpected_end"
  /** The datagram is larger than `maxDatagramSize`. */
  | "datagram_too_large"
  /** The transport carries no datagrams. */
  | "no_datagrams"
  /** The authenticator, the rate limiter, the validator or a limit refused. */
  | "rejected"
  /** The peer broke HTTP/3; see `Http3Error.h3Code`. */
  | "protocol_violation"
  /** An HTTP message is malformed; see `MessageError.status`. */
  | "malformed_message";

/** An error of this library. */
export class QuicError extends Error {
  override readonly name: string = "QuicError";
  /** What went wrong. */
  readonly code: QuicErrorCode;

  /** @param options `cause`: the runtime's own error, where there is one. */
  constructor(code: QuicErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A connection could not be made: `dial_failed`, `timeout` or `refused`. */
export class DialError extends QuicError {
  override readonly name = "DialError";
  /** HTTP status of a server that refused a WebTransport session, where the runtime tells it. */
  readonly status: number | undefined;

  /** @param status HTTP status, when the server answered. */
  constructor(
    code: "dial_failed" | "timeout" | "refused",
    message: string,
    options?: ErrorOptions & { status?: number },
  ) {
    super(code, message, options);
    this.status = options?.status;
  }
}

/** The connection has ended. Pending and later calls on it and its streams reject with this. */
export class ConnectionEnded extends QuicError {
  override readonly name = "ConnectionEnded";
  /** Who ended it, with what code and reason. */
  readonly info: CloseInfo;

  /** Says how the connection ended. */
  constructor(info: CloseInfo) {
    super(
      "connection_ended",
      `the connection has ended: ${info.by} ${info.code}${info.reason === "" ? "" : ` ${info.reason}`}`,
    );
    this.info = info;
  }
}

/** A stream failed; its connection lives. */
export class StreamError extends QuicError {
  override readonly name = "StreamError";
  /** The application's code of the peer's reset or stop, where the runtime tells it. */
  readonly resetCode: number | undefined;

  /** @param resetCode What the peer said. */
  constructor(
    code:
      | "stream_limit"
      | "stream_reset"
      | "early_data_rejected"
      | "stream_aborted"
      | "stream_ended"
      | "write_pending"
      | "unexpected_end",
    message: string,
    options?: ErrorOptions & { resetCode?: number },
  ) {
    super(code, message, options);
    this.resetCode = options?.resetCode;
  }
}

/** The `CloseInfo` of a connection that broke with `error`, without a close from either side. */
export function endedBy(error: unknown): CloseInfo {
  const reason = messageOf(error);
  return { code: 0, reason, by: /timed out/.test(reason) ? "timeout" : "error" };
}

/** The error of a stream that the transport failed with. Converted once; ours pass unchanged. */
export function streamError(cause: unknown): QuicError {
  if (cause instanceof QuicError) return cause;
  const message = messageOf(cause);
  if (/0-RTT rejected/.test(message)) return new StreamError("early_data_rejected", message, { cause });
  // Streams fail a moment before `closed` resolves.
  if (/connection (lost|closed)|timed out/.test(message)) return new ConnectionEnded(endedBy(cause));
  // Deno puts the code into the text: "reset by peer: error 7", "sending stopped by peer: error 7".
  const code = /\berror (\d+)/.exec(message)?.[1];
  return new StreamError("stream_reset", message === "" ? "the peer gave the stream up" : message, {
    cause,
    ...(code === undefined ? {} : { resetCode: Number(code) }),
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
