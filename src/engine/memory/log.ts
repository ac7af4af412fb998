/**
 * The log of the memory engine.
 *
 * @module
 */

import type {
  EphemeralListener,
  EphemeralMessage,
  Follower,
  ForgetListener,
  Found,
  Grown,
  Growth,
  InterruptionListener,
  ListOptions,
  Log,
  NewRecord,
  Page,
  PieceListener,
  Position,
  Published,
  PublishOptions,
  ReadOptions,
  Redacted,
  RedactOptions,
} from "../contract.ts";
import { redactionOf } from "../redaction.ts";
import { growthOf } from "../growth.ts";
import type { Listeners } from "../local/bus.ts";
import type { MemoryStore } from "./store.ts";

/** One engine's view of the channels of a store. */
export class MemoryLog implements Log {
  readonly #store: MemoryStore;
  readonly #listeners: Listeners;

  constructor(store: MemoryStore, listeners: Listeners) {
    this.#store = store;
    this.#listeners = listeners;
  }

  publish(
    channel: string,
    record: NewRecord,
    { dedupeKey, retention, edit, patience }: PublishOptions,
  ): Published {
    const store = this.#store;
    const log = store.begin(channel);
    log.touched = store.tick;
    // No channel name holds a line break, so no two pairs make one key.
    const key = dedupeKey === undefined ? undefined : channel + "\n" + dedupeKey;
    const known = key === undefined ? undefined : store.dedupe.get(key);
    if (known !== undefined) return { offset: known, epoch: log.epoch, duplicate: true };
    const offset = store.next(log);
    if (key !== undefined) store.dedupe.set(key, offset);
    let stored = log.append(record, offset, retention);
    if (edit !== undefined) {
      log.edit(edit, offset);
      stored = log.get(offset) ?? stored;
    }
    if (patience !== undefined && retention.size > 0) store.streams.touch(channel, offset, patience);
    store.bus.committed(channel, stored, log.epoch);
    return { offset, epoch: log.epoch, duplicate: false };
  }

  read(channel: string, options?: ReadOptions): Page {
    const log = this.#store.channel(channel);
    if (log !== undefined) {
      log.touched = this.#store.tick;
      return log.read(options);
    }
    const complete = options?.reverse === true || (options?.since ?? 0) === 0;
    return { ...this.position(channel), records: [], complete };
  }

  get(channel: string, offset: number): Found {
    return { ...this.position(channel), record: this.#store.channel(channel)?.get(offset) };
  }

  position(channel: string): Position {
    const log = this.#store.channel(channel);
    return log === undefined
      ? { epoch: this.#store.epoch, offset: 0 }
      : { epoch: log.epoch, offset: log.offset };
  }

  trim(channel: string, offset: number, keep = 0): void {
    this.#store.channel(channel)?.trim(offset, keep);
  }

  follow(channel: string, follower: Follower): void {
    // The channel begins now, so that the epoch a subscriber is told stays the channel's.
    this.#store.begin(channel);
    this.#listeners.followers.set(channel, follower);
  }

  unfollow(channel: string): void {
    const log = this.#store.channel(channel);
    if (log !== undefined) log.touched = this.#store.tick;
    this.#listeners.followers.delete(channel);
  }

  publishEphemeral(channel: string, message: EphemeralMessage): void {
    this.#store.bus.sent(channel, message);
  }

  onEphemeral(listener: EphemeralListener): void {
    this.#listeners.ephemeral = listener;
  }

  grow(channel: string, growth: Growth): Grown {
    const store = this.#store;
    const { target, end, patience } = growth;
    const log = store.channel(channel);
    const { grown, change } = growthOf(log?.get(target), growth, log?.epoch ?? store.epoch);
    if (log === undefined || change === undefined) return grown;
    log.touched = store.tick;
    log.replace(target, change.payload);
    if (end === undefined) store.streams.touch(channel, target, patience);
    else store.streams.remove(channel, target);
    store.bus.grown(channel, change.piece, log.epoch);
    return grown;
  }

  forget(channel: string): boolean {
    return this.#store.forget(channel);
  }

  onForget(listener: ForgetListener): void {
    this.#listeners.forgotten = listener;
  }

  redact(channel: string, { from, since = 0, limit = 500 }: RedactOptions): Redacted {
    const log = this.#store.channel(channel);
    if (log === undefined) return { count: 0 };
    const { records } = log.read({ since, limit });
    let count = 0;
    for (const { offset } of records) {
      // An earlier one of them may have changed it.
      const record = log.get(offset)!;
      const changes = record.from === from ? redactionOf(record, (other) => log.get(other)?.payload) : [];
      for (const change of changes) log.replace(change.offset, change.payload);
      if (changes.length > 0) count++;
    }
    const upTo = records.at(-1)?.offset;
    return upTo === undefined || upTo >= log.offset ? { count } : { count, upTo };
  }

  list({ after = "", limit = 1000 }: ListOptions = {}): string[] {
    return this.#store.names().filter((name) => name > after).slice(0, limit);
  }

  onPiece(listener: PieceListener): void {
    this.#listeners.piece = listener;
  }

  onInterruption(listener: InterruptionListener): void {
    this.#listeners.interruption = listener;
  }
}
