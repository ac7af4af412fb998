/**
 * What an edit makes of the payloads of kept messages: the same in every engine.
 *
 * @module
 */

import type { Payload } from "../protocol/mod.ts";
import type { Edit } from "./contract.ts";

/** A kept message that has another payload. */
export interface Change {
  readonly offset: number;
  readonly payload: Payload;
}

/**
 * What `edit`, brought by the message at `by`, changes: its target, whose payload is `kept`, the message of the edit
 * before, and perhaps its own message.
 */
export function changesOf(kept: Payload, edit: Edit, by: number): readonly Change[] {
  const { target } = edit;
  if (kept.deleted !== undefined) {
    // An edit and a deletion were under way at once and the deletion came first: the text must not stay in the history.
    return edit.kind === "erase" ? [] : [{ offset: by, payload: emptied(target, kept.deleted) }];
  }
  const payload: Payload = edit.kind === "replace"
    ? { ...edit.content, edited: by }
    : { data: null, deleted: by };
  const changes: Change[] = [{ offset: target, payload }];
  if (typeof kept.edited === "number") changes.push({ offset: kept.edited, payload: emptied(target, by) });
  return changes;
}

/** The payload of a message of an edit that no longer counts because of the one at `by`: it still names its target. */
function emptied(target: number, by: unknown): Payload {
  return { target, data: null, deleted: by };
}
