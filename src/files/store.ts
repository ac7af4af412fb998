/**
 * Uploads, downloads and links by their rules. What is kept is in the blobs of the engine.
 *
 * @module
 */

import { Underway } from "../async/underway.ts";
import type {
  BlobFile,
  BlobListOptions,
  BlobQuota,
  Blobs,
  BlobUpload,
  NewBlob,
  Values,
} from "../engine/contract.ts";
import { ProtocolError, uuidv7 } from "../protocol/mod.ts";
import { BlockPool } from "./blocks.ts";
import type {
  FileLimits,
  FileReader,
  FileRecord,
  FileStatus,
  FileStoreOptions,
  UploadRequest,
} from "./contract.ts";
import { checkLink, linkKey, signLink } from "./links.ts";
import { Meters } from "./meter.ts";
import { Readers } from "./readers.ts";
import { keyOf, refuseUpload, windowOf } from "./rules.ts";
import { Upload } from "./upload.ts";

/** Milliseconds without a chunk after which an upload is put aside. Begun again, it goes on where it was. */
const IDLE = 60_000;
/** Uploads of this node at the same time: each holds a file descriptor. */
const MAX_OPEN = 1024;
/** Files of one content whose readers are looked at, to find out whether a user may read that content. */
const SOME = 64;

/** The files of one node. */
export class FileStore {
  readonly #blobs: Blobs;
  readonly #values: Values;
  readonly #limits: () => FileLimits;
  readonly #now: () => number;
  readonly #failed: (error: unknown, stage: string) => void;
  readonly #busy: () => boolean;
  readonly #pool = new BlockPool();
  readonly #uploads = new Map<string, Upload>();
  /** The upload of this node that goes on with each key. */
  readonly #byKey = new Map<string, Upload>();
  readonly #completing = new Map<Upload, Promise<FileRecord>>();
  readonly #meters = new Meters();
  readonly #readers: Readers;
  /** What begins, ends and expires. */
  readonly #underway = new Underway();
  #linkKey: Promise<Uint8Array> | undefined;
  #closed = false;

  constructor({ blobs, values, limits, now = Date.now, failed, busy }: FileStoreOptions) {
    this.#blobs = blobs;
    this.#values = values;
    this.#limits = limits;
    this.#now = now;
    this.#readers = new Readers(now);
    this.#failed = failed ?? (() => {});
    this.#busy = busy ?? (() => false);
  }

