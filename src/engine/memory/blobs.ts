/**
 * Files in memory, as long as the process lives and as many as are allowed.
 *
 * @module
 */

import type { Clock } from "../../async/clock.ts";
import { ProtocolError } from "../../protocol/mod.ts";
import type {
  BlobCounts,
  BlobCutoff,
  BlobFile,
  BlobInfo,
  BlobListOptions,
  BlobQuota,
  BlobReader,
  Blobs,
  BlobUpload,
  NewBlob,
} from "../contract.ts";
import { type BlobUsage, checkQuota } from "../quotas.ts";
import { MemoryWriter, type Partial } from "./blob_writer.ts";

/** What a file or an upload weighs beside its bytes: without it, empty files would be unlimited. */
const OVERHEAD = 1024;
/** Files and uploads that one `expire` removes at most. */
const SOME = 64;

interface Entry {
  file: BlobFile;
  readonly request: string;
}

/** A content and the files that have it, the oldest first. */
interface Content {
  readonly bytes: Uint8Array;
  readonly entries: Set<Entry>;
}

/** The files of a store. */
export class MemoryBlobs implements Blobs {
  readonly #clock: Clock;
  readonly #most: number;
  /** In the order in which they were added. */
  readonly #files = new Map<string, Entry>();
  readonly #requests = new Map<string, Entry>();
  readonly #contents = new Map<string, Content>();
  /** The one that was written to longest ago is the first. */
  readonly #partials = new Map<string, Partial>();
  readonly #users = new Map<string, { files: number; bytes: number }>();
  #bytes = 0;
  #reserved = 0;

  /** `most`: bytes of all files and uploads together, at their full size. */
  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  check(upload: BlobUpload, quota: BlobQuota): void {
    const usage = this.#usage(upload);
    checkQuota(upload.size, usage, quota);
    const count = this.#files.size + this.#partials.size + 1;
    if (usage.total + upload.size + count * OVERHEAD > this.#most) {
      throw new ProtocolError("not_available", "no room for more files in memory");
    }
  }

