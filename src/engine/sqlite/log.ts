/**
 * The log of the SQLite engine. Offsets of a channel are dense in it: 1, 2, 3, ...
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
import type { Change } from "../edits.ts";
import type { Listeners } from "../local/bus.ts";
import { bodyOf } from "./body.ts";
import type { Channel } from "./channel.ts";
import { forget, redact } from "./erasure.ts";
import type { Pending, Storage } from "./storage.ts";
import { PendingGrowth, PendingInterruption } from "./growth.ts";
import type { Touched } from "./transactions.ts";

/** Channels in the database. */
export class SqliteLog implements Log {
  readonly #storage: Storage;
  readonly #listeners: Listeners;

  constructor(storage: Storage, listeners: Listeners) {
    this.#storage = storage;
    this.#listeners = listeners;
  }

  publish(channel: string, record: NewRecord, options: PublishOptions): Promise<Published> {
    // An executor that throws rejects: a payload that JSON cannot hold harms nobody else's.
    return new Promise((resolve, reject) => {
      const body = bodyOf(record);
      this.#storage.add(
        new PendingPublish(this.#storage, this.#listeners, channel, record, body, options, resolve, reject),
      );
    });
  }

  read(channel: string, options: ReadOptions = {}): Page {
    const { channels, store } = this.#storage;
    return this.#storage.read(() => {
      const known = channels.get(channel);
      const { from, to } = known.range(options);
      if (to < from) return known.page([], options);
      const atHand = known.atHand(from, to);
      if (atHand !== undefined) return known.page(atHand, options);
      const { records, length } = store.read(known, from, to, options);
      channels.grew(known.adopt(records, length));
      const page = known.page(records, options);
      return known.id === 0 || records.length === to - from + 1 ? page : { ...page, more: true };
    });
  }

  get(channel: string, offset: number): Found {
    return this.#storage.read(() => {
      const known = this.#storage.channels.get(channel);
      const { epoch, last, first } = known;
      const isKept = Number.isSafeInteger(offset) && offset >= first && offset <= last;
      const records = !isKept
        ? []
        : known.atHand(offset, offset) ?? this.#storage.store.read(known, offset, offset, {}).records;
      return { epoch, offset: last, record: records[0] };
    });
  }

  position(channel: string): Position {
    return this.#storage.read(() => {
      const { epoch, last: offset } = this.#storage.channels.get(channel);
      return { epoch, offset };
    });
  }

  trim(channel: string, offset: number, keep = 0): void {
    this.#storage.write((touched) => {
      if (this.#storage.channels.get(channel).id !== 0) {
        this.#storage.touch(channel, touched).trim(offset, keep);
      }
    });
  }

  follow(channel: string, follower: Follower): void {
    // It stays in memory so that the epoch a subscriber is told stays the channel's.
    this.#storage.read(() => this.#storage.channels.pin(channel));
    this.#listeners.followers.set(channel, follower);
  }

  unfollow(channel: string): void {
    this.#storage.channels.unpin(channel);
    this.#listeners.followers.delete(channel);
  }

  publishEphemeral(channel: string, message: EphemeralMessage): void {
    this.#listeners.sent(channel, message);
  }

  onEphemeral(listener: EphemeralListener): void {
    this.#listeners.ephemeral = listener;
  }

  grow(channel: string, growth: Growth): Promise<Grown> {
    return new Promise((resolve, reject) => {
      this.#storage.add(
        new PendingGrowth(this.#storage, this.#listeners, channel, growth, resolve, reject),
      );
    });
  }

  async forget(channel: string): Promise<boolean> {
    const wasKept = await forget(this.#storage, channel);
    if (wasKept) this.#listeners.forgot(channel);
    return wasKept;
  }

  onForget(listener: ForgetListener): void {
    this.#listeners.forgotten = listener;
  }

  redact(channel: string, options: RedactOptions): Redacted {
    return redact(this.#storage, channel, options);
  }

  list({ after = "", limit = 1000 }: ListOptions = {}): string[] {
    return this.#storage.read(() => this.#storage.store.names(after, limit));
  }

  onPiece(listener: PieceListener): void {
    this.#listeners.piece = listener;
  }

  onInterruption(listener: InterruptionListener): void {
    this.#listeners.interruption = listener;
  }

  /** Ends the messages whose senders were silent for too long. */
  interruptStreams(): void {
    for (const { channel, target } of this.#storage.streams.due()) {
      this.#storage.add(new PendingInterruption(this.#storage, this.#listeners, channel, target));
    }
  }
}

/** A message that waits for its group to be committed. */
class PendingPublish implements Pending {
  #channel: Channel | undefined;
  #offset = 0;
  #duplicate = false;
  #changed: Change[] | undefined;

  constructor(
    readonly storage: Storage,
    readonly listeners: Listeners,
    readonly name: string,
    readonly record: NewRecord,
    readonly body: string,
    readonly options: PublishOptions,
    readonly resolve: (published: Published) => void,
    readonly failed: (error: unknown) => void,
  ) {}

  write(touched: Touched): void {
    const { storage, record, body } = this;
    const { dedupeKey, retention, edit, patience } = this.options;
    const channel = this.#channel = storage.touch(this.name, touched);
    this.#changed = undefined;
    const known = dedupeKey === undefined
      ? undefined
      : storage.dedupe.claim(channel.id, dedupeKey, channel.last + 1);
    this.#duplicate = known !== undefined;
    if (known !== undefined) {
      this.#offset = known;
      return;
    }
    const offset = this.#offset = channel.advance(retention, record.timestamp);
    if (retention.size > 0) storage.store.insert(channel, offset, record.timestamp, body);
    if (patience !== undefined && retention.size > 0) storage.streams.insert(this.name, offset, patience);
    if (edit !== undefined) storage.store.edit(channel, offset, edit, this.#changed = []);
  }

  committed(): void {
    const channel = this.#channel!;
    const { epoch } = channel;
    const offset = this.#offset;
    if (!this.#duplicate) {
      this.#changed?.forEach((one) => channel.replace(one.offset, one.payload));
      const { type, id, from, timestamp } = this.record;
      // An edit may have changed its own message as well.
      const payload = this.#changed?.find((one) => one.offset === offset)?.payload ?? this.record.payload;
      const stored = { type, id, from, timestamp, payload, offset, prev: offset - 1 };
      this.storage.channels.grew(channel.append(stored, this.body.length));
      const { patience, retention } = this.options;
      if (patience !== undefined && retention.size > 0) {
        this.storage.streams.touch(this.name, offset, patience);
      }
      this.listeners.committed(channel.name, stored, epoch);
    }
    this.resolve({ offset, epoch, duplicate: this.#duplicate });
  }
}
