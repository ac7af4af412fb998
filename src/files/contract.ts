/**
 * Files as their users see them, and their limits.
 *
 * @module
 */

import type { BlobInfo, Blobs, Values } from "../engine/contract.ts";

/** A complete file. Who may read its `channel` may read it. */
export interface FileRecord extends BlobInfo {
  readonly fileId: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** What a user says of a file to be uploaded. */
export interface UploadRequest extends BlobInfo {
  /** The session: its uploads at the same time are limited together. */
  readonly owner: string;
}

/** Limits. They are read whenever they matter, so that a change holds at once. Sizes in bytes, times in ms. */
export interface FileLimits {
  /** @default 268435456 */
  readonly maxSize: number;
  /** Largest chunk. @default 65536 */
  readonly maxChunk: number;
  /** Bytes of one upload that may be sent and not written yet. @default 4194304 */
  readonly window: number;
  /** Uploads of one session at the same time. @default 4 */
  readonly maxUploads: number;
  /** Downloads of one session at the same time. @default 4 */
  readonly maxDownloads: number;
  /** Files and bytes of one user, uploads included. @default 1000 files, 1 GiB */
  readonly quota: { readonly files: number; readonly bytes: number };
  /** Bytes of the whole store. @default 10 GiB */
  readonly maxTotal: number;
  /** Media types that are accepted, `*` for any run of characters. @default any */
  readonly allow: readonly string[];
  /** Media types that are refused, whatever `allow` says. @default none */
  readonly deny: readonly string[];
  /** How long a file is kept. @default 30 days */
  readonly maxAge: number;
  /** How long an interrupted upload is kept. @default 1 day */
  readonly partialAge: number;
  /** Bytes a second of one user's uploads; 0: no limit. @default 0 */
  readonly rate: number;
  /** Bytes a second of all uploads of this node together while others are to be served first; 0: no limit. @default 33554432 */
  readonly busyRate: number;
}

/** An open file. It is closed by `close`, and when nothing was read from it for long. */
export interface FileReader {
  /** Reads up to `buffer.length` bytes from `at` and returns how many there were: 0 at the end. Rejects when it is closed. */
  read(buffer: Uint8Array, at: number): Promise<number>;
  close(): void;
}

/** Counts for operators. */
export interface FileStatus {
  readonly files: number;
  /** Bytes of all files. A content that several files share counts once. */
  readonly bytes: number;
  /** Uploads that are not complete, interrupted ones included. */
  readonly partial: number;
  /** Uploads of this node that are under way. */
  readonly uploads: number;
  /** Files that this node has open to be read. */
  readonly readers: number;
}

/** What a store is made of. */
export interface FileStoreOptions {
  readonly blobs: Blobs;
  /** Keep the key that signs links, so that all nodes on a store accept each other's. */
  readonly values: Values;
  readonly limits: () => FileLimits;
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number;
  /** Told of failures that nobody waits for, and of the reason for a `not_available`. @default ignored */
  readonly failed?: (error: unknown, stage: string) => void;
  /** Whether uploads are to be slowed down now, because others are to be served first. @default never */
  readonly busy?: () => boolean;
}
