/**
 * Writes a database anew in its own file, so that nothing of what was deleted is left in it, at once: where a second copy of
 * it has no room, which `scrub_slices.ts` needs. `VACUUM` would do the same, but
 * attaches another database, which the runtime allows only a program that may read and write every file. SQLite's
 * `secure_delete` alone leaves traces in pages that are in use.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { pragma } from "./schema.ts";

/** Rows that are moved at once: the pages that they leave are those that the next ones take. */
const SOME = 1000;
/** Bytes of zeros with which free pages are filled at once. */
const FILL = 4 * 1024 * 1024;

/**
 * Moves every row into a new table, overwrites what is free, and empties the write-ahead log. In one transaction; it must
 * not be called within another one. Throws what SQLite says, and nothing is changed then.
 */
export function scrub(db: DatabaseSync): void {
  db.exec("PRAGMA secure_delete = ON; BEGIN IMMEDIATE");
  try {
    const tables = db.prepare(
      "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )
      .all() as { name: string; sql: string }[];
    for (const { name, sql } of tables) moveTable(db, name, sql);
    fillFreePages(db);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  } finally {
    // What is deleted every day need not be overwritten: that would double the pages that are written.
    db.exec("PRAGMA secure_delete = OFF");
  }
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}

function moveTable(db: DatabaseSync, name: string, sql: string): void {
  const indexes = db.prepare(
    "SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
  )
    .all(name) as { sql: string }[];
  // After the first time SQLite has the name in quotes.
  const anew = sql.replace(/^CREATE TABLE\s+("?)\w+\1/i, `CREATE TABLE ${name}_anew`);
  db.exec(anew);
  if (/WITHOUT\s+ROWID/i.test(sql)) db.exec(`INSERT INTO ${name}_anew SELECT * FROM ${name}`);
  else moveRows(db, name);
  db.exec(`DROP TABLE ${name}; ALTER TABLE ${name}_anew RENAME TO ${name}`);
  for (const index of indexes) db.exec(index.sql);
}

function moveRows(db: DatabaseSync, name: string): void {
  const end = db.prepare(
    `SELECT max(rowid) AS last FROM (SELECT rowid FROM ${name} ORDER BY rowid LIMIT ${SOME})`,
  );
  // Keys of messages are larger than what numbers hold exactly.
  end.setReadBigInts(true);
  const copy = db.prepare(`INSERT INTO ${name}_anew SELECT * FROM ${name} WHERE rowid <= ?`);
  const remove = db.prepare(`DELETE FROM ${name} WHERE rowid <= ?`);
  for (;;) {
    const last = end.get()?.last as number | bigint | null;
    if (last === null) return;
    copy.run(last);
    remove.run(last);
  }
}

function fillFreePages(db: DatabaseSync): void {
  const size = pragma(db, "page_size");
  db.exec("CREATE TABLE filling(zeros BLOB)");
  const fill = db.prepare("INSERT INTO filling VALUES(zeroblob(?))");
  for (;;) {
    const free = pragma(db, "freelist_count");
    if (free === 0) break;
    // A little less than the pages hold, so that the file hardly grows. The last ones take a row each.
    fill.run(free < 8 ? size : Math.min(FILL, Math.floor(free * size * 0.9)));
  }
  db.exec("DROP TABLE filling");
}
