/**
 * Which messages were published lately, in the database: known after a restart, and however many there are.
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
 * Knows a key for at least `window` milliseconds. Two tables take turns: when the younger one is a window old, the
 * older one is emptied and becomes the younger. Everything happens within transactions of the caller, who calls
 * `load` when one fails.
 */
export class DedupeTables {
  readonly #window: number;
  readonly #generations: readonly [Generation, Generation];
  readonly #read: StatementSync;
  readonly #write: StatementSync;
  #young: 0 | 1 = 0;
  #oldIsEmpty = false;
  /** When the younger one became it, in milliseconds since the epoch. */
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
    this.#turned = now;
    this.load();
  }

  /** Reads what the database says about the tables. */
  load(): void {
    this.#young = this.#read.get("young")!.value === 1 ? 1 : 0;
    // A new database has no time yet.
    this.#turned = Number(this.#read.get("turned")!.value) || this.#turned;
    this.#oldIsEmpty = this.#old.any.get() === undefined;
  }

  /** The offset known for `key`; unless there is one, `offset` is known from now on. */
  claim(channel: number, key: string, offset: number): number | undefined {
    const young = this.#generations[this.#young];
    if (!this.#oldIsEmpty) {
      const known = this.#old.find.get(key, channel);
      if (known !== undefined) return known.offset as number;
    }
    if (young.insert.run(key, channel, offset).changes !== 0) return undefined;
    return young.find.get(key, channel)!.offset as number;
  }

  /** Whether `turn` has something to do. */
  isDue(now: number): boolean {
    // The clock may have stepped back.
    return now < this.#turned || now - this.#turned >= this.#window;
  }

  /** Forgets what is past the window. */
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
