/**
 * The engine that keeps everything in this process: for tests and throw-away use. It answers at once, without a
 * turn of the event loop.
 *
 * @module
 */

import { uuidv7 } from "../protocol/mod.ts";
import type {
  Bookmark,
  Edit,
  Engine,
  Follower,
  NewRecord,
  Page,
  Position,
  Published,
  PublishOptions,
  ReadOptions,
} from "./contract.ts";
import { DedupeWindow } from "./dedupe.ts";
import { LocalEngine, type LocalEngineOptions } from "./local.ts";
import { ChannelLog } from "./log.ts";

/** Options of the memory engine. */
export interface MemoryEngineOptions extends LocalEngineOptions {
  /** Milliseconds a dedupe key is known, at least. @default 120000 */
  readonly dedupeWindow?: number;
  /** Dedupe keys kept at most, over all channels; beyond that the oldest are forgotten early. @default 500000 */
  readonly dedupeMax?: number;
  /**
   * Milliseconds after which a channel that nobody follows and that keeps nothing is forgotten; never sooner than its
   * dedupe keys. @default 600000
   */
  readonly idle?: number;
}

/** Keeps messages, presence and dedupe keys in memory. */
export class MemoryEngine extends LocalEngine implements Engine {
  readonly name = "memory";
  readonly #logs = new Map<string, ChannelLog>();
  readonly #bookmarks = new Map<string, Map<string, Bookmark>>();
  readonly #dedupe: DedupeWindow;
  readonly #idle: number;
  #epoch = uuidv7();
  #open = true;

  constructor(options: MemoryEngineOptions = {}) {
    super(options);
    const window = options.dedupeWindow ?? 120_000;
    // A key may be known for two windows, and is worth nothing once its channel counts from 1 again.
    this.#idle = Math.max(options.idle ?? 600_000, 2 * window + 1);
    const now = this.now();
    this.#dedupe = new DedupeWindow(window, options.dedupeMax ?? 500_000, now);
  }

  publish(
    channel: string,
    record: NewRecord,
    { dedupeKey, retention, amend }: PublishOptions,
  ): Published {
    const log = this.#logs.get(channel) ?? this.#start(channel);
    log.touched = record.timestamp;
    if (dedupeKey !== undefined) {
      // No channel name holds a line break, so no two pairs make one key.
      const key = channel + "\n" + dedupeKey;
      const offset = this.#dedupe.get(key);
      if (offset !== undefined) return { offset, epoch: log.epoch, duplicate: true };
      this.#dedupe.set(key, log.offset + 1);
    }
    const stored = log.append(record, retention);
    for (const first of amend ?? []) {
      for (let one: Edit | undefined = first; one !== undefined;) {
        const { offset, change, next }: Edit = one;
        const before = log.amend(offset, (payload) => change(payload, stored.offset));
        one = before && next?.(before);
      }
    }
    this.tell(channel, stored, log.epoch);
    return { offset: stored.offset, epoch: log.epoch, duplicate: false };
  }

  read(channel: string, options?: ReadOptions): Page {
    const log = this.#logs.get(channel);
    if (log !== undefined) {
      log.touched = this.now();
      return log.read(options);
    }
    const since = options?.since ?? 0;
    return { epoch: this.#epoch, offset: 0, records: [], complete: options?.reverse === true || since === 0 };
  }

  position(channel: string): Position {
    const log = this.#logs.get(channel);
    return log === undefined ? { epoch: this.#epoch, offset: 0 } : { epoch: log.epoch, offset: log.offset };
  }

  trim(channel: string, offset: number): void {
    this.#logs.get(channel)?.trim(offset);
  }

  bookmark(channel: string, name: string): Bookmark | undefined {
    return this.#bookmarks.get(channel)?.get(name);
  }

  setBookmark(channel: string, name: string, { epoch, offset, data }: Bookmark): Position {
    let own = this.#bookmarks.get(channel);
    if (own === undefined) this.#bookmarks.set(channel, own = new Map());
    const known = own.get(name);
    if (known !== undefined && known.epoch === epoch && known.offset >= offset) return known;
    const bookmark = data === undefined ? { epoch, offset } : { epoch, offset, data };
    own.set(name, bookmark);
    return bookmark;
  }

  follow(channel: string, follower: Follower): void {
    // The log is made now so that the epoch a subscriber is told stays the channel's.
    if (!this.#logs.has(channel)) this.#start(channel);
    this.followers.set(channel, follower);
  }

  unfollow(channel: string): void {
    const log = this.#logs.get(channel);
    if (log !== undefined) log.touched = this.now();
    this.followers.delete(channel);
  }

  sweep(now: number): void {
    this.#dedupe.sweep(now);
    this.sweepPresence(now);
    let forgotten = false;
    for (const [channel, log] of this.#logs) {
      if (log.size > 0) log.expire(now);
      if (log.size > 0 || now - log.touched < this.#idle || this.followers.has(channel)) continue;
      this.#logs.delete(channel);
      this.#bookmarks.delete(channel);
      if (log.offset > 0) forgotten = true;
    }
    // A channel that starts again counts from 1, which must not look like the old history.
    if (forgotten) this.#epoch = uuidv7();
  }

  healthy(): boolean {
    return this.#open;
  }

  close(): void {
    this.#open = false;
    this.silence();
  }

  #start(channel: string): ChannelLog {
    const log = new ChannelLog(this.#epoch, this.now());
    this.#logs.set(channel, log);
    return log;
  }
}
