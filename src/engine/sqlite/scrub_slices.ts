/**
 * Writes a database anew while it is in use, a little at a time. `scrub.ts` does the same at once, and needs less room.
 *
 * Each table is copied into a new one in slices; triggers bring what changes meanwhile there too. Then the two change
 * places, in one short transaction, and the old one is emptied in slices. From the beginning to the end SQLite overwrites
 * what is freed (`secure_delete`); what was free before is taken and freed once more first.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { pragma } from "./schema.ts";

/** What the tables are called that exist only meanwhile: the new one, the old one, and the one that fills free pages. */
const ANEW = "_anew", GONE = "_gone", FILLING = "filling";
/** Bytes of the values with which free pages are taken. */
const FILL = 256 * 1024;
/** Rows that one statement moves: more as long as that takes less than the first figure of milliseconds, fewer above the second. */
const ROWS = { most: 256, quick: 1, slow: 4 };
/** Pages that others may need meanwhile. */
const SPARE = 1024;

/** Whether the time of a slice is over. */
export type IsSpent = () => boolean;

/** Whether the largest size of a database leaves room for a copy of all that is in it. */
export function hasRoom(db: DatabaseSync): boolean {
  const pages = pragma(db, "page_count"), free = pragma(db, "freelist_count");
  return pages + (pages - free) + SPARE <= pragma(db, "max_page_count");
}

/**
 * Writes the database anew: done once the generator is. Between two steps others may write, and no transaction is open.
 * A step goes on until `isSpent`. Throws what SQLite says; then everything is as before, but for room in the file.
 */
export function* scrubInSlices(db: DatabaseSync, isSpent: IsSpent): Generator<void> {
  removeLeftovers(db);
  try {
    db.exec("PRAGMA secure_delete = ON");
    yield* fillFreePages(db, isSpent);
    for (const table of tablesOf(db)) {
      transaction(db, () => begin(db, table));
      yield* copyRows(db, table, isSpent);
      transaction(db, () => swap(db, table));
      yield* emptyOld(db, table, isSpent);
    }
  } finally {
    // Not when the database was closed in between: then the next one who opens it does so.
    if (db.isOpen) {
      db.exec("PRAGMA secure_delete = OFF");
      removeLeftovers(db);
    }
  }
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}

