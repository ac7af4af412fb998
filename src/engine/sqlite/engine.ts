/**
 * The engine that keeps messages in an SQLite database in this process.
 *
 * Publishes are committed in groups on the main thread: a group of a hundred costs about 10 us a message there, and
 * handing it to a worker would cost as much as is saved. A group is bounded, so that no commit holds up others for
 * more than some milliseconds.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import type {
  Bookmark,
  Engine,
  Follower,
  MaybePromise,
  NewRecord,
  Page,
  Position,
  Published,
  PublishOptions,
  ReadOptions,
} from "../contract.ts";
import { LocalEngine, type LocalEngineOptions } from "../local.ts";
import { ChannelCache } from "./cache.ts";
import { openDatabase, type Opened, type Synchronous } from "./database.ts";
import { DedupeTables } from "./dedupe.ts";
import { Group } from "./group.ts";
import { type Pending, type PendingMark, unavailable } from "./pending.ts";
import { type Amended, bodyOf, Store } from "./store.ts";
import { isDatabaseError, type Touched, Transactions } from "./transactions.ts";

/** Options of the SQLite engine. */
export interface SqliteEngineOptions extends LocalEngineOptions {
  /** The database's file; made with its directory when there is none. */
  readonly path: string;
  /**
   * What an acknowledged message survives. `normal`: the end of the process, however it ends (kill -9, a crash).
   * `full`: the end of the machine as well (power loss, a crash of the system), at the cost of a flush to the disk with
   * each group; with `normal` that may take the last messages, and leaves the database whole. @default "normal"
   */
  readonly synchronous?: Synchronous;
  /** Bytes the database may have at most; 0: as many as there is room for. @default 0 */
  readonly maxSize?: number;
  /** Milliseconds a dedupe key is known, at least. @default 120000 */
  readonly dedupeWindow?: number;
  /**
   * Milliseconds after which a channel that keeps nothing and that nobody follows is forgotten; never sooner than its
   * dedupe keys. @default 604800000
   */
  readonly idle?: number;
  /** Bytes of channels and their last messages in memory, about. @default 67108864 */
  readonly cache?: number;
  /** Told when a follower or listener throws, and when the database fails after it worked. @default ignored */
  readonly failed?: (error: unknown, stage: string) => void;
}

/**
 * Publishes committed together at most. More would hardly be cheaper each (7.8 us in groups of 100, 8.6 in groups of
 * 500), and a session holds no more than 256: a WebSocket cannot be kept from sending but by being busy.
 */
const GROUP = 192;
/** Milliseconds that publishes are held back at most while more keep coming. */
const HOLD = 2;
/** Bytes that have to be free before the engine says that it works again; less when the database may not have much. */
const ROOM = 1024 * 1024;
/**
 * Milliseconds a sweep takes at most before others get a turn, milliseconds until it goes on when it is not through, and
 * the channels it looks at in one transaction at most.
 */
const SWEEP = { time: 10, pause: 40, channels: 50 };

