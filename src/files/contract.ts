/**
 * What a file is, what is allowed of files, and what the store gives to those who use it.
 *
 * @module
 */

/** A file that is kept: whole, its hash checked. */
export interface FileRecord {
  readonly fileId: string;
  /** Whose it is: it counts against this user's quota. */
  readonly userId: string;
  /** The conversation it was announced in: who may read that may read the file. */
  readonly channel: string;
  /** Sanitised; shown, never a path. */
  readonly name: string;
  /** A media type without parameters. */
  readonly type: string;
  /** Bytes. */
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** What a user says of a file to be uploaded. */
export interface UploadRequest {
  readonly userId: string;
  /** Whose uploads at once are counted together: a session. */
  readonly owner: string;
  readonly channel: string;
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly sha256: string;
}

/** Limits; asked for each time they matter, so that changed ones hold at once. Sizes in bytes, times in ms. */
export interface FileLimits {
  /** @default 268435456 */
  readonly maxSize: number;
  /** Most bytes of a chunk. @default 65536 */
  readonly maxChunk: number;
  /** Bytes of an upload that may be on their way or waiting to be written. @default 4194304 */
  readonly window: number;
  /** Of one session at once. @default 4 */
  readonly maxUploads: number;
  /** Of one session at once. @default 4 */
  readonly maxDownloads: number;
  /** Files and bytes of one user, uploads under way among them. @default 1000 files, 1 GiB */
  readonly quota: { readonly files: number; readonly bytes: number };
  /** Bytes of the whole store. @default 10 GiB */
  readonly maxTotal: number;
  /** Media types taken, `*` for any run of characters. @default any */
  readonly allow: readonly string[];
  /** Media types not taken, whatever `allow` says. @default none */
  readonly deny: readonly string[];
  /** How long a file is kept. @default 30 days */
  readonly maxAge: number;
  /** How long a part of a file waits for the rest. @default 1 day */
  readonly partialAge: number;
  /** Bytes a second of one user's uploads; 0: no limit. @default 0 */
  readonly rate: number;
  /** Bytes a second of all uploads together while they have to give way; 0: they do not. @default 33554432 */
  readonly busyRate: number;
}

/** An open file, until `close`, or until nothing was read from it for too long. */
export interface FileReader {
  /** Up to `buffer.length` bytes from `at`; how many there were, 0 at the end. Rejects once it is closed. */
  read(buffer: Uint8Array, at: number): Promise<number>;
  close(): void;
}

/** Counts of a store, for operators. */
export interface FileStatus {
  readonly files: number;
  /** Of all files, a content that several share counted once. */
  readonly bytes: number;
  /** Files that are not whole. */
  readonly partial: number;
  /** Under way now. */
  readonly uploads: number;
  readonly readers: number;
}

/** What a store is made of. */
export interface FileStoreOptions {
  /** Made when the first file comes. One process at a time has it. */
  readonly directory: string;
  readonly limits: () => FileLimits;
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number;
  /** Told of failures that nobody waits for, and of what is behind a `not_available`. @default ignored */
  readonly failed?: (error: unknown, stage: string) => void;
  /** Whether there is now something that uploads are to give way to. @default never */
  readonly busy?: () => boolean;
  /** Files of this size on are written by a thread of their own. @default 1048576 */
  readonly threadFrom?: number;
  /** Starts that thread. @default `worker.ts` */
  readonly worker?: () => Worker;
}
