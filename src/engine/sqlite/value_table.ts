/**
 * Small values as rows.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Content, PutOptions, Value, ValueKey } from "../contract.ts";

/** Values removed in one step of the sweep. */
const SOME = 500;

/** The table of values. Writing happens within transactions of the caller. */
export class ValueTable {
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #forget: StatementSync;
  readonly #expire: StatementSync;
  readonly #due: StatementSync;
  readonly #now: () => number;
  #revision: number;

  /** `now`: milliseconds since the epoch. */
  constructor(db: DatabaseSync, now: () => number) {
    this.#now = now;
    this.#find = db.prepare(
      "SELECT revision, epoch, offset, data FROM value WHERE channel = ? AND name = ? AND (expires IS NULL OR expires > ?)",
    );
    this.#put = db.prepare("REPLACE INTO value VALUES(?, ?, ?, ?, ?, ?, ?)");
    this.#delete = db.prepare("DELETE FROM value WHERE channel = ? AND name = ?");
    this.#forget = db.prepare("DELETE FROM value WHERE channel = ?");
    this.#expire = db.prepare(
      "DELETE FROM value WHERE rowid IN (SELECT rowid FROM value WHERE expires <= ? LIMIT ?)",
    );
    this.#due = db.prepare("SELECT 1 FROM value WHERE expires <= ? LIMIT 1");
    // Nobody holds a revision from before this process, so the highest one that is left is high enough.
    this.#revision = Number(db.prepare("SELECT coalesce(max(revision), 0) AS n FROM value").get()!.n);
  }

  /** A value. */
  get({ channel = "", name }: ValueKey): Value | undefined {
    const row = this.#find.get(channel, name, this.#now());
    if (row === undefined) return undefined;
    const { revision, epoch, offset, data } = row;
    return {
      revision: revision as number,
      ...(epoch === null ? {} : { at: { epoch: epoch as string, offset: offset as number } }),
      ...(data === null ? {} : { data: data as Uint8Array }),
    };
  }

  /** Keeps a value; its revision, or undefined when `options.revision` is not the one of the value there is. */
  put(key: ValueKey, { at, data }: Content, { revision, ttl }: PutOptions): number | undefined {
    const { channel = "", name } = key;
    if (revision !== undefined && (this.get(key)?.revision ?? 0) !== revision) return undefined;
    const next = ++this.#revision;
    const expires = ttl === undefined ? null : this.#now() + ttl;
    this.#put.run(channel, name, next, at?.epoch ?? null, at?.offset ?? null, data ?? null, expires);
    return next;
  }

  /** Removes a value; false: there is none, or it has another revision. */
  delete(key: ValueKey, revision: number | undefined): boolean {
    const known = this.get(key);
    if (known === undefined || (revision !== undefined && known.revision !== revision)) return false;
    this.#delete.run(key.channel ?? "", key.name);
    return true;
  }

  /** Removes the values of a channel. */
  forget(channel: string): void {
    this.#forget.run(channel);
  }

  /** Removes some values that have expired; true: there may be more. */
  expire(): boolean {
    return this.#expire.run(this.#now(), SOME).changes === SOME;
  }

  /** Whether `expire` has something to do. */
  get isDue(): boolean {
    return this.#due.get(this.#now()) !== undefined;
  }
}
