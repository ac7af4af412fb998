/**
 * The store: uploads under way, whole files, links to them, and what is thrown away when.
 *
 * @module
 */

import { ProtocolError, uuidv7 } from "../protocol/mod.ts";
import { BlockPool } from "./blocks.ts";
import type { Catalog, KeptFile } from "./catalog.ts";
import type {
  FileLimits,
  FileReader,
  FileRecord,
  FileStatus,
  FileStoreOptions,
  UploadRequest,
} from "./contract.ts";
import { commitFile } from "./commit.ts";
import { Disk, keyOf } from "./disk.ts";
import { KeyedLock } from "./keyed_lock.ts";
import { LazyCatalog } from "./lazy_catalog.ts";
import { checkLink, linkKey, signLink } from "./links.ts";
import { Meters } from "./meter.ts";
import { PartialFile, type PartialWriter } from "./partial_file.ts";
import { Readers } from "./readers.ts";
import { refuseUpload, windowOf } from "./rules.ts";
import { Upload } from "./upload.ts";
import { WriterThread } from "./writer_thread.ts";

/** Milliseconds without a chunk after which an upload is put aside; begun anew it goes on. */
const IDLE = 60_000;
/** Bytes from which on a file is worth another thread. */
const THREAD_FROM = 1024 ** 2;
/** Uploads under way of this node: each holds a file descriptor. */
const MAX_OPEN = 1024;
/** Files that are looked at in one sweep, and references of one content that are asked for a right. */
const SOME = 64;

/** Keeps files in a directory. */
export class FileStore {
  readonly #disk: Disk;
  readonly #limits: () => FileLimits;
  readonly #now: () => number;
  readonly #failed: (error: unknown, stage: string) => void;
  readonly #busy: () => boolean;
  readonly #threadFrom: number;
  readonly #thread: WriterThread;
  readonly #pool = new BlockPool();
  readonly #uploads = new Map<string, Upload>();
  readonly #byKey = new Map<string, Upload>();
  readonly #locks = new KeyedLock();
  readonly #completing = new Map<Upload, Promise<FileRecord>>();
  readonly #meters = new Meters();
  readonly #readers: Readers;
  readonly #catalog: LazyCatalog;

