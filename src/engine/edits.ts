/**
 * What an edit makes of the payloads of kept messages: the same in every engine.
 *
 * @module
 */

import type { Payload } from "../protocol/mod.ts";
import type { Edit } from "./contract.ts";

/** What an edit changes. */
export interface Edited {
  /** What the target is from now on. */
  readonly payload: Payload;
  /** The offset of the message of the edit before, whose payload becomes `emptied`. */
  readonly previous: number | undefined;
}

/**
 * Applies an edit to `kept`, the payload of its target. `by` is the offset of the message that makes the edit. Undefined:
 * the target was erased before, and nothing changes.
 */
export function applyEdit(kept: Payload, edit: Edit, by: number): Edited | undefined {
  if (kept.deleted !== undefined) return undefined;
  const payload: Payload = edit.kind === "replace"
    ? { ...edit.content, edited: by }
    : { data: null, deleted: by };
  return { payload, previous: typeof kept.edited === "number" ? kept.edited : undefined };
}

/** The payload of a message of an edit that a later one, at `by`, has replaced: it still names its target. */
export function emptied(target: number, by: number): Payload {
  return { target, data: null, deleted: by };
}
