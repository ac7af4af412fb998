/**
 * The race of a dial against its timeout and its signal.
 *
 * @module
 */

import { DialError, QuicError } from "./errors.ts";

/** Default of `ConnectOptions.timeout`, in milliseconds. */
export const DIAL_TIMEOUT = 10_000;

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
export function bounded<T>(work: Promise<T>, bounds: DialBounds, late: (result: T) => void): Promise<T> {
  const { timeout = DIAL_TIMEOUT, signal, discard } = bounds;
  return new Promise((resolve, reject) => {
    let over = false;
    const finish = (): void => {
      over = true;
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    };
    const giveUp = (reason: unknown): void => {
      finish();
      discard?.();
      reject(reason);
    };
    const aborted = (): void => giveUp(signal!.reason);
    const timer = setTimeout(
      () => giveUp(new DialError("timeout", `no connection within ${timeout} ms`)),
      timeout,
    );
    if (signal?.aborted) return aborted();
    signal?.addEventListener("abort", aborted, { once: true });
    work.then((result) => {
      if (over) return late(result);
      finish();
      resolve(result);
    }, (cause) => {
      if (over) return;
      finish();
      reject(cause instanceof QuicError ? cause : dialFailed(cause));
    });
  });
}

function dialFailed(cause: unknown): DialError {
  return new DialError("dial_failed", cause instanceof Error ? cause.message : String(cause), { cause });
}
