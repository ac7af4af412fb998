/**
 * A check of the machine, and its result.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";

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
  const work = (async () => await look(abort.signal))();
  try {
    const finding = await deadline(work, timeout, () => {
      const late = new Error(`no result within ${timeout} ms`);
      abort.abort(late);
      return late;
    });
    return { name, ...finding };
  } catch (error) {
    return { name, status: "fail", message: `${sentence(error)}.` };
  }
}

/** An error's text without a full stop at its end. */
export function sentence(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
}
