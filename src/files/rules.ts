/**
 * What may be uploaded, and which chunk comes next. Pure. Quotas are the engine's: all nodes on a store share them.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { BlobInfo } from "../engine/contract.ts";
import { type ErrorName, matchesAny } from "../protocol/mod.ts";
import type { FileLimits } from "./contract.ts";

/** Names the upload that a request goes on with: the one of the same user, channel, size and hash. */
export function keyOf({ userId, channel, size, sha256 }: BlobInfo): string {
  // None of them contains a space.
  return createHash("sha256").update(`${userId} ${channel} ${size} ${sha256}`).digest("hex");
}

/** Why an upload may not begin, or undefined when it may. `uploads`: other uploads of the session that are under way. */
export function refuseUpload(
  { size, type }: { readonly size: number; readonly type: string },
  limits: FileLimits,
  uploads: number,
): ErrorName | undefined {
  if (size > limits.maxSize) return "file_too_large";
  if (limits.allow.length > 0 && !matchesAny(limits.allow, type)) return "file_type_refused";
  if (matchesAny(limits.deny, type)) return "file_type_refused";
  return uploads >= limits.maxUploads ? "too_many_transfers" : undefined;
}

/** How far an upload is, in bytes. */
export interface Progress {
  /** Of the complete file. */
  readonly size: number;
  /** That came. */
  readonly received: number;
  /** That the engine has written. */
  readonly written: number;
}

/** Chunks that may wait to be written: each costs memory beside its bytes. */
const MAX_WAITING = 1024;

/** Why a chunk is refused, or undefined when it is the next one. `waiting`: chunks that are not written yet. */
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
 * The windows of all uploads of a node together, because they are memory. Above it an upload gets room for one chunk.
 * Exported for tests.
 */
export const ALL_WINDOWS = 256 * 1024 ** 2;

/** The window of a new upload, beside `others`. */
export function windowOf(
  { window, maxChunk }: { readonly window: number; readonly maxChunk: number },
  others: Iterable<{ readonly window: number }>,
): number {
  let left = ALL_WINDOWS;
  for (const other of others) left -= other.window;
  return Math.max(maxChunk, Math.min(window, left));
}

/** Largest block. */
const MAX_BLOCK = 1024 ** 2;

/** Bytes that are written together. A quarter of the window: a sender that has filled it waits for that much at most. */
export function blockSize(size: number, window: number): number {
  return Math.max(1, Math.min(size, MAX_BLOCK, Math.ceil(window / 4)));
}

/** Bytes for the envelope and the other fields of a message with a chunk. */
const AROUND = 1024;

/** The largest chunk that fits a message of `maxMessage` bytes in JSON as well: base64 makes four bytes of three. */
export function chunkSize(maxChunk: number, maxMessage: number): number {
  return Math.max(1, Math.min(maxChunk, Math.floor((maxMessage - AROUND) * 3 / 4)));
}