  /**
   * Begins an upload, or goes on with the one of the same user, channel, size and hash. The one before it gets
   * `unknown_upload` from then on. A content that is kept already is not asked for when `mayRead` says that the user may read
   * one of its files. Rejects with ProtocolError: `file_too_large`, `file_type_refused`, `quota_exceeded`,
   * `too_many_transfers`, `not_available`.
   */
  async start(request: UploadRequest, mayRead: (file: FileRecord) => boolean): Promise<Upload> {
    const known = await this.#isKnown(request, mayRead);
    const key = keyOf(request);
    this.#check(request, key);
    const upload = this.#make(key, request, known);
    // From now on it counts against the limits of the session and of the node, also while its room is reserved.
    this.#uploads.set(upload.uploadId, upload);
    try {
      const blob = blobOf(upload);
      const reserve = () =>
        known ? this.#blobs.check(blob, this.#quota) : this.#blobs.reserve(blob, this.#quota);
      await this.#underway.add(Promise.try(reserve));
      if (this.#closed) throw shuttingDown();
    } catch (error) {
      this.#uploads.delete(upload.uploadId);
      throw this.#told(error, "reserve");
    }
    const before = this.#byKey.get(key);
    this.#byKey.set(key, upload);
    if (before !== undefined) this.#uploads.delete(before.uploadId);
    const stopped = before?.stop(new ProtocolError("unknown_upload"));
    if (stopped !== undefined) void this.#underway.add(stopped);
    if (known) return upload;
    try {
      await upload.open(stopped);
    } catch (error) {
      this.#forget(upload);
      // Another node has just completed or cancelled it: begun again, it is known or starts at 0.
      if (isError(error, "unknown_upload")) {
        throw new ProtocolError("not_available", "the upload has changed");
      }
      throw this.#told(error, "open upload");
    }
    return upload;
  }

  /** An upload that is under way. Throws ProtocolError `unknown_upload`, or `foreign_upload` when it is another user's. */
  upload(uploadId: string, userId: string): Upload {
    const upload = this.#uploads.get(uploadId);
    if (upload === undefined) throw new ProtocolError("unknown_upload");
    if (upload.request.userId !== userId) throw new ProtocolError("foreign_upload");
    return upload;
  }

  /** The file that this message of the user made: a message that is sent again has no second effect. */
  async completed(userId: string, message: string): Promise<FileRecord | undefined> {
    const file = await this.#ask(() => this.#blobs.ofRequest(userId, message), "read catalog");
    return file && this.#record(file);
  }

  /** Calls `publish` once for a file: not again after it has resolved, also in another process. */
  async announce({ fileId }: FileRecord, publish: () => Promise<unknown>): Promise<void> {
    const file = await this.#ask(() => this.#blobs.get(fileId), "read catalog");
    if (file === undefined || file.announced) return;
    await publish();
    await this.#note("announce file", () => this.#blobs.announced(fileId));
  }

  /**
   * Makes a file of an upload. `message` is the id of the user's message that asked for it. Rejects with ProtocolError:
   * `file_incomplete`; `file_hash_mismatch`, after which nothing is kept; `quota_exceeded`; `unknown_upload` when the upload
   * ended meanwhile; `not_available`, after which it may be tried again.
   */
  complete(upload: Upload, message: string): Promise<FileRecord> {
    let completing = this.#completing.get(upload);
    if (completing === undefined) {
      completing = this.#complete(upload, message).finally(() => this.#completing.delete(upload));
      this.#completing.set(upload, completing);
    }
    return completing;
  }

  /** Ends an upload and removes its bytes. Rejects with ProtocolError `not_available` when they cannot be removed now. */
  async cancel(upload: Upload): Promise<void> {
    this.#forget(upload);
    // Both begin at once: a new upload of the same file may come before they have ended.
    const ending = [
      Promise.try(() => this.#blobs.discard(upload.key)),
      upload.stop(new ProtocolError("unknown_upload"), true),
    ];
    for (const ended of await Promise.allSettled(ending.map((each) => this.#underway.add(each)))) {
      if (ended.status === "rejected") throw this.#told(ended.reason, "cancel upload");
    }
  }

  /** A file. Rejects with ProtocolError `unknown_file`, also when it has expired. */
  async get(fileId: string): Promise<FileRecord> {
    const file = await this.#ask(() => this.#blobs.get(fileId), "read catalog");
    const record = file && this.#record(file);
    if (record === undefined || record.expiresAt <= this.#now()) throw new ProtocolError("unknown_file");
    return record;
  }

  /** Files in the order of their ids, at most `limit`, those of a user or a channel where that is given. */
  async list(options: BlobListOptions): Promise<readonly FileRecord[]> {
    const files = await this.#ask(() => this.#blobs.list(options), "list files");
    return files.map((file) => this.#record(file));
  }

  /** Removes a file before its time. False: it is not known. Who reads it now may read on. */
  async delete(fileId: string): Promise<boolean> {
    return await this.#ask(() => this.#blobs.delete(fileId), "delete file");
  }

  /** Opens a file. The reader has to be closed. Rejects with ProtocolError `unknown_file`, `not_available`. */
  async open({ sha256 }: FileRecord): Promise<FileReader> {
    const open = () => this.#readers.open(async () => await this.#blobs.open(sha256));
    return await this.#ask(open, "open file");
  }

  /** The token of a link to a file that is valid for `lifetime` milliseconds, rounded up to seconds. */
  async link(fileId: string, lifetime: number): Promise<string> {
    const expiresAt = Math.ceil((this.#now() + lifetime) / 1000);
    return signLink(await this.#key(), fileId, expiresAt);
  }

  /** Checks a link's token. Rejects with ProtocolError `invalid_token`, `token_expired`. */
  async checkLink(fileId: string, token: string): Promise<void> {
    checkLink(await this.#key(), fileId, token, this.#now());
  }

  /** Puts idle uploads aside and removes some of what has expired. To be called once a second. */
  sweep(now: number): void {
    for (const upload of this.#uploads.values()) {
      if (now - upload.activeAt < IDLE || upload.busy || this.#completing.has(upload)) continue;
      this.#forget(upload);
      void this.#note("close upload", () => upload.stop(new ProtocolError("unknown_upload")));
    }
    this.#readers.sweep(now);
    this.#meters.sweep(now);
    const { maxAge, partialAge } = this.#limits();
    void this.#note("expire", () => this.#blobs.expire({ files: now - maxAge, uploads: now - partialAge }));
  }

  /** Counts. Undefined while nothing was ever kept. */
  status(): FileStatus | undefined {
    const counts = this.#blobs.counts();
    return counts && { ...counts, uploads: this.#uploads.size, readers: this.#readers.size };
  }

  /** Ends uploads, which can be gone on with later, and closes files. Resolves when nothing of it runs any more. */
  async close(): Promise<void> {
    this.#closed = true;
    const uploads = [...this.#uploads.values()];
    this.#uploads.clear();
    this.#byKey.clear();
    await Promise.all(uploads.map((upload) => upload.stop(shuttingDown())));
    await Promise.allSettled(this.#completing.values());
    await this.#underway.over();
    await this.#readers.close();
  }

  get #quota(): BlobQuota {
    const { quota, maxTotal } = this.#limits();
    return { ...quota, total: maxTotal };
  }

  async #complete(upload: Upload, message: string): Promise<FileRecord> {
    const file: NewBlob = { fileId: uuidv7(), request: message, createdAt: this.#now() };
    try {
      const kept = upload.known
        ? await this.#blobs.share(blobOf(upload), file, this.#quota)
        : await upload.commit(file);
      await this.#end(upload);
      return this.#record(kept);
    } catch (error) {
      // The content that it was to share has expired: it has to be sent after all.
      const isGone = isError(error, "unknown_file");
      if (isGone || isError(error, "file_hash_mismatch")) await this.#end(upload);
      throw isGone ? new ProtocolError("unknown_upload") : this.#told(error, "commit file");
    }
  }

  /** Whether the content is kept in a file that the user may read. */
  async #isKnown(request: UploadRequest, mayRead: (file: FileRecord) => boolean): Promise<boolean> {
    if (this.#closed) throw shuttingDown();
    const files = await this.#ask(() => this.#blobs.withContent(request.sha256, SOME), "read catalog");
    const now = this.#now();
    return files.map((file) => this.#record(file))
      .some((file) => file.size === request.size && file.expiresAt > now && mayRead(file));
  }

  #check(request: UploadRequest, key: string): void {
    let uploads = 0;
    for (const other of this.#uploads.values()) {
      if (other.key !== key && other.request.owner === request.owner) uploads++;
    }
    const refused = refuseUpload(request, this.#limits(), uploads);
    if (refused !== undefined) throw new ProtocolError(refused);
    if (this.#closed) throw shuttingDown();
    if (this.#uploads.size >= MAX_OPEN) throw new ProtocolError("not_available", "too many uploads");
  }

  #make(key: string, request: UploadRequest, known: boolean): Upload {
    const others = [...this.#uploads.values()].filter((other) => other.key !== key);
    return new Upload({
      uploadId: uuidv7(),
      key,
      request,
      open: async () => await this.#blobs.write(key),
      limits: this.#limits,
      window: windowOf(this.#limits(), others),
      pool: this.#pool,
      busy: this.#busy,
      pace: (bytes) => this.#pace(bytes, request.userId),
      now: this.#now,
      failed: (error) => this.#failed(error, "write upload"),
    }, known);
  }

  #pace(bytes: number, userId: string): number {
    const { rate, busyRate } = this.#limits();
    return this.#meters.take(userId, bytes, rate, this.#busy() ? busyRate : 0, this.#now());
  }

  #forget(upload: Upload): void {
    this.#uploads.delete(upload.uploadId);
    if (this.#byKey.get(upload.key) === upload) this.#byKey.delete(upload.key);
  }

  async #end(upload: Upload): Promise<void> {
    this.#forget(upload);
    await upload.stop(new ProtocolError("unknown_upload"));
  }

  #record({ announced: _, ...file }: BlobFile): FileRecord {
    return { ...file, expiresAt: file.createdAt + this.#limits().maxAge };
  }

  /** The key never changes; it is asked for again only after a failure. */
  #key(): Promise<Uint8Array> {
    return this.#linkKey ??= linkKey(this.#values).catch((error) => {
      this.#linkKey = undefined;
      throw this.#told(error, "link key");
    });
  }

  /** What the engine answers. Rejects with ProtocolError. */
  async #ask<T>(work: () => T | Promise<T>, stage: string): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#told(error, stage);
    }
  }

  /** Does what nobody waits for. Only the operator is told when it fails. */
  #note(stage: string, work: () => unknown): Promise<void> {
    const done = Promise.try(work).then(() => {}, (error) => this.#failed(error, stage));
    return this.#underway.add(done);
  }

  /** The error for the client. Tells the operator what is behind a `not_available`. */
  #told(error: unknown, stage: string): ProtocolError {
    if (error instanceof ProtocolError) return error;
    this.#failed(error, stage);
    return new ProtocolError("not_available", "files cannot be kept now", { cause: error });
  }
}

function blobOf({ key, request: { owner: _, ...info } }: Upload): BlobUpload {
  return { key, ...info };
}

function isError(error: unknown, name: ProtocolError["error"]): boolean {
  return error instanceof ProtocolError && error.error === name;
}

function shuttingDown(): ProtocolError {
  return new ProtocolError("not_available", "shutting down");
}
