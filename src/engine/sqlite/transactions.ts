/**
 * Transactions that leave nothing half done, in the database or in memory, and whether they work.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Channel } from "./channel.ts";

/** Channels that a transaction changes, by name. */
export type Touched = Map<string, Channel>;

/** Whether the database failed, and not what was to be put into it. */
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
  /** Whether the last thing that was to be added could be. */
  works = true;

  /** `reload` reads again what else is kept in memory of the database; `failed` is told once when it ceases to work. */
  constructor(db: DatabaseSync, reload: () => void, failed: (error: unknown) => void) {
    this.#db = db;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#reload = reload;
    this.#failed = failed;
  }

  /** Runs `work`, which may put channels into `touched`; when it fails nothing of it was done, and its error is thrown. */
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

  /** Finds out whether there is room again: takes that many bytes, and gives them back. */
  probe(bytes: number): void {
    try {
      this.run(() => {
        this.#db.prepare("REPLACE INTO meta VALUES('probe', zeroblob(?))").run(bytes);
      });
      this.run(() => this.#db.exec("DELETE FROM meta WHERE name = 'probe'"));
      this.works = true;
    } catch {
      // Not yet.
    }
  }

  #rollBack(touched: Touched): void {
    for (const channel of touched.values()) channel.revert();
    try {
      // Some failures end the transaction by themselves.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      this.#reload();
    } catch (error) {
      this.#failed(error);
    }
  }
}
