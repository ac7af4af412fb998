/**
 * Copies of a database that may be in use, and whether a database is whole.
 *
 * @module
 */

import { backup, DatabaseSync } from "node:sqlite";
import { checkSchema } from "./schema.ts";

/** All pages in one step: a copy in several begins anew whenever something is written in between. */
const ALL_PAGES = 2 ** 31 - 1;
/** Milliseconds to wait for a lock of another process. */
const BUSY = 5000;
/** Problems that are reported at most. */
const MOST_PROBLEMS = 20;

/** What a look into a database found. */
export interface Inspection {
  /** What is wrong with its contents; empty when it is whole. */
  readonly problems: readonly string[];
  readonly channels: number;
}

/**
 * Copies the database at `from`, which may be in use, to the new file `to`: one file, whole, of one moment. Put in the
 * place of a database it begins new epochs, so that no offset is given out twice. Returns its bytes. Rejects, and
 * leaves nothing behind, when `to` exists, when `from` is no database of ours, or when the copy is not whole.
 */
export async function backupDatabase(from: string, to: string): Promise<number> {
  if (await exists(to)) throw new Error(`${to}: exists already`);
  const source = openReadOnly(from);
  const part = `${to}.part`;
  try {
    await Deno.open(part, { write: true, createNew: true, mode: 0o600 }).then((file) => file.close());
    try {
      await backup(source, part, { rate: ALL_PAGES });
      finish(part);
      const { problems } = inspectDatabase(part);
      if (problems.length > 0) throw new Error(`${from}: damaged: ${problems.join("; ")}`);
      // Fails, unlike a rename, when somebody made `to` meanwhile.
      await Deno.link(part, to);
      return (await Deno.stat(to)).size;
    } finally {
      await Deno.remove(part);
    }
  } finally {
    source.close();
  }
}

/** Looks through the whole database, which may be in use. Throws an Error when it cannot be read or is none of ours. */
export function inspectDatabase(path: string): Inspection {
  const db = openReadOnly(path);
  try {
    const problems = db.prepare(`PRAGMA quick_check(${MOST_PROBLEMS})`).all()
      .map((row) => String(row.quick_check)).filter((line) => line !== "ok");
    const channels = problems.length > 0
      ? 0
      : db.prepare("SELECT count(*) AS count FROM channel").get()!.count;
    return { problems, channels: Number(channels) };
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    db.close();
  }
}

function openReadOnly(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: BUSY });
    if (checkSchema(db) === 0) throw new Error("it is empty");
    return db;
  } catch (error) {
    db?.close();
    throw new Error(`${path}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** Makes one file of the copy, and marks it as one. */
function finish(path: string): void {
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA journal_mode = DELETE; REPLACE INTO meta VALUES('backup', unixepoch())");
  } finally {
    db.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