/** Keeps messages and dedupe keys in a database, presence in memory. */
export class SqliteEngine extends LocalEngine implements Engine {
  readonly name = "sqlite";
  readonly #opened: Opened;
  readonly #db: DatabaseSync;
  readonly #transactions: Transactions;
  readonly #store: Store;
  readonly #dedupe: DedupeTables;
  readonly #channels: ChannelCache;
  readonly #group = new Group<Pending | PendingMark>(
    { most: GROUP, hold: HOLD },
    (group) => this.#commitGroup(group),
  );
  readonly #idle: number;
  readonly #room: number;
  /** A sweep that is not through. */
  #sweeping: ReturnType<typeof setTimeout> | undefined;
  #open = true;

  /** Throws an Error that names the path and what is wrong with it. */
  constructor(options: SqliteEngineOptions) {
    const { path, synchronous = "normal", maxSize = 0, dedupeWindow = 120_000, cache = 64 * 1024 * 1024 } =
      options;
    super(options);
    // A key may be known for two windows, and is worth nothing once its channel counts from 1 again.
    this.#idle = Math.max(options.idle ?? 7 * 86_400_000, 2 * dedupeWindow + 1);
    this.#room = maxSize > 0 ? Math.min(ROOM, Math.floor(maxSize / 8)) : ROOM;
    this.#opened = openDatabase({ path, synchronous, maxSize });
    const db = this.#db = this.#opened.db;
    const store = this.#store = new Store(db);
    const dedupe = this.#dedupe = new DedupeTables(db, dedupeWindow, this.now());
    this.#transactions = new Transactions(
      db,
      () => dedupe.load(),
      (error) => this.failed(error, "database"),
    );
    this.#channels = new ChannelCache(cache, (name) => store.load(name));
  }

  publish(
    channel: string,
    record: NewRecord,
    { dedupeKey, retention, amend = [] }: PublishOptions,
  ): Promise<Published> {
    if (!this.#open) return Promise.reject(unavailable(new Error("the engine is closed")));
    return new Promise((resolve, reject) => {
      // Here, so that a payload that cannot be kept harms nobody else's.
      const body = bodyOf(record);
      this.#group.add({
        channel,
        record,
        body,
        dedupeKey,
        retention,
        amend,
        resolve,
        reject,
        result: undefined,
      });
    });
  }

  read(channel: string, options: ReadOptions = {}): Page {
    return this.#reading(() => {
      const known = this.#channels.get(channel);
      const { from, to } = known.range(options);
      if (to < from) return known.page([], options);
      const atHand = known.atHand(from, to);
      if (atHand !== undefined) return known.page(atHand, options);
      const { records, length } = this.#store.read(known, from, to, options);
      this.#channels.grew(known.adopt(records, length));
      const page = known.page(records, options);
      return known.id === 0 || records.length === to - from + 1 ? page : { ...page, more: true };
    });
  }

  position(channel: string): Position {
    return this.#reading(() => {
      const { epoch, last: offset } = this.#channels.get(channel);
      return { epoch, offset };
    });
  }

  trim(channel: string, offset: number): void {
    this.#writing(() => {
      const known = this.#channels.get(channel);
      if (known.id === 0) return;
      const touched = new Map([[channel, known]]);
      this.#transactions.run(() => {
        known.begin();
        known.trim(offset);
        this.#store.update(known);
      }, touched);
    });
  }

  bookmark(channel: string, name: string): Bookmark | undefined {
    return this.#reading(() => this.#store.bookmark(channel, name));
  }

  setBookmark(channel: string, name: string, mark: Bookmark): MaybePromise<Position> {
    // One with data is a transaction of its own: should there be no room for it, that harms nobody else.
    if (mark.data !== undefined) {
      return this.#writing(() => {
        let kept: Position;
        this.#transactions.run(() => kept = this.#store.setBookmark(channel, name, mark));
        return kept!;
      });
    }
    if (!this.#open) throw unavailable(new Error("the engine is closed"));
    return new Promise((resolve, reject) => {
      this.#group.add({ channel, name, mark, resolve, reject, result: undefined });
    });
  }

  follow(channel: string, follower: Follower): void {
    // It stays in memory so that the epoch a subscriber is told stays the channel's.
    this.#reading(() => this.#channels.pin(channel));
    this.followers.set(channel, follower);
  }

  unfollow(channel: string): void {
    this.#channels.unpin(channel);
    this.followers.delete(channel);
  }

  sweep(now: number): void {
    this.sweepPresence(now);
    if (!this.#open) return;
    // What is dropped may be the room that is missing.
    this.#expire(now);
    if (!this.#transactions.works) this.#transactions.probe(this.#room);
  }

  healthy(): boolean {
    return this.#open && this.#transactions.works;
  }

  /** Commits what waits, and gives the file back. */
  close(): void {
    if (!this.#open) return;
    clearTimeout(this.#sweeping);
    this.#group.flush();
    this.#open = false;
    this.silence();
    this.#db.close();
    this.#opened.unlock();
  }

  // --- publishing ---

  #commitGroup(group: readonly (Pending | PendingMark)[]): void {
    // By name, because the cache may let go of a channel before its group is through.
    const touched: Touched = new Map();
    try {
      this.#transactions.run(() => {
        for (const one of group) {
          if ("mark" in one) one.result = this.#store.setBookmark(one.channel, one.name, one.mark);
          else this.#write(one, touched);
        }
        for (const channel of touched.values()) this.#store.update(channel);
      }, touched);
    } catch (error) {
      // One that cannot be kept harms only itself.
      if (group.length > 1 && !isDatabaseError(error)) {
        return group.forEach((one) => this.#commitGroup([one]));
      }
      const reason = unavailable(error);
      for (const { reject } of group) reject(reason);
      return;
    }
    this.#transactions.works = true;
    for (const one of group) {
      if ("mark" in one) one.resolve(one.result!);
      else this.#committed(one);
    }
  }

  #write(pending: Pending, touched: Touched): void {
    const { record, dedupeKey, retention, body } = pending;
    let channel = touched.get(pending.channel);
    if (channel === undefined) {
      channel = this.#channels.get(pending.channel);
      channel.begin();
      touched.set(channel.name, channel);
      if (channel.id === 0) this.#store.create(channel);
    }
    if (dedupeKey !== undefined) {
      const known = this.#dedupe.claim(channel.id, dedupeKey, channel.last + 1);
      if (known !== undefined) {
        pending.result = { channel, offset: known, duplicate: true };
        return;
      }
    }
    const offset = channel.advance(retention, record.timestamp);
    if (retention.size > 0) this.#store.insert(channel, offset, record.timestamp, body);
    const amended: Amended[] = [];
    for (const change of pending.amend) this.#store.amend(channel, offset, change, amended);
    pending.result = { channel, offset, duplicate: false, amended };
  }

  #committed({ record, body, result, resolve }: Pending): void {
    const { channel, offset, duplicate, amended } = result!;
    amended?.forEach((one) => channel.replace(one.offset, one.payload));
    const { epoch } = channel;
    if (!duplicate) {
      const { type, id, from, timestamp, payload } = record;
      const stored = { type, id, from, timestamp, payload, offset, prev: offset - 1 };
      this.#channels.grew(channel.append(stored, body.length));
      this.tell(channel.name, stored, epoch);
    }
    resolve({ offset, epoch, duplicate });
  }

  // --- housekeeping ---

  #expire(now: number): void {
    const end = performance.now() + SWEEP.time;
    clearTimeout(this.#sweeping);
    const touched: Touched = new Map();
    try {
      if (this.#dedupe.isDue(now)) this.#transactions.run(() => this.#dedupe.turn(now), touched);
      for (;;) {
        const names = this.#store.due(now, SWEEP.channels);
        if (names.length === 0) return;
        this.#transactions.run(() => this.#expireSome(names, now, end, touched), touched);
        touched.clear();
        if (performance.now() >= end) break;
      }
      // As much may fall due in a second as no sweep a second gets through.
      this.#sweeping = setTimeout(() => this.#expire(now), SWEEP.pause);
    } catch {
      // It has been told; the next sweep tries again.
    }
  }

  /** Looks at these channels until `end`, one of them at least. */
  #expireSome(names: readonly string[], now: number, end: number, touched: Touched): void {
    let forgotten = false;
    for (const name of names) {
      if (touched.size > 0 && performance.now() >= end) break;
      const channel = this.#channels.get(name);
      channel.begin();
      touched.set(name, channel);
      // One that is followed counts on.
      const idle = this.#channels.isPinned(name) ? now - channel.touched + this.#idle : this.#idle;
      if (!this.#store.expire(channel, now, idle)) continue;
      this.#store.remove(channel);
      this.#channels.forget(name);
      forgotten = true;
    }
    if (forgotten) this.#store.renewEpoch();
  }

  #writing<T>(write: () => T): T {
    if (!this.#open) throw unavailable(new Error("the engine is closed"));
    this.#group.flush();
    try {
      return write();
    } catch (error) {
      throw unavailable(error);
    }
  }

  #reading<T>(read: () => T): T {
    if (!this.#open) throw unavailable(new Error("the engine is closed"));
    try {
      return read();
    } catch (error) {
      throw unavailable(error);
    }
  }
}
