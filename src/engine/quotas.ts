/**
 * Whether there is room for an upload: the same rule in every engine.
 *
 * @module
 */

import { ProtocolError } from "../protocol/mod.ts";
import type { BlobQuota } from "./contract.ts";

/** What there is without the upload that is asked for. */
export interface BlobUsage {
  /** Files and uploads of the user. */
  readonly files: number;
  /** Bytes of these. */
  readonly bytes: number;
  /** Bytes of the whole store, uploads at their full size. */
  readonly total: number;
}

/** Throws ProtocolError `quota_exceeded` or `not_available` when `size` bytes more would exceed `quota`. */
export function checkQuota(size: number, usage: BlobUsage, quota: BlobQuota): void {
  if (usage.files + 1 > quota.files || usage.bytes + size > quota.bytes) {
    throw new ProtocolError("quota_exceeded");
  }
  if (usage.total + size > quota.total) throw new ProtocolError("not_available", "no room for more files");
}
