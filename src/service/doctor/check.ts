/**
 * What a check of the machine says.
 *
 * @module
 */

/** One thing that was looked at. */
export interface Check {
  /** What was looked at, in a word or two. */
  readonly name: string;
  /** `warn`: Skein serves, but something will hurt. `fail`: it will not serve as configured. */
  readonly status: "ok" | "warn" | "fail";
  /** What was found, one sentence. */
  readonly message: string;
  /** What to do about it, where there is something to do. */
  readonly advice?: string;
}

/** What a check found, without its name. */
export type Finding = Omit<Check, "name">;

/** All is well. */
export function ok(message: string): Finding {
  return { status: "ok", message };
}

/** It works, but not well. */
export function warn(message: string, advice: string): Finding {
  return { status: "warn", message, advice };
}

/** It does not work. */
export function fail(message: string, advice: string): Finding {
  return { status: "fail", message, advice };
}

/**
 * Runs one check to its end or for at most `timeout` milliseconds; then its signal is aborted. What it throws is a
 * `fail`. Never rejects.
 */
export async function perform(
  name: string,
  timeout: number,
  look: (signal: AbortSignal) => Finding | Promise<Finding>,
): Promise<Check> {
  const abort = new AbortController();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new Error(`no result within ${timeout} ms`);
    abort.abort(error);
    late.reject(error);
  }, timeout);
  try {
    return { name, ...await Promise.race([(async () => await look(abort.signal))(), late.promise]) };
  } catch (error) {
    return { name, status: "fail", message: `${sentence(error)}.` };
  } finally {
    clearTimeout(timer);
  }
}

/** An error's text without a full stop at its end. */
export function sentence(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
}
