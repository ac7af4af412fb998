/**
 * API keys, compared in constant time, and what each may do.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { ApiRight } from "../../protocol/api/types.ts";

/** All rights. */
export const ALL_RIGHTS: ReadonlySet<ApiRight> = new Set<ApiRight>(["publish", "manage", "read"]);

/** A configured key. A text has all rights. */
export type ApiKey = string | { readonly key: string; readonly rights: readonly ApiRight[] };

// At once: `crypto.subtle` hands a hash to another thread, which takes longer than the hash.
function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/** The key a request carries, in `X-API-Key` or as `Authorization: Bearer`; undefined when none. */
export function keyOf(headers: Headers): string | undefined {
  const own = headers.get("x-api-key");
  if (own !== null) return own;
  return /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
}

/** Checks keys. The digests of the configured keys are kept until the list changes. */
export class KeyRing {
  #keys: readonly ApiKey[] = [];
  #digests: readonly Uint8Array[] = [];
  #rights: readonly ReadonlySet<ApiRight>[] = [];

  /**
   * The rights of `candidate` when it is one of `keys`, those of all entries that have it. The time this takes does not
   * depend on the keys.
   */
  rightsOf(candidate: string, keys: readonly ApiKey[]): ReadonlySet<ApiRight> | undefined {
    if (keys !== this.#keys) {
      this.#keys = keys;
      this.#digests = keys.map((each) => digest(typeof each === "string" ? each : each.key));
      this.#rights = keys.map((each) => typeof each === "string" ? ALL_RIGHTS : new Set(each.rights));
    }
    const rights = this.#rights;
    const given = digest(candidate);
    let found: ReadonlySet<ApiRight> | undefined;
    for (const [index, one] of this.#digests.entries()) {
      if (sameBytes(given, one) === 1) {
        found = found === undefined ? rights[index]! : found.union(rights[index]!);
      }
    }
    return found;
  }
}

// Digests are of one length; every byte is looked at, whatever the first ones say.
function sameBytes(a: Uint8Array, b: Uint8Array): 0 | 1 {
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0 ? 1 : 0;
}
