/**
 * Dedupe keys in the database, so that they survive a restart and their number is not bounded by memory.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";

interface Generation {
  readonly insert: StatementSync;
  readonly find: StatementSync;
  readonly any: StatementSync;
  readonly clear: StatementSync;
}

/**
 * Remembers a key for at least `window` milliseconds and at most twice as long. There are two tables: new keys go to the
 * young one. When that is a window old, the old one is emptied and the two change places: deleting all rows of a table is
 * much cheaper than deleting single keys. Everything happens within transactions of the caller, who calls `load` when one
 * has failed.
 */
export class DedupeTables {
  readonly #window: number;
  readonly #generations: readonly [Generation, Generation];
  readonly #read: StatementSync;
  readonly #write: StatementSync;
  #young: 0 | 1 = 0;
  #oldIsEmpty = false;
  /** Keeps the tables from changing places. */
  isHeld = false;
  /** When the tables changed places, in milliseconds since the epoch. */
  #turned = 0;

  /** `now`: milliseconds since the epoch. */
  constructor(db: DatabaseSync, window: number, now: number) {
    this.#window = window;
    const generation = (table: string): Generation => ({
      insert: db.prepare(`INSERT OR IGNORE INTO ${table} VALUES(?, ?, ?)`),
      find: db.prepare(`SELECT offset FROM ${table} WHERE key = ? AND channel = ?`),
      any: db.prepare(`SELECT 1 FROM ${table} LIMIT 1`),
      clear: db.prepare(`DELETE FROM ${table}`),
    });
    this.#generations = [generation("dedupe0"), generation("dedupe1")];
    this.#read = db.prepare("SELECT value FROM meta WHERE name = ?");
    this.#write = db.prepare("UPDATE meta SET value = ? WHERE name = ?");
    // A new database has no time yet. It is kept, or restarts before the first turn would put that off for ever.
    if (!Number(this.#read.get("turned")!.value)) this.#write.run(now, "turned");
    this.load();
  }

  /** Reads the state of the tables from the database. */
  load(): void {
    this.#young = this.#read.get("young")!.value === 1 ? 1 : 0;
    this.#turned = Number(this.#read.get("turned")!.value);
    this.#oldIsEmpty = this.#old.any.get() === undefined;
  }

  /** The offset that is remembered for `key`. When there is none, remembers `offset` and returns undefined. */
  claim(channel: number, key: string, offset: number): number | undefined {
    const young = this.#generations[this.#young];
    if (!this.#oldIsEmpty) {
      const known = this.#old.find.get(key, channel);
      if (known !== undefined) return known.offset as number;
    }
    if (young.insert.run(key, channel, offset).changes !== 0) return undefined;
    return young.find.get(key, channel)!.offset as number;
  }

  /** Whether it is time for `turn`. */
  isDue(now: number): boolean {
    if (this.isHeld) return false;
    // `now` is lower when the wall clock was set back.
    return now < this.#turned || now - this.#turned >= this.#window;
  }

  /** Forgets the keys of the old table, and lets the tables change places. */
  turn(now: number): void {
    this.#old.clear.run();
    this.#oldIsEmpty = this.#generations[this.#young].any.get() === undefined;
    this.#young = this.#young === 0 ? 1 : 0;
    this.#turned = now;
    this.#write.run(this.#young, "young");
    this.#write.run(now, "turned");
  }

  get #old(): Generation {
    return this.#generations[this.#young === 0 ? 1 : 0];
  }
}