  constructor(options: FileStoreOptions) {
    const { directory, limits, now = Date.now, failed = () => {}, busy = () => false } = options;
    this.#busy = busy;
    this.#threadFrom = options.threadFrom ?? THREAD_FROM;
    this.#thread = new WriterThread((error) => failed(error, "file thread"), options.worker);
    this.#disk = new Disk(directory);
    this.#limits = limits;
    this.#now = now;
    this.#readers = new Readers(now);
    this.#failed = failed;
    this.#catalog = new LazyCatalog({
      disk: this.#disk,
      failed,
      unavailable: (cause, stage) => this.#unavailable(cause, stage),
    });
  }

  /** Opens a store that is there already, so that what has expired goes. Never rejects. */
  async resume(): Promise<void> {
    if (await this.#disk.exists()) await this.#catalog.ready().catch(() => {});
  }

  /**
   * Begins an upload, or goes on with one that has the same user, channel, size and hash; whoever was at it before
   * is told `unknown_upload` from then on. `mayRead` says whether the user may read a file: only then is what the
   * store has already not asked for again. Rejects with ProtocolError: `file_too_large`, `file_type_refused`,
   * `quota_exceeded`, `too_many_transfers`, `not_available`.
   */
  async start(request: UploadRequest, mayRead: (file: FileRecord) => boolean): Promise<Upload> {
    const catalog = await this.#catalog.ready();
    const known = this.#known(catalog, request, mayRead) &&
      await this.#disk.holds(request.sha256, request.size);
    const key = keyOf(request);
    const before = this.#byKey.get(key);
    this.#check(catalog, request, key, before);
    const upload = new Upload({
      uploadId: uuidv7(),
      key,
      request,
      open: () => this.#openPartial(this.#disk.partial(key), request.size),
      limits: this.#limits,
      window: windowOf(this.#limits(), [...this.#uploads.values()].filter((other) => other !== before)),
      pool: this.#pool,
      busy: this.#busy,
      pace: (bytes) => this.#pace(bytes, request.userId),
      now: this.#now,
      failed: (error) => this.#failed(error, "write upload"),
    }, known);
    try {
      if (!known) catalog.putPartial({ ...request, key, updatedAt: this.#now() });
    } catch (error) {
      throw this.#unavailable(error, "reserve");
    }
    if (before !== undefined) this.#uploads.delete(before.uploadId);
    this.#uploads.set(upload.uploadId, upload);
    this.#byKey.set(key, upload);
    await this.#locks.enter(key, before && (() => before.stop(new ProtocolError("unknown_upload"))));
    if (known) return upload;
    try {
      await upload.open();
    } catch (error) {
      this.#forget(upload);
      throw this.#unavailable(error, "open upload");
    }
    return upload;
  }

  /** An upload under way. Throws ProtocolError `unknown_upload`, or `foreign_upload` when it is another user's. */
  upload(uploadId: string, userId: string): Upload {
    const upload = this.#uploads.get(uploadId);
    if (upload === undefined) throw new ProtocolError("unknown_upload");
    if (upload.request.userId !== userId) throw new ProtocolError("foreign_upload");
    return upload;
  }

  /** The file that this message of the user made: a message that is sent again has no second effect. */
  async completed(userId: string, message: string): Promise<FileRecord | undefined> {
    const file = (await this.#catalog.ready()).fileOfRequest(userId, message);
    return file && this.#record(file);
  }

  /** Calls `publish` once for a file: not again when it has resolved before, also in an earlier process. */
  async announce({ fileId }: FileRecord, publish: () => Promise<unknown>): Promise<void> {
    const catalog = await this.#catalog.ready();
    if (catalog.isAnnounced(fileId)) return;
    await publish();
    this.#note("announce file", () => catalog.announced(fileId));
  }

  /**
   * Keeps an upload: whole, its hash checked, durable. `message` is the id of the user's message that asked for it.
   * Rejects with ProtocolError: `file_incomplete`; `file_hash_mismatch`, and then nothing is kept; `not_available`,
   * and then it may be tried again; `quota_exceeded`; `unknown_upload` when the upload ended meanwhile.
   */
  complete(upload: Upload, message: string): Promise<FileRecord> {
    let completing = this.#completing.get(upload);
    if (completing === undefined) {
      completing = this.#complete(upload, message).finally(() => this.#completing.delete(upload));
      this.#completing.set(upload, completing);
    }
    return completing;
  }

  /** Ends an upload; nothing of it is kept. Rejects with ProtocolError `not_available` when it cannot be removed now. */
  async cancel(upload: Upload): Promise<void> {
    this.#forget(upload);
    // First its name, at once: whoever begins the same upload anew gets a file of its own.
    const stopping = [this.#discard(upload.key), upload.stop(new ProtocolError("unknown_upload"), true)];
    for (const ended of await Promise.allSettled(stopping)) {
      if (ended.status === "rejected") throw this.#unavailable(ended.reason, "cancel upload");
    }
  }

  /** A file. Rejects with ProtocolError `unknown_file`, also when it has expired. */
  async get(fileId: string): Promise<FileRecord> {
    const file = (await this.#catalog.ready()).file(fileId);
    const record = file && this.#record(file);
    if (record === undefined || record.expiresAt <= this.#now()) throw new ProtocolError("unknown_file");
    return record;
  }

  /** Opens a file; the reader has to be closed. Rejects with ProtocolError `unknown_file`, `not_available`. */
  async open({ sha256 }: FileRecord): Promise<FileReader> {
    return await this.#readers.open(() => this.#disk.open(sha256)).catch((error) => {
      if (error instanceof Deno.errors.NotFound) throw new ProtocolError("unknown_file");
      throw error instanceof ProtocolError ? error : this.#unavailable(error, "open file");
    });
  }

  /** The token of a link to a file, which holds for `lifetime` ms, rounded up to seconds. */
  async link(fileId: string, lifetime: number): Promise<string> {
    const expiresAt = Math.ceil((this.#now() + lifetime) / 1000);
    return signLink(linkKey(await this.#catalog.ready()), fileId, expiresAt);
  }

  /** Checks a link's token. Rejects with ProtocolError `invalid_token`, `token_expired`. */
  async checkLink(fileId: string, token: string): Promise<void> {
    checkLink(linkKey(await this.#catalog.ready()), fileId, token, this.#now());
  }

  /** Puts idle uploads aside and removes some of what has expired. To be called once a second. */
  sweep(now: number): void {
    const catalog = this.#catalog.current;
    if (catalog === undefined) return;
    for (const upload of this.#uploads.values()) {
      if (now - upload.activeAt < IDLE || upload.busy || this.#completing.has(upload)) continue;
      this.#forget(upload);
      this.#touch(catalog, upload);
      void upload.stop(new ProtocolError("unknown_upload"));
    }
    this.#thread.sweep(now);
    this.#readers.sweep(now);
    this.#meters.sweep(now);
    const { maxAge, partialAge } = this.#limits();
    for (const file of catalog.filesBefore(now - maxAge, SOME)) {
      let last = false;
      catalog.transaction(() => last = catalog.removeFile(file));
      if (last) this.#catalog.remove(this.#disk.removeBlob(file.sha256));
    }
    for (const partial of catalog.partialsBefore(now - partialAge, SOME)) {
      const active = this.#byKey.get(partial.key);
      if (active === undefined) this.#catalog.remove(this.#discard(partial.key));
      else this.#touch(catalog, active);
    }
  }

  /** Counts; undefined while there is no store. */
  status(): FileStatus | undefined {
    const catalog = this.#catalog.current;
    return catalog &&
      { ...catalog.counts(), uploads: this.#uploads.size, readers: this.#readers.size };
  }

  /** Ends uploads, which may be gone on with later, closes what is open, and resolves when nothing of it runs. */
  async close(): Promise<void> {
    await this.#catalog.end();
    const uploads = [...this.#uploads.values()];
    const catalog = this.#catalog.current;
    if (catalog !== undefined) { for (const upload of uploads) this.#touch(catalog, upload); }
    this.#uploads.clear();
    this.#byKey.clear();
    await Promise.all(
      uploads.map((upload) => upload.stop(new ProtocolError("not_available", "shutting down"))),
    );
    await Promise.allSettled(this.#completing.values());
    this.#readers.close();
    await this.#catalog.removed();
    this.#thread.close();
    this.#catalog.close();
  }

  async #complete(upload: Upload, message: string): Promise<FileRecord> {
    const catalog = await this.#catalog.ready();
    const { request, key } = upload;
    const hash = upload.known ? request.sha256 : await upload.finish().catch((error) => {
      throw error instanceof ProtocolError ? error : this.#unavailable(error, "sync upload");
    });
    // Another session, a cancel or the end of the service may have taken it meanwhile.
    if (this.#uploads.get(upload.uploadId) !== upload) throw new ProtocolError("unknown_upload");
    if (hash !== request.sha256) {
      await this.cancel(upload);
      throw new ProtocolError("file_hash_mismatch");
    }
    if (upload.known) {
      // It may have expired since the upload began: then it has to be sent after all.
      if (!catalog.has(hash)) {
        this.#forget(upload);
        throw new ProtocolError("unknown_upload");
      }
      this.#check(catalog, request, key, upload);
    }
    const { owner: _, ...said } = request;
    const file: KeptFile = { ...said, fileId: uuidv7(), createdAt: this.#now() };
    try {
      commitFile(catalog, this.#disk, upload, file, message);
    } catch (error) {
      throw this.#unavailable(error, "commit file");
    }
    this.#forget(upload);
    await upload.stop(new ProtocolError("unknown_upload"));
    if (!upload.known) {
      await this.#disk.settle(hash).catch((error) => this.#failed(error, "settle file"));
    }
    return this.#record(file);
  }

  #known(catalog: Catalog, request: UploadRequest, mayRead: (file: FileRecord) => boolean): boolean {
    const now = this.#now();
    return catalog.filesOf(request.sha256, SOME).map((file) => this.#record(file))
      .some((file) => file.size === request.size && file.expiresAt > now && mayRead(file));
  }

  #check(catalog: Catalog, request: UploadRequest, key: string, own: Upload | undefined): void {
    let uploads = 0;
    for (const other of this.#uploads.values()) {
      if (other !== own && other.request.owner === request.owner) uploads++;
    }
    const reserved = catalog.partial(key)?.size ?? 0;
    const usage = { ...catalog.usage(request.userId, key), total: catalog.total - reserved, uploads };
    const refused = refuseUpload(request, this.#limits(), usage);
    if (refused === "not_available") throw new ProtocolError(refused, "no room for more files");
    if (refused !== undefined) throw new ProtocolError(refused);
    if (this.#catalog.ended || this.#uploads.size >= MAX_OPEN) {
      throw new ProtocolError("not_available", "too many uploads");
    }
  }

  #openPartial(path: string, size: number): Promise<PartialWriter> {
    return (size < this.#threadFrom ? PartialFile : this.#thread).open({ path, size });
  }

  /** A partial file's time begins with its last chunk; where that cannot be written down, with an earlier one. */
  #touch(catalog: Catalog, { key, activeAt }: Upload): void {
    this.#note("touch upload", () => {
      const partial = catalog.partial(key);
      if (partial !== undefined) catalog.putPartial({ ...partial, updatedAt: activeAt });
    });
  }

  #pace(bytes: number, userId: string): number {
    const { rate, busyRate } = this.#limits();
    return this.#meters.take(userId, bytes, rate, this.#busy() ? busyRate : 0, this.#now());
  }

  #forget(upload: Upload): void {
    this.#uploads.delete(upload.uploadId);
    if (this.#byKey.get(upload.key) === upload) this.#byKey.delete(upload.key);
  }

  async #discard(key: string): Promise<void> {
    this.#catalog.current?.removePartial(key);
    await this.#disk.removePartial(key);
  }

  #record(file: KeptFile): FileRecord {
    return { ...file, expiresAt: file.createdAt + this.#limits().maxAge };
  }

  /** What may as well not be written down: nobody is told but the operator. */
  #note(stage: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failed(error, stage);
    }
  }

  #unavailable(cause: unknown, stage: string): ProtocolError {
    this.#failed(cause, stage);
    return new ProtocolError("not_available", "files cannot be kept now", { cause });
  }
}
