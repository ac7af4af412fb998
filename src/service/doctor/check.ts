/**
 * A check of the machine, and its result.
 *
 * @module
 */

/** One thing that was looked at. */
export interface Check {
  /** What was looked at, in a word or two. */
  readonly name: string;
  /** `warn`: Skein serves, but something will hurt. `fail`: it will not serve as configured. */
  readonly status: "ok" | "warn" | "fail";
  /** The result in one sentence. */
  readonly message: string;
  /** What to do about it, if anything. */
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
 * Runs one check. After `timeout` milliseconds its signal is aborted and it counts as failed, as it does when it throws.
 * Never rejects.
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
