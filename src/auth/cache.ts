/**
 * Tokens that have been verified, so that many reconnects at once do not cost a signature check each. Kept
 * by their SHA-256: the tokens themselves are not.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Claims } from "./claims.ts";

/** One verified token. */
export interface CacheEntry {
  readonly claims: Claims;
  /** The generation of the remote key set one of whose keys signed it; `undefined` for a configured key. */
  readonly generation: number | undefined;
}

/** The name of a token in the cache. */
export function tokenDigest(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

/** A bounded map of verified tokens; the one unused for longest goes first. */
export class TokenCache {
  readonly #entries = new Map<string, CacheEntry>();
  readonly #limit: number;

  /** `limit`: most entries; 0 keeps none. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The entry, which still has to be held against the clock. */
  get(digest: string): CacheEntry | undefined {
    const entry = this.#entries.get(digest);
    if (!entry) return undefined;
    this.#entries.delete(digest);
    this.#entries.set(digest, entry);
    return entry;
  }

  set(digest: string, entry: CacheEntry): void {
    if (this.#limit === 0) return;
    this.#entries.delete(digest);
    while (this.#entries.size >= this.#limit) {
      this.#entries.delete(this.#entries.keys().next().value!);
    }
    this.#entries.set(digest, entry);
  }

  delete(digest: string): void {
    this.#entries.delete(digest);
  }

  clear(): void {
    this.#entries.clear();
  }
}