/** Removes what one that was not finished has left. */
export function removeLeftovers(db: DatabaseSync): void {
  const left = db.prepare(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND (name = '${FILLING}' OR name GLOB '*${ANEW}' OR name GLOB '*${GONE}')`,
  ).all() as { name: string }[];
  if (left.length === 0) return;
  transaction(db, () => {
    const triggers = db.prepare(
      `SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB '*${ANEW}_*'`,
    ).all() as { name: string }[];
    for (const { name } of triggers) db.exec(`DROP TRIGGER "${name}"`);
    for (const { name } of left) db.exec(`DROP TABLE "${name}"`);
  });
}

interface Table {
  readonly name: string;
  /** How it is made. */
  readonly sql: string;
  /** What tells its rows apart, in their order. */
  readonly key: readonly string[];
  /** All that is copied of a row. */
  readonly columns: readonly string[];
}

function tablesOf(db: DatabaseSync): Table[] {
  const tables = db.prepare(
    "SELECT schema.name, sql, wr FROM sqlite_schema AS schema JOIN pragma_table_list AS list ON list.name = schema.name " +
      "WHERE schema.type = 'table' AND list.schema = 'main' AND schema.name NOT LIKE 'sqlite_%'",
  ).all() as { name: string; sql: string; wr: number }[];
  return tables.map(({ name, sql, wr }) => {
    const columns = db.prepare("SELECT name, type, pk FROM pragma_table_info(?)").all(name) as {
      name: string;
      type: string;
      pk: number;
    }[];
    const names = columns.map(({ name }) => name);
    const primary = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
    const key = primary.map(({ name }) => name);
    if (wr === 1 || primary.length === 1 && primary[0]!.type === "INTEGER") {
      return { name, sql, key, columns: names };
    }
    // Its order is that of insertion, which statements may go by.
    return { name, sql, key: ["rowid"], columns: ["rowid", ...names] };
  });
}

/** Makes the new table, and the triggers that follow the old one. */
function begin(db: DatabaseSync, { name, sql, key, columns }: Table): void {
  const anew = `${name}${ANEW}`;
  // After the first time SQLite has names in quotes.
  db.exec(sql.replace(/^CREATE TABLE\s+("?)\w+\1/i, `CREATE TABLE ${anew}`));
  const indexes = db.prepare(
    "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
  ).all(name) as { name: string; sql: string }[];
  for (const index of indexes) {
    const other = index.name.endsWith(ANEW) ? index.name.slice(0, -ANEW.length) : `${index.name}${ANEW}`;
    db.exec(index.sql.replace(/INDEX\s+"?\w+"?\s+ON\s+"?\w+"?/i, `INDEX ${other} ON ${anew}`));
  }
  const values = columns.map((column) => `new.${quoted(column)}`).join(", ");
  const insert = `INSERT OR REPLACE INTO ${anew}(${list(columns)}) VALUES(${values});`;
  const remove = `DELETE FROM ${anew} WHERE ${
    key.map((one) => `${quoted(one)} = old.${quoted(one)}`).join(" AND ")
  };`;
  db.exec(`
    CREATE TRIGGER ${anew}_insert AFTER INSERT ON ${name} BEGIN ${insert} END;
    CREATE TRIGGER ${anew}_delete AFTER DELETE ON ${name} BEGIN ${remove} END;
    CREATE TRIGGER ${anew}_update AFTER UPDATE ON ${name} BEGIN ${remove} ${insert} END;
  `);
}

/**
 * Copies the rows there were when the triggers were made. They bring all that follow: a copy that went on to the end of the
 * table would not end where each slice is over before it gets there, while others go on writing.
 */
function* copyRows(db: DatabaseSync, { name, key, columns }: Table, isSpent: IsSpent): Generator<void> {
  const until = lastKey(db, name, key);
  if (until === undefined) return;
  const rows = new Rows(db, name, key, until);
  const copy = (after: string) =>
    // What a trigger has brought there is the same row.
    `INSERT OR IGNORE INTO ${name}${ANEW}(${list(columns)}) SELECT ${
      list(columns)
    } FROM ${name} WHERE ${after} ${rows.upTo}`;
  const first = db.prepare(copy("")), rest = db.prepare(copy(`${rows.after} AND`));
  let last: Key | undefined;
  const some = (most: number): boolean => {
    const end = rows.end(last, most);
    if (end === undefined) return false;
    if (last === undefined) first.run(...end);
    else rest.run(...last, ...end);
    last = end;
    return true;
  };
  yield* inSlices(db, some, isSpent);
}

/** Lets the two tables change places. */
function swap(db: DatabaseSync, { name }: Table): void {
  for (const kind of ["insert", "delete", "update"]) db.exec(`DROP TRIGGER ${name}${ANEW}_${kind}`);
  db.exec(`ALTER TABLE ${name} RENAME TO ${name}${GONE}; ALTER TABLE ${name}${ANEW} RENAME TO ${name}`);
}

function* emptyOld(db: DatabaseSync, { name, key }: Table, isSpent: IsSpent): Generator<void> {
  const gone = `${name}${GONE}`;
  const rows = new Rows(db, gone, key);
  const remove = db.prepare(`DELETE FROM ${gone} WHERE ${rows.upTo}`);
  const some = (most: number): boolean => {
    const end = rows.end(undefined, most);
    if (end !== undefined) remove.run(...end);
    return end !== undefined;
  };
  yield* inSlices(db, some, isSpent);
  db.exec(`DROP TABLE ${gone}`);
}

/**
 * Overwrites pages that are free: takes and frees them. Those that become free from now on are overwritten then, but which
 * ones they are cannot be told. So that it ends although others free pages meanwhile, each slice leaves fewer than the
 * one before, which is more work by what others have freed in between.
 */
function* fillFreePages(db: DatabaseSync, isSpent: IsSpent): Generator<void> {
  const size = pragma(db, "page_size");
  db.exec(`CREATE TABLE ${FILLING}(zeros BLOB)`);
  const fill = db.prepare(`INSERT INTO ${FILLING} VALUES(zeroblob(?))`);
  const some = (): boolean => {
    const free = pragma(db, "freelist_count");
    // A little less than the pages hold, so that the file hardly grows. The last ones take a row each.
    if (free > 0) fill.run(free < 8 ? size : Math.min(FILL, Math.floor(free * size * 0.9)));
    return free > 0;
  };
  let least = Infinity;
  const isOver = (): boolean => {
    const free = isSpent() ? pragma(db, "freelist_count") : Infinity;
    if (free >= least) return false;
    least = free;
    return true;
  };
  yield* inSlices(db, some, isOver);
  const remove = db.prepare(`DELETE FROM ${FILLING} WHERE rowid = (SELECT min(rowid) FROM ${FILLING})`);
  // With this they are zeros to the last byte: where a value ends in a page, the rest may be as it was.
  yield* inSlices(db, () => remove.run().changes !== 0, isSpent);
  db.exec(`DROP TABLE ${FILLING}`);
}

/** Calls `some` with a number of rows until it is done (false), in a transaction for each slice. */
function* inSlices(
  db: DatabaseSync,
  some: (most: number) => boolean,
  isSpent: IsSpent,
): Generator<void> {
  let most = 1;
  for (let more = true; more;) {
    transaction(db, () => {
      do {
        const began = performance.now();
        more = some(most);
        const ms = performance.now() - began;
        if (ms < ROWS.quick) most = Math.min(most * 2, ROWS.most);
        else if (ms > ROWS.slow) most = Math.max(1, most >> 1);
      } while (more && !isSpent());
    });
    yield;
  }
}

function transaction(db: DatabaseSync, work: () => void): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    work();
    db.exec("COMMIT");
  } catch (error) {
    // Some errors of SQLite end the transaction.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

type Key = (string | number | bigint | Uint8Array)[];

/** Finds places in a table in the order of its keys. */
class Rows {
  /** Conditions: rows after a key, and those up to one. */
  readonly after: string;
  readonly upTo: string;
  readonly #key: readonly string[];
  readonly #until: Key;
  readonly #first: StatementSync;
  readonly #next: StatementSync;

  /** @param until The last key that is looked at. @default there is no last one */
  constructor(db: DatabaseSync, table: string, key: readonly string[], until: Key = []) {
    this.#key = key;
    this.#until = until;
    const names = list(key), marks = key.map(() => "?").join(", ");
    this.after = `(${names}) > (${marks})`;
    this.upTo = `(${names}) <= (${marks})`;
    const bound = until.length === 0 ? "true" : this.upTo;
    const end = (where: string) => {
      const some = `SELECT ${names} FROM ${table} ${where} ORDER BY ${names} LIMIT ?`;
      const last = key.map((one) => `${quoted(one)} DESC`).join(", ");
      const statement = db.prepare(`SELECT * FROM (${some}) ORDER BY ${last} LIMIT 1`);
      // Keys of messages are larger than what numbers hold exactly.
      statement.setReadBigInts(true);
      return statement;
    };
    this.#first = end(`WHERE ${bound}`);
    this.#next = end(`WHERE ${this.after} AND ${bound}`);
  }

  /** The last key of at most `most` rows after `last`; undefined: there are none. */
  end(last: Key | undefined, most: number): Key | undefined {
    const until = this.#until;
    const row = last === undefined
      ? this.#first.get(...until, most)
      : this.#next.get(...last, ...until, most);
    return row === undefined ? undefined : keyOf(row, this.#key);
  }
}

/** The last key of a table; undefined: it is empty. */
function lastKey(db: DatabaseSync, table: string, key: readonly string[]): Key | undefined {
  const descending = key.map((one) => `${quoted(one)} DESC`).join(", ");
  const statement = db.prepare(`SELECT ${list(key)} FROM ${table} ORDER BY ${descending} LIMIT 1`);
  // Keys of messages are larger than what numbers hold exactly.
  statement.setReadBigInts(true);
  const row = statement.get();
  return row === undefined ? undefined : keyOf(row, key);
}

function keyOf(row: Record<string, unknown>, key: readonly string[]): Key {
  return key.map((one) => row[one] as Key[number]);
}

function quoted(name: string): string {
  return `"${name}"`;
}

function list(names: readonly string[]): string {
  return names.map(quoted).join(", ");
}
