/**
 * The tables of the database and how an older one becomes a newer one.
 *
 * A message's key is its channel's id and its offset in one integer, so that a channel's messages lie side by side
 * in order of offset, and need no index beside the table. Dedupe keys begin with the sender's id of the message: when
 * that begins with the time (UUIDv7), new ones lie side by side too, whatever their channel.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { uuidv7 } from "../../protocol/mod.ts";

/** "Skei": tells our databases from others (`PRAGMA application_id`). */
const APPLICATION_ID = 0x536b6569;
/** Bits of a message's key that hold the offset; the others hold the channel's id. */
export const OFFSET_BITS = 40;
/** The highest id a channel may have. */
export const MAX_CHANNEL = 2 ** (63 - OFFSET_BITS) - 1;

/** One step of the schema: what makes version N + 1 of version N. */
export type Migration = (db: DatabaseSync) => void;

/**
 * All steps; the schema's version is how many there are. A step that was released is never changed.
 * Exported for tests.
 */
export const MIGRATIONS: readonly Migration[] = [
  (db) => {
    db.exec(`
      CREATE TABLE meta(
        name TEXT PRIMARY KEY,
        value ANY NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE channel(
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        epoch TEXT NOT NULL,
        last INTEGER NOT NULL,    -- offset of the last message, unless message has a later one
        first INTEGER NOT NULL,   -- offset of the first one kept, last + 1 when none is; at least last - size + 1
        floor INTEGER NOT NULL,   -- no row of message lies below it
        size INTEGER NOT NULL,    -- retention of the last publish
        age INTEGER NOT NULL,
        touched INTEGER NOT NULL, -- when it was last published to
        due INTEGER NOT NULL      -- when something of it may be past its time
      ) STRICT;
      CREATE INDEX channel_due ON channel(due);

      CREATE TABLE message(
        key INTEGER PRIMARY KEY,  -- channel.id << ${OFFSET_BITS} | offset
        at INTEGER NOT NULL,
        body TEXT NOT NULL        -- [type, id, from, payload]
      ) STRICT;

      CREATE TABLE dedupe0(
        key TEXT NOT NULL, channel INTEGER NOT NULL, offset INTEGER NOT NULL,
        PRIMARY KEY(key, channel)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE dedupe1(
        key TEXT NOT NULL, channel INTEGER NOT NULL, offset INTEGER NOT NULL,
        PRIMARY KEY(key, channel)
      ) STRICT, WITHOUT ROWID;
    `);
    db.prepare("INSERT INTO meta VALUES('epoch', ?), ('young', 0), ('turned', 0)").run(uuidv7());
  },
  (db) => {
    db.exec(`
      CREATE TABLE value(
        channel TEXT NOT NULL,    -- empty: it belongs to no channel
        name TEXT NOT NULL,
        revision INTEGER NOT NULL,
        epoch TEXT,               -- the place it is about
        offset INTEGER,
        data BLOB,
        expires INTEGER,          -- milliseconds since the epoch
        PRIMARY KEY(channel, name)
      ) STRICT;
      CREATE INDEX value_expires ON value(expires) WHERE expires IS NOT NULL;
    `);
  },
  (db) => {
    db.exec(`
      CREATE TABLE stream(        -- messages that may still grow
        channel TEXT NOT NULL,
        target INTEGER NOT NULL,  -- offset of the message
        patience INTEGER NOT NULL,
        PRIMARY KEY(channel, target)
      ) STRICT, WITHOUT ROWID;
    `);
  },
];

/** Reads a pragma that answers with one number. */
export function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}

/**
 * Brings a database to the newest version, in one transaction. Throws when it is another program's, or of a newer
 * version than this program knows; nothing is changed then.
 */
export function migrate(db: DatabaseSync, migrations: readonly Migration[] = MIGRATIONS): void {
  const version = checkSchema(db, migrations.length);
  if (version === migrations.length) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    for (let at = version; at < migrations.length; at++) migrations[at]!(db);
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${migrations.length}`);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** The schema's version; 0: the database is empty. Throws when it is none of ours or newer than `newest`. */
export function checkSchema(db: DatabaseSync, newest: number = MIGRATIONS.length): number {
  const version = pragma(db, "user_version");
  const empty = pragma(db, "schema_version") === 0;
  if (!empty && pragma(db, "application_id") !== APPLICATION_ID) {
    throw new Error("it is the database of another program");
  }
  if (version > newest) {
    throw new Error(
      `its schema has version ${version}, and this program knows only ${newest}: use a newer program, or the ` +
        `backup that was made before the update`,
    );
  }
  return version;
}
