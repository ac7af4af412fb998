/**
 * What the SDK rejects with.
 *
 * @module
 */

import type { ErrorName, ErrorPayload } from "../protocol/mod.ts";

/**
 * Names of failures that are the client's own: `timeout` no answer in time, `closed` the client was closed or told
 * not to come back, `connection_lost` the transport ended, `outbox_full` too much waits, `dropped` given up for newer
 * messages, `no_transport` nothing to dial with, `no_token` `getToken` failed, `storage` the outbox cannot be kept,
 * `slow_reader` an async iterable was not read in time, `bad_argument` a call that makes no sense.
 */
export type ClientErrorName =
  | "timeout"
  | "closed"
  | "connection_lost"
  | "outbox_full"
  | "dropped"
  | "no_transport"
  | "no_token"
  | "storage"
  | "slow_reader"
  | "bad_argument";

/** A failure of the SDK, or an `error` of the server. */
export class SkeinError extends Error {
  override readonly name = "SkeinError";
  /** The server's error name, or one of the client's own. */
  readonly error: ErrorName | ClientErrorName;
  /** The server's error or close code; 0 for the client's own. */
  readonly code: number;
  /** The same may succeed later. */
  readonly temporary: boolean;
  /** Milliseconds the server asks to wait before that. */
  readonly retryAfter: number | undefined;
  /** The id of the message that the server refused, when nobody waited for its answer. */
  readonly re: string | undefined;

  constructor(
    error: ErrorName | ClientErrorName,
    message: string,
    options: {
      code?: number;
      temporary?: boolean;
      retryAfter?: number | undefined;
      re?: string | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.error = error;
    this.code = options.code ?? 0;
    this.temporary = options.temporary ?? false;
    this.retryAfter = options.retryAfter;
    this.re = options.re;
  }

  /** What may go well when it is tried again. */
  static temporary(error: ErrorName | ClientErrorName, message: string): SkeinError {
    return new SkeinError(error, message, { temporary: true });
  }

  /** The client was closed by the application. */
  static closed(): SkeinError {
    return new SkeinError("closed", "the client was closed");
  }

  /** What the server said; `re`: of which message. */
  static from({ name, message, code, temporary, retryAfter }: ErrorPayload, re?: string): SkeinError {
    return new SkeinError(name, message, { code, temporary, retryAfter, re });
  }
}
