/**
 * Failures that end a command with one line for whoever typed it.
 *
 * @module
 */

import { EXIT, type Io } from "../command.ts";

/** A failure whose message says what to do; it needs no stack. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** The service cannot be reached. */
export class ServiceAway extends CommandError {}

/** The error of Ctrl-C. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** The exit code after Ctrl-C, as shells have it. */
const INTERRUPTED_CODE = 130;

/** Runs a command: a CommandError becomes a line on standard error and exit code 1. Others are passed on. */
export async function reported(io: Io, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof Interrupted) return INTERRUPTED_CODE;
    if (!(error instanceof CommandError)) throw error;
    io.err(`skein peer: ${error.message}\n`);
    return EXIT.failed;
  }
}

/** `promise`, or the reason of `signal` when that is aborted before. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason);
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}
