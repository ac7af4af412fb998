/**
 * The open database with what is known of it in memory, and the groups in which it is written.
 *
 * Publishes are committed in groups on the main thread: a group of a hundred costs about 10 us a message there, and
 * handing it to a worker would cost as much as is saved. A group is bounded, so that no commit holds up others for
 * more than some milliseconds.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { clearImmediate, setImmediate } from "node:timers";
import { ProtocolError } from "../../protocol/mod.ts";
import { ChannelCache } from "./cache.ts";
import type { Channel } from "./channel.ts";
import type { Opened } from "./database.ts";
import { DedupeTables } from "./dedupe.ts";
import { Group } from "./group.ts";
import { pragma } from "./schema.ts";
import { scrub } from "./scrub.ts";
import { hasRoom, type IsSpent, scrubInSlices } from "./scrub_slices.ts";
import { Store } from "./store.ts";
import { StreamTable } from "./streams.ts";
import { isDatabaseError, type Touched, Transactions } from "./transactions.ts";
import { ValueTable } from "./value_table.ts";

/** What waits for its group to be committed. */
export interface Pending {
  /** Writes it, within the transaction; channels it changes are in `touched` afterwards. */
  write(touched: Touched): void;
  /** The transaction is committed. */
  committed(): void;
  /** The transaction failed and was rolled back. */
  failed(error: unknown): void;
}

/** How the storage is made. */
export interface StorageOptions {
  /** Milliseconds a dedupe key is known, at least. */
  readonly dedupeWindow: number;
  /** About how many bytes of channels and their last messages are kept in memory. */
  readonly cache: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds of a clock that only goes forward. */
  readonly clock: () => number;
  /** Told once when the database fails after it worked. */
  readonly failed: (error: unknown) => void;
  /** Told of each commit: how many messages and values it held, and the milliseconds it took. @default not measured */
  readonly measured?: ((count: number, ms: number) => void) | undefined;
}

/**
 * Publishes committed together at most. More would hardly be cheaper each (7.8 us in groups of 100, 8.6 in groups of
 * 500), and a session holds no more than 256: a WebSocket cannot be kept from sending but by being busy.
 */
const GROUP = 192;
/** Milliseconds that publishes are held back at most while more keep coming. */
const HOLD = 2;

/** The database and its caches. */
export class Storage {
  readonly transactions: Transactions;
  readonly store: Store;
  readonly values: ValueTable;
  readonly dedupe: DedupeTables;
  readonly channels: ChannelCache;
  readonly streams: StreamTable;
  readonly now: () => number;
  readonly #opened: Opened;
  readonly #group = new Group<Pending>({ most: GROUP, hold: HOLD }, (group) => this.#commit(group));
  readonly #measured: StorageOptions["measured"];
  /** Why everything is refused in this turn of the event loop, unless the database works again: a group has failed. */
  #failure: ProtocolError | undefined;
  #turn: ReturnType<typeof setImmediate> | undefined;
  #open = true;

  constructor(opened: Opened, { dedupeWindow, cache, now, clock, failed, measured }: StorageOptions) {
    this.#measured = measured;
    this.#opened = opened;
    this.now = now;
    const { db } = opened;
    const store = this.store = new Store(db);
    const dedupe = this.dedupe = new DedupeTables(db, dedupeWindow, now());
    this.values = new ValueTable(db, now);
    this.streams = new StreamTable(db, clock);
    this.transactions = new Transactions(db, () => dedupe.load(), failed);
    this.channels = new ChannelCache(cache, (name) => store.load(name));
  }

  /** Whether it is still open. */
  get open(): boolean {
    return this.#open;
  }

  /** The database. */
  get db(): DatabaseSync {
    return this.#opened.db;
  }

