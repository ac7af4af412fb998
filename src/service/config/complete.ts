/**
 * Reading a configuration file that may be half written: editors and deployments truncate a file, and write it then.
 *
 * @module
 */

import { delay } from "../../async/deadline.ts";
import { parseDocument } from "./jsonc.ts";
import { readText } from "./load.ts";

/** How long to wait. Times in milliseconds. */
export interface CompleteOptions {
  /** How long an incomplete file may stay as it is before it is taken for what it is. */
  readonly patience: number;
  /** Whether to stop waiting now. */
  readonly ended: () => boolean;
}

/** Milliseconds between two looks at an incomplete file. */
const LOOK = 25;
/** A file that is incomplete for so many times `patience` is no longer waited for, though it keeps changing. */
const MAX_PATIENCE = 10;

/**
 * The text of a file once it holds a value without syntax errors. When the file stays incomplete, its text as it is;
 * `undefined` when it cannot be read. Never rejects.
 */
export async function completeText(path: string, options: CompleteOptions): Promise<string | undefined> {
  const { patience, ended } = options;
  const begun = performance.now();
  let changed = begun;
  let last = await attempt(path);
  for (;;) {
    if (last !== undefined && await isComplete(last)) return last;
    const now = performance.now();
    if (ended() || now - changed >= patience || now - begun >= patience * MAX_PATIENCE) return last;
    await delay(Math.min(LOOK, patience));
    const text = await attempt(path);
    if (text !== last) changed = performance.now();
    last = text;
  }
}

async function attempt(path: string): Promise<string | undefined> {
  try {
    return await readText(path);
  } catch {
    return undefined;
  }
}

async function isComplete(text: string): Promise<boolean> {
  return (await parseDocument(text, "")).value !== undefined;
}
