/**
 * Uploads that are being written: one writer each, and the step in which an upload becomes a file.
 *
 * @module
 */

import { Underway } from "../../../async/underway.ts";
import { ProtocolError } from "../../../protocol/mod.ts";
import type { BlobFile, BlobUpload, BlobWriter, NewBlob } from "../../contract.ts";
import type { Catalog } from "./catalog.ts";
import type { Disk } from "./disk.ts";
import type { Appender, AppenderOptions } from "./file_appender.ts";

/** What uploads need of the store. */
export interface UploadsOptions {
  readonly disk: Disk;
  /** Opens the file of an upload. */
  readonly open: (file: Pick<AppenderOptions, "path" | "size">) => Promise<Appender>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Told of what fails after the answer was given. */
  readonly failed: (error: unknown, stage: string) => void;
}

/** The writers of a store. */
export class Uploads {
  readonly options: UploadsOptions;
  /** The last one that was opened for each key, until its file is closed. */
  readonly #writers = new Map<string, DiskWriter>();
  /** Files that are being made, and those of writers that were discarded. */
  readonly underway = new Underway();

  constructor(options: UploadsOptions) {
    this.options = options;
  }

  /** Opens an upload. Whoever wrote it before can do so no longer, from now on. */
  async open(catalog: Catalog, upload: BlobUpload): Promise<BlobWriter> {
    const { key } = upload;
    const writer = new DiskWriter(this, catalog, upload, this.#writers.get(key));
    this.#writers.set(key, writer);
    await writer.opened;
    return writer;
  }

  isCurrent(writer: DiskWriter): boolean {
    return this.#writers.get(writer.upload.key) === writer;
  }

  /** Whether somebody has this upload open. */
  isWritten(key: string): boolean {
    return this.#writers.get(key)?.ended === false;
  }

  /** Removes an upload. A new one of the same key may begin as soon as the call returns. */
  discard(catalog: Catalog, key: string): Promise<void> {
    const writer = this.#writers.get(key);
    this.#writers.delete(key);
    if (writer !== undefined) void this.underway.add(writer.close());
    catalog.removePartial(key);
    return this.options.disk.removePartial(key);
  }

  /** Makes a file of an upload whose bytes are durable and have its hash. Changes nothing when it throws. */
  commit(catalog: Catalog, { key, ...info }: BlobUpload, { request, ...added }: NewBlob): BlobFile {
    const { disk } = this.options;
    const file: BlobFile = { ...info, ...added, announced: false };
    let placed = false;
    try {
      return catalog.transaction(() => {
        const known = catalog.fileOfRequest(info.userId, request);
        if (known !== undefined) return known;
        catalog.addFile(file, request);
        catalog.removePartial(key);
        disk.place(key, info.sha256);
        placed = true;
        return file;
      });
    } catch (error) {
      if (placed && !catalog.has(info.sha256)) disk.displace(key, info.sha256);
      throw error;
    }
  }

  /** The file of a writer is closed. */
  closed(writer: DiskWriter): void {
    if (this.isCurrent(writer)) this.#writers.delete(writer.upload.key);
  }

  /** Closes all files. Resolves when nothing of them is under way. */
  async close(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.close()));
    await this.underway.over();
  }
}

/** The writer of an upload, as long as nobody else has opened or discarded the upload. */
class DiskWriter implements BlobWriter {
  readonly upload: BlobUpload;
  /** Resolves when the file is open. Rejects with what the file system says. */
  readonly opened: Promise<void>;
  readonly #uploads: Uploads;
  readonly #catalog: Catalog;
  #file: Appender | undefined;
  /** Bytes that are written. */
  #size = 0;
  #writtenAt: number | undefined;
  #closing: Promise<void> | undefined;

  /** `before`: the writer that has to leave the file first. */
  constructor(uploads: Uploads, catalog: Catalog, upload: BlobUpload, before: DiskWriter | undefined) {
    this.upload = upload;
    this.#uploads = uploads;
    this.#catalog = catalog;
    this.opened = this.#open(before);
  }

  get offset(): number {
    return this.#file?.there ?? 0;
  }

  /** Whether `close` was called. */
  get ended(): boolean {
    return this.#closing !== undefined;
  }

  append(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
    return this.#fenced(async (file) => {
      this.#writtenAt = this.#uploads.options.now();
      const { length } = bytes;
      const memory = await file.append(bytes);
      this.#size += length;
      return memory;
    });
  }

  commit(file: NewBlob): Promise<BlobFile> {
    return this.#uploads.underway.add(this.#commit(file));
  }

  async #commit(file: NewBlob): Promise<BlobFile> {
    const { size, sha256, key } = this.upload;
    const hash = await this.#fenced(async (file) => {
      if (this.#size !== size) throw new ProtocolError("file_incomplete");
      return await file.finish();
    });
    // Somebody may have discarded or opened it while it was flushed.
    this.#check();
    if (hash !== sha256) {
      await this.#uploads.discard(this.#catalog, key);
      throw new ProtocolError("file_hash_mismatch");
    }
    const kept = this.#uploads.commit(this.#catalog, this.upload, file);
    await this.close();
    const { disk, failed } = this.#uploads.options;
    // The file is there, whatever becomes of this: it matters only when the machine loses power now.
    if (kept.fileId === file.fileId) {
      await disk.settle(sha256).catch((error) => failed(error, "settle file"));
    }
    return kept;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #open(before: DiskWriter | undefined): Promise<void> {
    const { disk, open } = this.#uploads.options;
    try {
      await before?.close();
      this.#file = await open({ path: disk.partial(this.upload.key), size: this.upload.size });
      this.#size = this.#file.there;
    } catch (error) {
      this.#uploads.closed(this);
      throw error;
    }
  }

  async #close(): Promise<void> {
    const { failed } = this.#uploads.options;
    try {
      // The age of an upload counts from the last bytes that came.
      const writtenAt = this.#writtenAt;
      if (writtenAt !== undefined && this.#uploads.isCurrent(this)) {
        this.#catalog.touchPartial(this.upload.key, writtenAt);
      }
    } catch (error) {
      failed(error, "touch upload");
    }
    try {
      await this.opened;
      await this.#file?.close();
    } catch {
      // Opening failed: `opened` has told why.
    }
    this.#uploads.closed(this);
  }

  #check(): Appender {
    if (this.#file === undefined || !this.#uploads.isCurrent(this)) throw new ProtocolError("unknown_upload");
    return this.#file;
  }

  /** Runs `work`; when it fails because somebody else has the upload now, says so. */
  async #fenced<T>(work: (file: Appender) => Promise<T>): Promise<T> {
    const file = this.#check();
    try {
      return await work(file);
    } catch (error) {
      this.#check();
      throw error;
    }
  }
}