  reserve(upload: BlobUpload, quota: BlobQuota): void {
    this.check(upload, quota);
    const known = this.#partials.get(upload.key);
    if (known !== undefined) {
      known.upload = upload;
      this.touch(known);
      return;
    }
    this.#reserved += upload.size;
    this.#count(upload, 1);
    this.#partials.set(upload.key, {
      upload,
      written: 0,
      updatedAt: this.#clock.wall(),
      bytes: undefined,
      hash: undefined,
      writer: undefined,
    });
  }

  write(key: string): MemoryWriter {
    const partial = this.#partials.get(key);
    if (partial === undefined) throw new ProtocolError("unknown_upload");
    return partial.writer = new MemoryWriter(this, partial);
  }

  discard(key: string): void {
    const partial = this.#partials.get(key);
    if (partial === undefined) return;
    partial.writer = undefined;
    this.#partials.delete(key);
    this.#reserved -= partial.upload.size;
    this.#count(partial.upload, -1);
  }

  share(upload: BlobUpload, file: NewBlob, quota: BlobQuota): BlobFile {
    const known = this.ofRequest(upload.userId, file.request);
    if (known !== undefined) return known;
    const content = this.#contents.get(upload.sha256);
    if (content === undefined) throw new ProtocolError("unknown_file");
    this.check(upload, quota);
    this.discard(upload.key);
    return this.#add(upload, file, content.bytes);
  }

  /** Makes a file of an upload whose bytes have its hash. */
  commit({ upload, bytes }: Partial, file: NewBlob): BlobFile {
    const known = this.ofRequest(upload.userId, file.request);
    if (known !== undefined) return known;
    this.discard(upload.key);
    return this.#add(upload, file, bytes ?? new Uint8Array());
  }

  get(fileId: string): BlobFile | undefined {
    return this.#files.get(fileId)?.file;
  }

  ofRequest(userId: string, request: string): BlobFile | undefined {
    return this.#requests.get(requestKey(userId, request))?.file;
  }

  withContent(sha256: string, limit: number): readonly BlobFile[] {
    const entries = [...this.#contents.get(sha256)?.entries ?? []];
    return entries.reverse().slice(0, limit).map(({ file }) => file);
  }

  announced(fileId: string): void {
    const entry = this.#files.get(fileId);
    if (entry !== undefined) entry.file = { ...entry.file, announced: true };
  }

  list({ userId, channel, after = "", limit }: BlobListOptions): readonly BlobFile[] {
    return [...this.#files.values()].map(({ file }) => file)
      .filter((file) => userId === undefined || file.userId === userId)
      .filter((file) => channel === undefined || file.channel === channel)
      .filter(({ fileId }) => fileId > after)
      .sort((a, b) => a.fileId < b.fileId ? -1 : 1)
      .slice(0, limit);
  }

  uploads(userId: string): readonly string[] {
    return [...this.#partials.values()].filter(({ upload }) => upload.userId === userId).map(({ upload }) =>
      upload.key
    );
  }

  open(sha256: string): BlobReader {
    const content = this.#contents.get(sha256);
    if (content === undefined) throw new ProtocolError("unknown_file");
    const { bytes } = content;
    return {
      read(buffer, at) {
        const part = bytes.subarray(at, at + buffer.length);
        buffer.set(part);
        return part.length;
      },
      close() {},
    };
  }

  delete(fileId: string): boolean {
    const entry = this.#files.get(fileId);
    if (entry === undefined) return false;
    const { file, request } = entry;
    const content = this.#contents.get(file.sha256)!;
    this.#files.delete(fileId);
    this.#requests.delete(requestKey(file.userId, request));
    this.#count(file, -1);
    content.entries.delete(entry);
    if (content.entries.size > 0) return true;
    this.#contents.delete(file.sha256);
    this.#bytes -= file.size;
    return true;
  }

  expire(cutoff: BlobCutoff): void {
    let left = SOME;
    for (const [fileId, { file }] of this.#files) {
      if (left-- === 0 || file.createdAt >= cutoff.files) break;
      this.delete(fileId);
    }
    left = SOME;
    for (const [key, partial] of this.#partials) {
      if (left-- === 0 || partial.updatedAt >= cutoff.uploads) break;
      this.discard(key);
    }
  }

  counts(): BlobCounts {
    return { files: this.#files.size, bytes: this.#bytes, partial: this.#partials.size };
  }

  /** Whether an upload is still the one of its key. */
  has(partial: Partial): boolean {
    return this.#partials.get(partial.upload.key) === partial;
  }

  /** An upload was written to now. */
  touch(partial: Partial): void {
    partial.updatedAt = this.#clock.wall();
    const { key } = partial.upload;
    this.#partials.delete(key);
    this.#partials.set(key, partial);
  }

  #add({ key: _, ...info }: BlobUpload, { request, ...added }: NewBlob, bytes: Uint8Array): BlobFile {
    const file: BlobFile = { ...info, ...added, announced: false };
    const entry: Entry = { file, request };
    this.#files.set(file.fileId, entry);
    this.#requests.set(requestKey(file.userId, request), entry);
    this.#count(file, 1);
    const known = this.#contents.get(file.sha256);
    if (known !== undefined) known.entries.add(entry);
    else {
      this.#contents.set(file.sha256, { bytes, entries: new Set([entry]) });
      this.#bytes += file.size;
    }
    return file;
  }

  /** What there is without the upload of that key. */
  #usage({ userId, key }: BlobUpload): BlobUsage {
    const { files, bytes } = this.#users.get(userId) ?? { files: 0, bytes: 0 };
    const own = this.#partials.get(key)?.upload;
    const total = this.#bytes + this.#reserved - (own?.size ?? 0);
    if (own?.userId !== userId) return { files, bytes, total };
    return { files: files - 1, bytes: bytes - own.size, total };
  }

  #count({ userId, size }: BlobInfo, by: 1 | -1): void {
    const known = this.#users.get(userId) ?? { files: 0, bytes: 0 };
    const files = known.files + by;
    if (files === 0) this.#users.delete(userId);
    else this.#users.set(userId, { files, bytes: known.bytes + by * size });
  }
}

/** No user id holds a line break, so no two pairs make one key. */
function requestKey(userId: string, request: string): string {
  return `${userId}\n${request}`;
}
