/**
 * What members tell each other in the log, sealed for those who are in.
 *
 * @module
 */

import { textOf, utf8 } from "./encoding.ts";
import type { EpochKeys, Opened } from "./epoch_keys.ts";
import type { ContentNote } from "./newcomers.ts";

/** A note. */
export type GroupNote = ContentNote | { readonly type: "leave"; readonly device: string };

/** Seals a note in an epoch. */
export function sealNote(keys: EpochKeys, epoch: number, log: string, note: GroupNote): Promise<Uint8Array> {
  return keys.seal(epoch, "note", log, utf8(JSON.stringify(note)));
}

/** Opens a note; undefined when it is none that this version knows. Rejects when it was not sealed in a group. */
export async function openNote(
  keys: EpochKeys,
  log: string,
  body: Uint8Array,
): Promise<GroupNote | Exclude<Opened, { readonly data: Uint8Array }> | undefined> {
  const opened = await keys.open("note", log, body);
  if (!("data" in opened)) return opened;
  return isNote(JSON.parse(textOf(opened.data)));
}

function isNote(value: unknown): GroupNote | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { type, channel, epoch, device } = value as Record<string, unknown>;
  if (type === "leave") return typeof device === "string" ? { type, device } : undefined;
  if (typeof channel !== "string") return undefined;
  if (type === "wanted") return { type, channel };
  return type === "snapshot" && Number.isSafeInteger(epoch)
    ? { type, channel, epoch: epoch as number }
    : undefined;
}