  /** Bytes of the database that are in use; pages that are free are used again. Undefined once closed. */
  get bytes(): number | undefined {
    if (!this.#open) return undefined;
    const { db } = this;
    return (pragma(db, "page_count") - pragma(db, "freelist_count")) * pragma(db, "page_size");
  }

  /** Puts something into the next group. Throws ProtocolError `not_available` once closed. */
  add(pending: Pending): void {
    this.#check();
    const refusal = this.#refusal;
    if (refusal !== undefined) pending.failed(refusal);
    else this.#group.add(pending);
  }

  /** Reads. Throws ProtocolError `not_available` for what goes wrong. */
  read<T>(read: () => T): T {
    this.#check();
    try {
      return read();
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Commits what waits, and then runs `write` in a transaction of its own. Throws like `read`. */
  write<T>(write: (touched: Touched) => T): T {
    this.#check();
    this.#group.flush();
    try {
      const touched: Touched = new Map();
      let result: T;
      this.transactions.run(() => {
        result = write(touched);
        for (const channel of touched.values()) this.store.update(channel);
      }, touched);
      return result!;
    } catch (error) {
      throw unavailable(error);
    }
  }

  /**
   * A channel as a transaction sees it. The cache may let go of one that the transaction has changed; its row, which is
   * written last, does not say so yet.
   */
  channel(name: string, touched: Touched): Channel {
    return touched.get(name) ?? this.channels.get(name);
  }

  /** A channel that a transaction is about to change; it has a row afterwards. */
  touch(name: string, touched: Touched): Channel {
    const known = touched.get(name);
    if (known !== undefined) return known;
    const channel = this.channels.get(name);
    channel.begin();
    touched.set(name, channel);
    if (channel.id === 0) this.store.create(channel);
    return channel;
  }

  /**
   * Writes the file anew without what was deleted, and empties the write-ahead log: done once the generator is. Others may
   * write between two steps. Throws like `read`.
   */
  *scrub(isSpent: IsSpent): Generator<void> {
    this.#check();
    this.#group.flush();
    try {
      if (!hasRoom(this.db)) return scrub(this.db);
      // Emptying a table that is followed takes long. Keys are known for longer then, which is no harm.
      this.dedupe.isHeld = true;
      yield* scrubInSlices(this.db, isSpent);
    } catch (error) {
      throw unavailable(error);
    } finally {
      this.dedupe.isHeld = false;
    }
  }

  /** Commits what waits, and closes the file. */
  close(): void {
    if (!this.#open) return;
    this.#group.flush();
    this.#open = false;
    clearImmediate(this.#turn);
    this.#opened.db.close();
    this.#opened.unlock();
  }

  #commit(group: readonly Pending[]): void {
    const refusal = this.#refusal;
    if (refusal !== undefined) return group.forEach((one) => one.failed(refusal));
    const touched: Touched = new Map();
    const began = performance.now();
    try {
      this.transactions.run(() => {
        for (const one of group) one.write(touched);
        for (const channel of touched.values()) this.store.update(channel);
      }, touched);
    } catch (error) {
      // One that cannot be kept harms only itself.
      if (group.length > 1 && !isDatabaseError(error)) {
        return group.forEach((one) => this.#commit([one]));
      }
      const reason = unavailable(error);
      if (isDatabaseError(error)) this.#refuse(reason);
      for (const one of group) one.failed(reason);
      return;
    }
    this.transactions.works = true;
    this.#measured?.(group.length, performance.now() - began);
    for (const one of group) one.committed();
  }

  /**
   * A group has failed. Its senders hear so in the microtasks that follow; what they have said behind it must not be
   * committed meanwhile, or it would overtake what they send again.
   */
  #refuse(reason: ProtocolError): void {
    this.#failure = reason;
    clearImmediate(this.#turn);
    this.#turn = setImmediate(() => this.#failure = undefined);
  }

  get #refusal(): ProtocolError | undefined {
    return this.transactions.works ? undefined : this.#failure;
  }

  #check(): void {
    if (!this.#open) throw unavailable(new Error("the engine is closed"));
  }
}

/** What callers are told when the database cannot be written or read. */
function unavailable(cause: unknown): ProtocolError {
  return new ProtocolError("not_available", "messages cannot be stored or read now", { cause });
}
