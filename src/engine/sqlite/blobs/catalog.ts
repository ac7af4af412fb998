/**
 * The catalogue of files and uploads: an SQLite file beside their bytes, so that it survives `kill -9` at any moment.
 * Calls are synchronous and short.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { BlobCounts, BlobFile, BlobInfo, BlobListOptions, BlobUpload } from "../../contract.ts";
import type { BlobUsage } from "../../quotas.ts";
import { type IsSpent, removeLeftovers, scrubInSlices } from "../scrub_slices.ts";

/**
 * The steps of the schema. `user_version` says how many of them a file has seen. A step that was released is never
 * changed.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE files (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, channel TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, created INTEGER NOT NULL, request TEXT NOT NULL,
    UNIQUE (user, request)
  ) STRICT;
  CREATE INDEX files_by_hash ON files (sha256);
  CREATE INDEX files_by_age ON files (created);
  CREATE TABLE partials (
    key TEXT PRIMARY KEY, user TEXT NOT NULL, channel TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, updated INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX partials_by_user ON partials (user);
  CREATE INDEX partials_by_age ON partials (updated);
  CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
`,
  `
  ALTER TABLE files ADD COLUMN announced INTEGER NOT NULL DEFAULT 1;
`,
  // The key that signs links is a value of the engine.
  `
  DROP TABLE secrets;
`,
];

const FILE = "id, user, channel, name, type, size, sha256, created, announced";
/** A row as SQLite gives it. */
type Row = Record<string, string | number>;

/** The files and uploads of one store. */
export class Catalog {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** Sums that every reservation asks for: too slow to add up each time. */
  #bytes: number;
  #partialBytes: number;

