/**
 * The blobs of the SQLite engine: contents in a directory, the catalogue in an SQLite file in it.
 *
 * The catalogue is a file of its own, so that the database of messages can be copied and put back without the files, and
 * the files moved to another disk.
 *
 * @module
 */

import { ProtocolError } from "../../../protocol/mod.ts";
import type {
  BlobCounts,
  BlobCutoff,
  BlobFile,
  BlobListOptions,
  BlobQuota,
  BlobReader,
  Blobs,
  BlobUpload,
  BlobWriter,
  MaybePromise,
  NewBlob,
} from "../../contract.ts";
import { checkQuota } from "../../quotas.ts";
import type { IsSpent } from "../scrub_slices.ts";
import type { Catalog } from "./catalog.ts";
import { Disk } from "./disk.ts";
import { FileAppender } from "./file_appender.ts";
import { LazyCatalog } from "./lazy_catalog.ts";
import { Uploads } from "./uploads.ts";
import { WriterThread } from "./writer_thread.ts";

/** How blobs are kept. */
export interface SqliteBlobsOptions {
  /** Made when the first file comes. Only one process at a time can use it. */
  readonly directory: string;
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number;
  /** Told of failures that nobody waits for. @default ignored */
  readonly failed?: (error: unknown, stage: string) => void;
  /** Uploads of at least this many bytes are written by a worker. @default 1048576 */
  readonly threadFrom?: number;
  /** Starts that worker. @default `worker.ts` */
  readonly worker?: () => Worker;
}

/** Below this size the way to the worker and back costs more than the work. */
const THREAD_FROM = 1024 ** 2;
/** Files and uploads that one `expire` removes at most, so that it never holds up the event loop for long. */
const SOME = 64;

/** Files on the disk of this machine. */
export class SqliteBlobs implements Blobs {
  readonly #disk: Disk;
  readonly #catalog: LazyCatalog;
  readonly #thread: WriterThread;
  readonly #uploads: Uploads;
  readonly #now: () => number;
  readonly #failed: (error: unknown, stage: string) => void;

  constructor(options: SqliteBlobsOptions) {
    const { directory, now = Date.now, failed = () => {}, threadFrom = THREAD_FROM } = options;
    const disk = this.#disk = new Disk(directory);
    const thread = this.#thread = new WriterThread((error) => failed(error, "file thread"), options.worker);
    this.#catalog = new LazyCatalog(disk, failed);
    this.#now = now;
    this.#failed = failed;
    this.#uploads = new Uploads({
      disk,
      open: (file) => (file.size < threadFrom ? FileAppender : thread).open(file),
      now,
      failed,
    });
  }

  /** Opens what is kept already, so that it is counted and expires before anybody asks for a file. Never rejects. */
  async resume(): Promise<void> {
    try {
      if (await this.#disk.exists()) await this.#catalog.use(() => {});
    } catch (error) {
      this.#failed(error, "open files");
    }
  }

  check(upload: BlobUpload, quota: BlobQuota): MaybePromise<void> {
    return this.#catalog.use((catalog) => check(catalog, upload, quota));
  }

  reserve(upload: BlobUpload, quota: BlobQuota): MaybePromise<void> {
    return this.#catalog.use((catalog) => {
      check(catalog, upload, quota);
      catalog.putPartial(upload, this.#now());
    });
  }

  write(key: string): MaybePromise<BlobWriter> {
    return this.#catalog.use((catalog) => {
      const upload = catalog.partial(key);
      if (upload === undefined) throw new ProtocolError("unknown_upload");
      return this.#uploads.open(catalog, upload);
    });
  }

  discard(key: string): MaybePromise<void> {
    return this.#catalog.use((catalog) => this.#uploads.discard(catalog, key));
  }

  share(upload: BlobUpload, { request, ...added }: NewBlob, quota: BlobQuota): MaybePromise<BlobFile> {
    return this.#catalog.use((catalog) => {
      const { key, ...info } = upload;
      const known = catalog.fileOfRequest(info.userId, request);
      if (known !== undefined) return known;
      if (!catalog.has(info.sha256)) throw new ProtocolError("unknown_file");
      check(catalog, upload, quota);
      const file: BlobFile = { ...info, ...added, announced: false };
      catalog.transaction(() => catalog.addFile(file, request));
      // The same file, begun before its content was known.
      if (catalog.partial(key) !== undefined) this.#catalog.remove(this.#uploads.discard(catalog, key));
      return file;
    });
  }

  get(fileId: string): MaybePromise<BlobFile | undefined> {
    return this.#catalog.use((catalog) => catalog.file(fileId));
  }

  ofRequest(userId: string, request: string): MaybePromise<BlobFile | undefined> {
    return this.#catalog.use((catalog) => catalog.fileOfRequest(userId, request));
  }

  withContent(sha256: string, limit: number): MaybePromise<readonly BlobFile[]> {
    return this.#catalog.use(async (catalog) => {
      const files = catalog.filesOf(sha256, limit);
      // Somebody may have removed it by hand.
      return files.length > 0 && await this.#disk.holds(sha256, files[0]!.size) ? files : [];
    });
  }

  announced(fileId: string): MaybePromise<void> {
    return this.#catalog.use((catalog) => catalog.announced(fileId));
  }

  list(options: BlobListOptions): MaybePromise<readonly BlobFile[]> {
    return this.#catalog.use((catalog) => catalog.list(options));
  }

  uploads(userId: string): MaybePromise<readonly string[]> {
    return this.#catalog.use((catalog) => catalog.partialsOf(userId));
  }

  /** Resolves once removed contents are gone. */
  removed(): Promise<void> {
    return this.#catalog.removed();
  }

  /** Writes the catalogue without what was deleted: done once the generator is. */
  *scrub(isSpent: IsSpent): Generator<void> {
    yield* this.#catalog.current?.scrub(isSpent) ?? [];
  }

  open(sha256: string): Promise<BlobReader> {
    return this.#disk.open(sha256);
  }

  delete(fileId: string): MaybePromise<boolean> {
    return this.#catalog.use((catalog) => {
      const file = catalog.file(fileId);
      if (file !== undefined) this.#delete(catalog, file);
      return file !== undefined;
    });
  }

  expire({ files, uploads }: BlobCutoff): void {
    const catalog = this.#catalog.current;
    if (catalog === undefined) return;
    for (const file of catalog.filesBefore(files, SOME)) this.#delete(catalog, file);
    for (const key of catalog.partialsBefore(uploads, SOME)) {
      if (this.#uploads.isWritten(key)) catalog.touchPartial(key, this.#now());
      else this.#catalog.remove(this.#uploads.discard(catalog, key));
    }
  }

  counts(): BlobCounts | undefined {
    return this.#catalog.current?.counts();
  }

  /** Ends the worker when it was idle for long. `now`: milliseconds. */
  sweep(now: number): void {
    this.#thread.sweep(now);
  }

  /** Closes everything. Uploads can be gone on with later. */
  async close(): Promise<void> {
    await this.#catalog.end();
    await this.#uploads.close();
    this.#thread.close();
    await this.#catalog.close();
  }

  #delete(catalog: Catalog, file: BlobFile): void {
    const last = catalog.transaction(() => catalog.removeFile(file));
    if (last) this.#catalog.remove(this.#disk.removeBlob(file.sha256));
  }
}

function check(catalog: Catalog, { userId, key, size }: BlobUpload, quota: BlobQuota): void {
  checkQuota(size, catalog.usage(userId, key), quota);
}
