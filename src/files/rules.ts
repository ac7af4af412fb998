/**
 * What may be uploaded, and which chunk comes next. Pure.
 *
 * @module
 */

import { type ErrorName, matchesAny } from "../protocol/mod.ts";
import type { FileLimits } from "./contract.ts";

/** What there is already, as the limits see it. */
export interface Usage {
  /** Of the user, without the upload that is asked for. */
  readonly files: number;
  readonly bytes: number;
  /** Bytes of the whole store, uploads under way among them. */
  readonly total: number;
  /** Uploads of the session at once. */
  readonly uploads: number;
}

/** Why an upload of `size` bytes may not begin, or undefined when it may. */
export function refuseUpload(
  { size, type }: { readonly size: number; readonly type: string },
  limits: FileLimits,
  usage: Usage,
): ErrorName | undefined {
  if (size > limits.maxSize) return "file_too_large";
  if (limits.allow.length > 0 && !matchesAny(limits.allow, type)) return "file_type_refused";
  if (matchesAny(limits.deny, type)) return "file_type_refused";
  if (usage.uploads >= limits.maxUploads) return "too_many_transfers";
  if (usage.files + 1 > limits.quota.files || usage.bytes + size > limits.quota.bytes) {
    return "quota_exceeded";
  }
  if (usage.total + size > limits.maxTotal) return "not_available";
  return undefined;
}

/** Where an upload stands. */
export interface Progress {
  /** Bytes of the whole file. */
  readonly size: number;
  /** Bytes taken in. */
  readonly received: number;
  /** Of these on the disk. */
  readonly written: number;
}

/** Chunks that may wait to be written, however small they are. */
const MAX_WAITING = 1024;

/** Why a chunk may not be taken, or undefined when it may. */
export function refuseChunk(
  { size, received, written }: Progress,
  chunk: { readonly offset: number; readonly length: number },
  limits: { readonly window: number; readonly maxChunk: number },
  waiting: number,
): ErrorName | undefined {
  if (chunk.length > limits.maxChunk) return "message_too_large";
  if (chunk.offset + chunk.length > size) return "file_beyond_end";
  if (chunk.offset < received) return "file_overlap";
  if (chunk.offset > received) return "file_gap";
  if (received + chunk.length - written > Math.max(limits.window, limits.maxChunk)) return "file_window";
  return waiting >= MAX_WAITING ? "file_window" : undefined;
}

/**
 * Bytes that all uploads of a store together may have on their way, but that each has room for a chunk.
 * Exported for tests.
 */
export const ALL_WINDOWS = 256 * 1024 ** 2;

/** The window of one more upload, beside others with such windows. */
export function windowOf(
  { window, maxChunk }: { readonly window: number; readonly maxChunk: number },
  others: Iterable<{ readonly window: number }>,
): number {
  let left = ALL_WINDOWS;
  for (const other of others) left -= other.window;
  return Math.max(maxChunk, Math.min(window, left));
}

/** Most bytes of a block. */
const MAX_BLOCK = 1024 ** 2;

/** Bytes that are written together: a quarter of the window, so that a sender never waits for more to be written. */
export function blockSize(size: number, window: number): number {
  return Math.max(1, Math.min(size, MAX_BLOCK, Math.ceil(window / 4)));
}

/** Bytes kept for the envelope and the other fields of a chunk. */
const AROUND = 1024;

/** The largest chunk that fits a message of `maxMessage` bytes in either form: base64 makes four bytes of three. */
export function chunkSize(maxChunk: number, maxMessage: number): number {
  return Math.max(1, Math.min(maxChunk, Math.floor((maxMessage - AROUND) * 3 / 4)));
}
