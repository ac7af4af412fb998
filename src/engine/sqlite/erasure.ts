/**
 * How channels and what users said are removed from the database for good.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";
import type { Redacted, RedactOptions, StoredRecord } from "../contract.ts";
import type { Change } from "../edits.ts";
import { redactionOf } from "../redaction.ts";
import type { Channel } from "./channel.ts";
import type { Storage } from "./storage.ts";

/**
 * Removes a channel, some rows in a transaction, so that nobody waits for all of a large one. The row of the channel goes
 * last: what was interrupted is found again. False: there is no row.
 */
export async function forget(storage: Storage, name: string): Promise<boolean> {
  if (storage.read(() => storage.channels.get(name).id) === 0) return false;
  while (storage.write((touched) => dropSome(storage, storage.touch(name, touched)))) await setImmediate();
  storage.write((touched) => {
    const channel = storage.touch(name, touched);
    // Somebody may have published meanwhile: that goes too, and is little.
    channel.first = channel.last + 1;
    while (storage.store.trimRows(channel));
    storage.values.forget(name);
    storage.streams.forget(name);
    storage.store.remove(channel);
    storage.store.renewEpoch();
  });
  const isFollowed = storage.channels.isPinned(name);
  storage.channels.forget(name);
  if (isFollowed) storage.channels.pin(name);
  return true;
}

function dropSome(storage: Storage, channel: Channel): boolean {
  channel.dropTail();
  channel.first = channel.last + 1;
  return storage.store.trimRows(channel);
}

/** Takes the words of a user away from a part of a channel. */
export function redact(
  storage: Storage,
  name: string,
  { from, since = 0, limit = 500 }: RedactOptions,
): Redacted {
  const changed: Change[] = [];
  const { count, channel, upTo } = storage.write((touched) => {
    const channel = storage.channels.get(name);
    if (channel.id === 0) return { count: 0, channel, upTo: Infinity };
    storage.touch(name, touched);
    // Rows beyond the retention wait to be deleted, with all that was said in them.
    while (storage.store.trimRows(channel));
    const range = channel.range({ since, limit });
    const { records } = range.to < range.from
      ? { records: [] }
      : storage.store.read(channel, range.from, range.to, {});
    let count = 0;
    for (const record of records) {
      if (record.from === from && redactOne(storage, channel, record, changed)) count++;
    }
    return { count, channel, upTo: records.at(-1)?.offset ?? Infinity };
  });
  for (const { offset, payload } of changed) channel.replace(offset, payload);
  return upTo >= channel.last ? { count } : { count, upTo };
}

function redactOne(
  { store }: Storage,
  channel: Channel,
  { type, offset }: StoredRecord,
  changed: Change[],
): boolean {
  const payloadAt = (at: number) => store.message(channel, at)?.payload;
  // As it is in the row: an earlier one of the same transaction may have changed it.
  const changes = redactionOf({ type, offset, payload: payloadAt(offset)! }, payloadAt);
  for (const change of changes) {
    if (store.message(channel, change.offset) === undefined) continue;
    store.replace(channel, change.offset, change.payload);
    changed.push(change);
  }
  return changes.length > 0;
}
