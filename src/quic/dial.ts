/**
 * The race of a dial against its timeout and its signal.
 *
 * @module
 */

import { deadline } from "../async/deadline.ts";
import { DialError, QuicError } from "./errors.ts";

/** Default of `ConnectOptions.timeout`, in milliseconds. */
const DIAL_TIMEOUT = 10_000;

/** What bounds a dial. */
export interface DialBounds {
  /** @default DIAL_TIMEOUT */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  /** Gives up what `work` brings after the dial was over: no runtime can call off a dial itself. */
  readonly discard?: () => void;
}

/**
 * Waits for `work`. Rejects with DialError `timeout` or `dial_failed`, or with the signal's reason. What comes too late
 * is handed to `late`.
 */
export async function bounded<T>(
  work: Promise<T>,
  bounds: DialBounds,
  late: (result: T) => void,
): Promise<T> {
  const { timeout = DIAL_TIMEOUT, signal, discard } = bounds;
  let failure: unknown;
  const dialled = work.catch((cause) => {
    throw failure = cause instanceof QuicError ? cause : dialFailed(cause);
  });
  const tooLate = () => new DialError("timeout", `no connection within ${timeout} ms`);
  try {
    return await deadline(dialled, timeout, tooLate, { signal });
  } catch (error) {
    if (error !== failure) {
      work.then(late, () => {});
      discard?.();
    }
    throw error;
  }
}

function dialFailed(cause: unknown): DialError {
  return new DialError("dial_failed", cause instanceof Error ? cause.message : String(cause), { cause });
}
