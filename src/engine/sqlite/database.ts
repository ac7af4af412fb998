/**
 * Opening the database's file: its directory, its lock, its settings.
 *
 * @module
 */

import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { uuidv7 } from "../../protocol/mod.ts";
import { migrate, pragma } from "./schema.ts";
import { removeLeftovers } from "./scrub_slices.ts";

/** What a committed message survives: see `SqliteEngineOptions.synchronous`. */
export type Synchronous = "normal" | "full";

/** How a database is opened. */
export interface DatabaseOptions {
  readonly path: string;
  readonly synchronous: Synchronous;
  /** Bytes the database may have at most; 0: as many as there is room for. */
  readonly maxSize: number;
}

/** An open database that no other process has open to write. */
export interface Opened {
  readonly db: DatabaseSync;
  /** Ends the lock; to be called once `db` is closed. */
  unlock(): void;
}

/** Pages of the write-ahead log after which it is carried over into the database. */
const CHECKPOINT_PAGES = 1000;
/** A write-ahead log that grew beyond this, in bytes, is cut when it begins anew. */
const MAX_LOG = 64 * 1024 * 1024;
/** Kilobytes of pages in memory. */
const CACHE = 16_384;
/** Milliseconds to wait for another program that writes. The event loop stands still meanwhile. */
const BUSY = 20;

/**
 * Opens a database, made with its directory when there is none, and brings its schema up to date. Throws an Error
 * that names the path and what is wrong with it: in use, not writable, not ours, of a newer version, damaged.
 */
export function openDatabase(options: DatabaseOptions): Opened {
  const { path } = options;
  const unlock = lock(path);
  let db: DatabaseSync | undefined;
  try {
    // Made here, because SQLite would let everybody on the machine read it. Its other files take over the mode.
    Deno.openSync(path, { create: true, append: true, mode: 0o600 }).close();
    db = new DatabaseSync(path, { timeout: BUSY });
    removeLeftovers(db);
    migrate(db);
    configure(db, options);
    renewEpochs(db);
    return { db, unlock };
  } catch (error) {
    db?.close();
    unlock();
    throw new Error(`${path}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** Takes the lock that keeps a second process away. It ends with the process, however that ends. */
function lock(path: string): () => void {
  const name = `${path}.lock`;
  let file: Deno.FsFile;
  try {
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    file = Deno.openSync(name, { create: true, read: true, write: true, mode: 0o600 });
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  try {
    if (!file.tryLockSync(true)) {
      const owner = Deno.readTextFileSync(name).trim();
      throw new Error(`${path}: in use by another process${owner === "" ? "" : ` (${owner})`}`);
    }
    file.truncateSync();
    file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  } catch (error) {
    file.close();
    throw error;
  }
  return () => file.close();
}

function configure(db: DatabaseSync, { synchronous, maxSize }: DatabaseOptions): void {
  const mode = db.prepare("PRAGMA journal_mode = WAL").get()?.journal_mode;
  if (mode !== "wal") throw new Error("its file system cannot hold a write-ahead log");
  db.exec(`
    PRAGMA synchronous = ${synchronous === "full" ? "FULL" : "NORMAL"};
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = ${MAX_LOG};
    PRAGMA cache_size = -${CACHE};
    PRAGMA temp_store = MEMORY;
  `);
  if (maxSize > 0) {
    const pages = Math.max(1, Math.floor(maxSize / pragma(db, "page_size")));
    db.exec(`PRAGMA max_page_count = ${pages}`);
  }
  // Says now rather than with the first message that the file cannot be written.
  db.exec("BEGIN IMMEDIATE; REPLACE INTO meta VALUES('opened', unixepoch()); COMMIT");
}

/**
 * A backup that is put back has lost what was published after it was made: its channels go on in another epoch, or
 * their offsets would be given out a second time.
 */
function renewEpochs(db: DatabaseSync): void {
  if (db.prepare("SELECT 1 FROM meta WHERE name = 'backup'").get() === undefined) return;
  const epoch = uuidv7();
  db.exec("BEGIN IMMEDIATE");
  // Values stay about the same places.
  db.prepare(`
    UPDATE value SET epoch = ? WHERE EXISTS
      (SELECT 1 FROM channel WHERE channel.name = value.channel AND channel.epoch = value.epoch)
  `).run(epoch);
  db.prepare("UPDATE channel SET epoch = ?").run(epoch);
  db.prepare("UPDATE meta SET value = ? WHERE name = 'epoch'").run(epoch);
  db.exec("DELETE FROM meta WHERE name = 'backup'; COMMIT");
}
