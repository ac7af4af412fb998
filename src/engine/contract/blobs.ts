/**
 * Blobs: the contents of files, the catalogue that says whose they are, and uploads that are not complete yet.
 *
 * The bytes of a file are written once, checked against their SHA-256 and kept by it: files with the same content share
 * one copy. An upload holds room in the quotas at its full size from `reserve` on, so that two instances on one store
 * cannot give out the same room twice.
 *
 * @module
 */

import type { MaybePromise } from "./log.ts";

/** What is known of a file before its bytes are there. */
export interface BlobInfo {
  /** The user whose quota it counts against. */
  readonly userId: string;
  readonly channel: string;
  /** Shown to people; never a path. */
  readonly name: string;
  /** A media type without parameters. */
  readonly type: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the whole content: 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** An upload to be reserved. */
export interface BlobUpload extends BlobInfo {
  /** Names the upload: 64 lower-case hexadecimal digits. Reserving the same key again goes on with the same bytes. */
  readonly key: string;
}

/** What the caller decides about a file that is added to the catalogue. */
export interface NewBlob {
  readonly fileId: string;
  /** The id of the user's message that asked for the file. A second file of the same user and request is never made. */
  readonly request: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** A complete file. */
export interface BlobFile extends BlobInfo {
  readonly fileId: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Whether `announced` was called for it. */
  readonly announced: boolean;
}

/** Limits that hold for all instances on a store together. Files and uploads count at their full size. */
export interface BlobQuota {
  /** Files and uploads of one user. */
  readonly files: number;
  /** Bytes of one user's files and uploads. */
  readonly bytes: number;
  /** Bytes of the whole store. Each content counts once. */
  readonly total: number;
}

/** Which files are listed. */
export interface BlobListOptions {
  /** @default of all users */
  readonly userId?: string | undefined;
  /** @default of all channels */
  readonly channel?: string | undefined;
  /** Only ids after this one. @default from the first one on */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** How old files and uploads may be: what was made or written to before these times goes. Milliseconds since the epoch. */
export interface BlobCutoff {
  readonly files: number;
  readonly uploads: number;
}

/** How much a store holds. */
export interface BlobCounts {
  readonly files: number;
  /** Bytes of all files. Each content counts once. */
  readonly bytes: number;
  /** Uploads that are not complete. */
  readonly partial: number;
}

/**
 * Writes the bytes of one upload. An upload has one writer at a time: once another instance, or this one, has opened it
 * again, or has discarded it, every call but `close` rejects with ProtocolError `unknown_upload`.
 */
export interface BlobWriter {
  /** Bytes that the store had when the writer was opened: the next ones are appended there. */
  readonly offset: number;
  /**
   * Appends `bytes`. The memory belongs to the store until the promise resolves with it; then the bytes are written. May
   * be called again before that, the order is kept. After a rejection nothing more can be appended, and what was written
   * before stays.
   */
  append(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
  /**
   * Makes a file of the upload once all bytes are there: durable, its hash checked, and its room in the quotas goes over to
   * the file. Resolves with the file; when the request made one before, with that one. Rejects with ProtocolError
   * `file_incomplete`, or with `file_hash_mismatch`, after which nothing of the upload is kept. After any other rejection
   * the upload stays, and `commit` may be called again.
   */
  commit(file: NewBlob): Promise<BlobFile>;
  /** Ends writing. What was written stays for the next writer. Never rejects; may be called more than once. */
  close(): Promise<void>;
}

/** Reads a content until `close`. */
export interface BlobReader {
  /**
   * Reads up to `buffer.length` bytes from position `at` and returns how many there were: 0 at the end. When the file is
   * deleted meanwhile it reads on or rejects with ProtocolError `unknown_file`; it never returns other bytes.
   */
  read(buffer: Uint8Array, at: number): MaybePromise<number>;
  close(): void;
}

/**
 * Keeps files. Besides the errors that are named, everything may reject with what the store says; a client is told
 * `not_available` then.
 */
export interface Blobs {
  /** Rejects as `reserve` would. Reserves nothing. */
  check(upload: BlobUpload, quota: BlobQuota): MaybePromise<void>;
  /**
   * Checks the quotas and takes the room for an upload, in one step for all instances. An upload that is known keeps its
   * bytes and gets the new name and type. Rejects with ProtocolError `quota_exceeded`, or with `not_available` when the
   * store is full.
   */
  reserve(upload: BlobUpload, quota: BlobQuota): MaybePromise<void>;
  /** Opens a reserved upload, and takes it over from the writer that has it now. Rejects with ProtocolError `unknown_upload`. */
  write(key: string): MaybePromise<BlobWriter>;
  /** Removes an upload and its bytes, and gives its room back. Nothing happens when it is not known. */
  discard(key: string): MaybePromise<void>;
  /**
   * Adds a file whose content is kept already; the quotas are checked in the same step. Resolves like `BlobWriter.commit`.
   * Rejects with ProtocolError `unknown_file` when the content is not kept any more, `quota_exceeded` or `not_available`.
   */
  share(upload: BlobUpload, file: NewBlob, quota: BlobQuota): MaybePromise<BlobFile>;
  get(fileId: string): MaybePromise<BlobFile | undefined>;
  /** The file that this message of the user made. */
  ofRequest(userId: string, request: string): MaybePromise<BlobFile | undefined>;
  /** Files that have this content, the newest first, at most `limit`. None when the content cannot be read. */
  withContent(sha256: string, limit: number): MaybePromise<readonly BlobFile[]>;
  /** Notes that a file was announced. Nothing happens when it is not known. */
  announced(fileId: string): MaybePromise<void>;
  /** Files in the order of their ids, those of a user or of a channel where that is given, after `after`, at most `limit`. */
  list(options: BlobListOptions): MaybePromise<readonly BlobFile[]>;
  /** Keys of a user's uploads that are not complete. */
  uploads(userId: string): MaybePromise<readonly string[]>;
  /** Opens a content; the reader has to be closed. Rejects with ProtocolError `unknown_file`. */
  open(sha256: string): MaybePromise<BlobReader>;
  /** Removes a file, and its content with the last file that has it. False: it is not known. */
  delete(fileId: string): MaybePromise<boolean>;
  /**
   * Removes some of what is older than `cutoff`, the oldest first: to be called about once a second. The age of an upload
   * counts from its last `reserve` or `append`, at whichever instance; while a writer has it open it may stay longer.
   */
  expire(cutoff: BlobCutoff): MaybePromise<void>;
  /** How much the store holds, as far as this instance knows without asking. Undefined: nothing was ever kept. */
  counts(): BlobCounts | undefined;
}
