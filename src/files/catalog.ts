/**
 * What the store knows of its files, in a SQLite file beside them: it survives `kill -9` at any moment. Calls
 * are synchronous and short.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { FileRecord, UploadRequest } from "./contract.ts";

/** A file without what the settings say. */
export type KeptFile = Omit<FileRecord, "expiresAt">;

/** A file that is not whole. */
export interface PartialFile extends Omit<UploadRequest, "owner"> {
  /** Names it and its bytes on the disk. */
  readonly key: string;
  /** Milliseconds since the epoch. */
  readonly updatedAt: number;
}

/**
 * What makes each version of the schema of the one before; the version is how many there are, in `user_version`. A step
 * that was released is never changed.
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
];

const FILE = "id AS fileId, user AS userId, channel, name, type, size, sha256, created AS createdAt";
const PARTIAL = "key, user AS userId, channel, name, type, size, sha256, updated AS updatedAt";

/** The table of files and of what is on its way. */
export class Catalog {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #bytes: number;
  #partialBytes: number;

  /**
   * Opens the file at `path`, or makes it. One process at a time: throws when another has it, or when a newer version
   * made it.
   */
  constructor(path: string) {
    const db = this.#db = new DatabaseSync(path);
    try {
      db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
      const version = (this.#get("PRAGMA user_version") as { user_version: number }).user_version;
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

  /** Bytes of all contents, each counted once, and of what is on its way at its full size. */
  get total(): number {
    return this.#bytes + this.#partialBytes;
  }

  /** All of `work` or nothing of it. */
  transaction(work: () => void): void {
    const bytes = this.#bytes, partialBytes = this.#partialBytes;
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#db.exec("COMMIT");
    } catch (error) {
      this.#bytes = bytes;
      this.#partialBytes = partialBytes;
      // A failed COMMIT may have ended the transaction already.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /** A file by its id. */
  file(fileId: string): KeptFile | undefined {
    return this.#get(`SELECT ${FILE} FROM files WHERE id = ?`, fileId) as KeptFile | undefined;
  }

  /** The file that a user's message made. */
  fileOfRequest(userId: string, request: string): KeptFile | undefined {
    return this.#get(`SELECT ${FILE} FROM files WHERE user = ? AND request = ?`, userId, request) as
      | KeptFile
      | undefined;
  }

  /** Files that have this content, the latest first, at most `limit`. */
  filesOf(sha256: string, limit: number): KeptFile[] {
    return this.#all(
      `SELECT ${FILE} FROM files WHERE sha256 = ? ORDER BY rowid DESC LIMIT ?`,
      sha256,
      limit,
    ) as unknown as KeptFile[];
  }

  /** Whether a file has this content. */
  has(sha256: string): boolean {
    return this.#get("SELECT 1 FROM files WHERE sha256 = ? LIMIT 1", sha256) !== undefined;
  }

  /** Adds a file; `request` is the id of the message that completed it. */
  addFile(file: KeptFile, request: string): void {
    if (!this.has(file.sha256)) this.#bytes += file.size;
    const { fileId, userId, channel, name, type, size, sha256, createdAt } = file;
    this.#run(
      "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
      fileId,
      userId,
      channel,
      name,
      type,
      size,
      sha256,
      createdAt,
      request,
    );
  }

  /** Whether a file was announced; true of one that is not known. */
  isAnnounced(fileId: string): boolean {
    return this.#get("SELECT 1 FROM files WHERE id = ? AND announced = 0", fileId) === undefined;
  }

  /** A file was announced. */
  announced(fileId: string): void {
    this.#run("UPDATE files SET announced = 1 WHERE id = ?", fileId);
  }

  /** Forgets a file; true: no other has its content. */
  removeFile({ fileId, sha256, size }: KeptFile): boolean {
    this.#run("DELETE FROM files WHERE id = ?", fileId);
    if (this.has(sha256)) return false;
    this.#bytes -= size;
    return true;
  }

  /** Files made before `time`, at most `limit`. */
  filesBefore(time: number, limit: number): KeptFile[] {
    return this.#all(
      `SELECT ${FILE} FROM files WHERE created < ? ORDER BY created LIMIT ?`,
      time,
      limit,
    ) as unknown as KeptFile[];
  }

  /** A file that is not whole. */
  partial(key: string): PartialFile | undefined {
    return this.#get(`SELECT ${PARTIAL} FROM partials WHERE key = ?`, key) as PartialFile | undefined;
  }

  /** Adds a file that is not whole, or says anew what its name and type are. */
  putPartial(partial: PartialFile): void {
    const known = this.partial(partial.key);
    this.#partialBytes += partial.size - (known?.size ?? 0);
    const { key, userId, channel, name, type, size, sha256, updatedAt } = partial;
    this.#run(
      "INSERT OR REPLACE INTO partials VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      key,
      userId,
      channel,
      name,
      type,
      size,
      sha256,
      updatedAt,
    );
  }

  /** Forgets a file that is not whole. */
  removePartial(key: string): void {
    const known = this.partial(key);
    if (known === undefined) return;
    this.#partialBytes -= known.size;
    this.#run("DELETE FROM partials WHERE key = ?", key);
  }

  /** Partial files nobody went on with since `time`, at most `limit`. */
  partialsBefore(time: number, limit: number): PartialFile[] {
    return this.#all(
      `SELECT ${PARTIAL} FROM partials WHERE updated < ? ORDER BY updated LIMIT ?`,
      time,
      limit,
    ) as unknown as PartialFile[];
  }

  /** Files and bytes of a user, those that are not whole at their full size; without the partial file `except`. */
  usage(userId: string, except: string): { files: number; bytes: number } {
    return this.#get(
      `SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM (
         SELECT size FROM files WHERE user = ?1
         UNION ALL SELECT size FROM partials WHERE user = ?1 AND key <> ?2)`,
      userId,
      except,
    ) as { files: number; bytes: number };
  }

  /** How many files there are, their bytes with each content counted once, and how many are not whole. */
  counts(): { files: number; bytes: number; partial: number } {
    return {
      files: this.#sum("SELECT count(*) AS n FROM files"),
      bytes: this.#bytes,
      partial: this.#sum("SELECT count(*) AS n FROM partials"),
    };
  }

  /** The secret of that name; made by `make` the first time. */
  secret(name: string, make: () => Uint8Array): Uint8Array {
    const known = this.#get("SELECT value FROM secrets WHERE name = ?", name);
    if (known !== undefined) return known.value as Uint8Array;
    const value = make();
    this.#run("INSERT INTO secrets VALUES (?, ?)", name, value);
    return value;
  }

  /** Ends it. */
  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }

  #get(sql: string, ...values: (string | number)[]): Record<string, unknown> | undefined {
    return this.#statement(sql).get(...values) as Record<string, unknown> | undefined;
  }

  #all(sql: string, ...values: (string | number)[]): Record<string, unknown>[] {
    return this.#statement(sql).all(...values) as Record<string, unknown>[];
  }

  #run(sql: string, ...values: (string | number | Uint8Array)[]): void {
    this.#statement(sql).run(...values);
  }

  #sum(sql: string): number {
    return (this.#get(sql)?.n as number | null) ?? 0;
  }
}