  /**
   * Opens the catalogue at `path`, or makes it. Throws when another process has it open, and when a newer version of this
   * program made it.
   */
  constructor(path: string) {
    const db = this.#db = new DatabaseSync(path);
    try {
      db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
      removeLeftovers(db);
      const version = Number(this.#get("PRAGMA user_version")!.user_version);
      if (version > MIGRATIONS.length) throw new Error(`${path} was made by a newer version (${version})`);
      for (const [at, step] of MIGRATIONS.entries()) {
        if (at >= version) this.transaction(() => db.exec(`${step} PRAGMA user_version = ${at + 1};`));
      }
      this.#bytes = this.#sum("SELECT sum(size) AS n FROM (SELECT DISTINCT sha256, size FROM files)");
      this.#partialBytes = this.#sum("SELECT sum(size) AS n FROM partials");
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Commits all that `work` changes, or nothing when it throws. Must not be nested. */
  transaction<T>(work: () => T): T {
    const bytes = this.#bytes, partialBytes = this.#partialBytes;
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      this.#bytes = bytes;
      this.#partialBytes = partialBytes;
      // A COMMIT that failed may have ended the transaction already.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /** A file by its id. */
  file(fileId: string): BlobFile | undefined {
    return fileOf(this.#get(`SELECT ${FILE} FROM files WHERE id = ?`, fileId));
  }

  /** The file that a user's message made. */
  fileOfRequest(userId: string, request: string): BlobFile | undefined {
    return fileOf(this.#get(`SELECT ${FILE} FROM files WHERE user = ? AND request = ?`, userId, request));
  }

  /** Files that have this content, the newest first, at most `limit`. */
  filesOf(sha256: string, limit: number): BlobFile[] {
    const sql = `SELECT ${FILE} FROM files WHERE sha256 = ? ORDER BY rowid DESC LIMIT ?`;
    return this.#all(sql, sha256, limit).map(toFile);
  }

  /** Files in the order of their ids. */
  list({ userId, channel, after = "", limit }: BlobListOptions): BlobFile[] {
    const sql =
      `SELECT ${FILE} FROM files WHERE id > ? AND (? = '' OR user = ?) AND (? = '' OR channel = ?) ` +
      "ORDER BY id LIMIT ?";
    const user = userId ?? "", of = channel ?? "";
    return this.#all(sql, after, user, user, of, of, limit).map(toFile);
  }

  /** Keys of a user's uploads. */
  partialsOf(userId: string): string[] {
    return this.#all("SELECT key FROM partials WHERE user = ?", userId).map(({ key }) => key as string);
  }

  /** Uploads whose content no file has. */
  unplaced(): { readonly key: string; readonly sha256: string; readonly size: number }[] {
    const sql = "SELECT key, sha256, size FROM partials WHERE sha256 NOT IN (SELECT sha256 FROM files)";
    return this.#all(sql).map(({ key, sha256, size }) => ({
      key: key as string,
      sha256: sha256 as string,
      size: size as number,
    }));
  }

  /** Writes the file anew, without what was deleted: done once the generator is. */
  scrub(isSpent: IsSpent): Iterable<void> {
    return scrubInSlices(this.#db, isSpent);
  }

  /** Whether a file has this content. */
  has(sha256: string): boolean {
    return this.#get("SELECT 1 FROM files WHERE sha256 = ? LIMIT 1", sha256) !== undefined;
  }

  /** Adds a file; `request` is the id of the message that asked for it. */
  addFile(file: BlobFile, request: string): void {
    if (!this.has(file.sha256)) this.#bytes += file.size;
    const { fileId, userId, channel, name, type, size, sha256, createdAt } = file;
    const sql = "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)";
    this.#run(sql, fileId, userId, channel, name, type, size, sha256, createdAt, request);
  }

  /** Notes that a file was announced. */
  announced(fileId: string): void {
    this.#run("UPDATE files SET announced = 1 WHERE id = ?", fileId);
  }

  /** Removes a file. True: no other file has its content. */
  removeFile({ fileId, sha256, size }: BlobFile): boolean {
    this.#run("DELETE FROM files WHERE id = ?", fileId);
    if (this.has(sha256)) return false;
    this.#bytes -= size;
    return true;
  }

  /** Files made before `time`, the oldest first, at most `limit`. */
  filesBefore(time: number, limit: number): BlobFile[] {
    const sql = `SELECT ${FILE} FROM files WHERE created < ? ORDER BY created LIMIT ?`;
    return this.#all(sql, time, limit).map(toFile);
  }

  /** An upload by its key. */
  partial(key: string): BlobUpload | undefined {
    const row = this.#get(
      "SELECT key, user, channel, name, type, size, sha256 FROM partials WHERE key = ?",
      key,
    );
    return row && { key: row.key as string, ...infoOf(row) };
  }

  /** Adds an upload, or replaces the name, the type and the time of one that is known. */
  putPartial(upload: BlobUpload, updatedAt: number): void {
    const { key, userId, channel, name, type, size, sha256 } = upload;
    this.#partialBytes += size - (this.partial(key)?.size ?? 0);
    const sql = "INSERT OR REPLACE INTO partials VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    this.#run(sql, key, userId, channel, name, type, size, sha256, updatedAt);
  }

  /** Notes that an upload was written to at `time`. */
  touchPartial(key: string, time: number): void {
    this.#run("UPDATE partials SET updated = max(updated, ?) WHERE key = ?", time, key);
  }

  /** Removes an upload. */
  removePartial(key: string): void {
    const known = this.partial(key);
    if (known === undefined) return;
    this.#partialBytes -= known.size;
    this.#run("DELETE FROM partials WHERE key = ?", key);
  }

  /** Keys of uploads that were not written to since `time`, at most `limit`. */
  partialsBefore(time: number, limit: number): string[] {
    return this.#all("SELECT key FROM partials WHERE updated < ? ORDER BY updated LIMIT ?", time, limit)
      .map(({ key }) => key as string);
  }

  /** What there is without the upload `key`. */
  usage(userId: string, key: string): BlobUsage {
    const { files, bytes } = this.#get(
      `SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM (
         SELECT size FROM files WHERE user = ?1
         UNION ALL SELECT size FROM partials WHERE user = ?1 AND key <> ?2)`,
      userId,
      key,
    ) as { files: number; bytes: number };
    const reserved = this.partial(key)?.size ?? 0;
    return { files, bytes, total: this.#bytes + this.#partialBytes - reserved };
  }

  /** How much is kept. */
  counts(): BlobCounts {
    return {
      files: this.#sum("SELECT count(*) AS n FROM files"),
      bytes: this.#bytes,
      partial: this.#sum("SELECT count(*) AS n FROM partials"),
    };
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }

  #get(sql: string, ...values: (string | number)[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  #all(sql: string, ...values: (string | number)[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  #run(sql: string, ...values: (string | number)[]): void {
    this.#statement(sql).run(...values);
  }

  #sum(sql: string): number {
    return (this.#get(sql)?.n as number | null) ?? 0;
  }
}

function fileOf(row: Row | undefined): BlobFile | undefined {
  return row && toFile(row);
}

function toFile(row: Row): BlobFile {
  const { id, created, announced } = row;
  return {
    ...infoOf(row),
    fileId: id as string,
    createdAt: created as number,
    announced: announced === 1,
  };
}

function infoOf({ user, channel, name, type, size, sha256 }: Row): BlobInfo {
  return { userId: user, channel, name, type, size, sha256 } as BlobInfo;
}
