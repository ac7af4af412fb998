/**
 * The engine that keeps everything but presence in an SQLite database in this process.
 *
 * @module
 */

import { dirname } from "node:path";
import { type Clock, systemClock } from "../../async/clock.ts";
import type { Engine, EngineStatus } from "../contract.ts";
import { Listeners } from "../local/bus.ts";
import { LocalCommands, NodeTable } from "../local/commands.ts";
import { LocalPresence } from "../local/presence.ts";
import { PresenceTable } from "../local/presence_table.ts";
import { SqliteBlobs } from "./blobs/blobs.ts";
import { Storage } from "./storage.ts";
import { openDatabase, type Opened, type Synchronous } from "./database.ts";
import { Expiry } from "./expiry.ts";
import { SqliteLog } from "./log.ts";
import { type Scrubbed, Scrubs } from "./scrubs.ts";
import { SqliteValues } from "./values.ts";

/** Options of the SQLite engine. */
export interface SqliteEngineOptions {
  /** The database's file; made with its directory when there is none. */
  readonly path: string;
  /** The directory of files; made when the first one comes. @default `files`, beside the database */
  readonly files?: string;
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
  /** Milliseconds that a sweep takes at most before others get a turn. @default 10 */
  readonly sweepTime?: number;
  /** Bytes of channels and their last messages in memory, about. @default 67108864 */
  readonly cache?: number;
  /** @default the runtime's */
  readonly clock?: Clock;
  /** Told when a follower or listener throws, and when the database fails after it worked. @default ignored */
  readonly failed?: (error: unknown, stage: string) => void;
  /** Told of each commit: how many messages and values it held, and the milliseconds it took. @default not measured */
  readonly measured?: (count: number, ms: number) => void;
  /** Told of each time the database was written anew. @default not measured */
  readonly scrubbed?: (scrubbed: Scrubbed) => void;
}

/** Bytes that have to be free before the engine says that it works again; less when the database may not have much. */
const ROOM = 1024 * 1024;

/** Keeps messages, values and dedupe keys in a database, files in a directory, presence and claims of sessions in memory. */
export class SqliteEngine implements Engine {
  readonly name = "sqlite";
  readonly log: SqliteLog;
  readonly presence: LocalPresence;
  readonly values: SqliteValues;
  readonly commands: LocalCommands;
  readonly blobs: SqliteBlobs;
  readonly #storage: Storage;
  readonly #expiry: Expiry;
  readonly #scrubs: Scrubs;
  readonly #listeners: Listeners;
  readonly #table: PresenceTable;
  readonly #nodes: NodeTable;
  readonly #clock: Clock;
  readonly #room: number;

  private constructor(opened: Opened, options: SqliteEngineOptions) {
    const { dedupeWindow = 120_000, cache = 64 * 1024 * 1024, maxSize = 0, failed = () => {} } = options;
    const { clock = systemClock } = options;
    // A key may be known for two windows, and is of no use once its channel counts from 1 again.
    const idle = Math.max(options.idle ?? 7 * 86_400_000, 2 * dedupeWindow + 1);
    this.#clock = clock;
    this.#room = maxSize > 0 ? Math.min(ROOM, Math.floor(maxSize / 8)) : ROOM;
    const storage = this.#storage = new Storage(opened, {
      dedupeWindow,
      cache,
      now: () => clock.wall(),
      clock: () => clock.now(),
      failed: (error) => failed(error, "database"),
      measured: options.measured,
    });
    this.#expiry = new Expiry(storage, idle, options.sweepTime);
    const listeners = this.#listeners = new Listeners(failed);
    const table = this.#table = new PresenceTable(
      clock.now(),
      (channel, event, entry) => listeners.changed(channel, event, entry),
    );
    this.log = new SqliteLog(storage, listeners);
    this.presence = new LocalPresence(table, listeners, clock);
    this.values = new SqliteValues(storage, idle);
    // One process has the database, so this is the only node.
    this.commands = new LocalCommands(this.#nodes = new NodeTable(clock), failed);
    const blobs = this.blobs = new SqliteBlobs({
      directory: options.files ?? `${dirname(options.path)}/files`,
      now: () => clock.wall(),
      failed,
    });
    this.#scrubs = new Scrubs({
      clock,
      prepare: () => this.blobs.removed(),
      *run(isSpent) {
        yield* blobs.scrub(isSpent);
        yield* storage.scrub(isSpent);
      },
      measured: options.scrubbed,
    });
  }

  /** Opens a database. Rejects with an Error that names the path and what is wrong with it. */
  static async open(options: SqliteEngineOptions): Promise<SqliteEngine> {
    const { path, synchronous = "normal", maxSize = 0 } = options;
    const engine = new SqliteEngine(openDatabase({ path, synchronous, maxSize }), options);
    await engine.blobs.resume();
    return engine;
  }

  sweep(): void {
    const now = this.#clock.now();
    this.#table.sweep(now);
    this.blobs.sweep(now);
    this.#nodes.sweep();
    if (!this.#storage.open) return;
    // What is dropped may be the room that is missing.
    this.#expiry.sweep(this.#clock.wall());
    this.log.interruptStreams();
    const { transactions } = this.#storage;
    if (!transactions.works) transactions.probe(this.#room);
  }

  scrub(): Promise<void> {
    return this.#scrubs.request();
  }

  healthy(): boolean {
    return this.#storage.open && this.#storage.transactions.works;
  }

  status(): EngineStatus {
    const { channels: { size: channels }, bytes } = this.#storage;
    return { channels, ...(bytes === undefined ? {} : { bytes }) };
  }

  /** Commits what waits, and gives the database and the files back. */
  async close(): Promise<void> {
    this.#expiry.stop();
    this.#storage.close();
    this.#listeners.clear();
    this.commands.close();
    await Promise.all([this.#scrubs.close(), this.blobs.close()]);
  }
}
