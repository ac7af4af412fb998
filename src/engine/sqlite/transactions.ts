/**
 * Transactions that are rolled back in memory too when they fail, and whether the database works.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Channel } from "./channel.ts";

/** The channels that a transaction has changed, by name. */
export type Touched = Map<string, Channel>;

/** Whether the database failed. Otherwise the item that was to be written was at fault. */
export function isDatabaseError(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "ERR_SQLITE_ERROR";
}

/** Runs transactions on a database. */
export class Transactions {
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #reload: () => void;
  readonly #failed: (error: unknown) => void;
  /** Whether the last write succeeded. */
  works = true;

  /**
   * `reload` is called after a rollback and reads again what is in memory beside channels. `failed` is told once when the
   * database stops working.
   */
  constructor(db: DatabaseSync, reload: () => void, failed: (error: unknown) => void) {
    this.#db = db;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#reload = reload;
    this.#failed = failed;
  }

  /** Runs `work` in a transaction. It adds the channels that it changes to `touched`. When it throws, everything is undone. */
  run(work: () => void, touched: Touched = new Map()): void {
    try {
      this.#begin.run();
      work();
      this.#commit.run();
    } catch (error) {
      this.#rollBack(touched);
      if (isDatabaseError(error)) {
        if (this.works) this.#failed(error);
        this.works = false;
      }
      throw error;
    }
    for (const channel of touched.values()) channel.keep();
  }

  /** Finds out whether the disk has room again: writes so many bytes and deletes them. */
  probe(bytes: number): void {
    try {
      this.run(() => {
        this.#db.prepare("REPLACE INTO meta VALUES('probe', zeroblob(?))").run(bytes);
      });
      this.run(() => this.#db.exec("DELETE FROM meta WHERE name = 'probe'"));
      this.works = true;
    } catch {
      // There is no room yet: `works` stays false.
    }
  }

  #rollBack(touched: Touched): void {
    for (const channel of touched.values()) channel.revert();
    try {
      // Some errors of SQLite end the transaction.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      this.#reload();
    } catch (error) {
      this.#failed(error);
    }
  }
}
