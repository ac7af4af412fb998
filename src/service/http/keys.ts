/**
 * API keys, compared in constant time.
 *
 * @module
 */

const encoder = new TextEncoder();

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
}

/** The key a request carries, in `X-API-Key` or as `Authorization: Bearer`; undefined when none. */
export function keyOf(headers: Headers): string | undefined {
  const own = headers.get("x-api-key");
  if (own !== null) return own;
  return /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
}

/** Checks keys. The digests of the configured keys are kept until the list changes. */
export class KeyRing {
  #keys: readonly string[] = [];
  #digests: Promise<readonly Uint8Array[]> = Promise.resolve([]);

  /** Whether `candidate` is one of `keys`. The time this takes does not depend on the keys. */
  async accepts(candidate: string, keys: readonly string[]): Promise<boolean> {
    if (keys !== this.#keys) {
      this.#keys = keys;
      this.#digests = Promise.all(keys.map(digest));
    }
    const [given, known] = await Promise.all([digest(candidate), this.#digests]);
    let found = 0;
    for (const one of known) found |= sameBytes(given, one);
    return found === 1;
  }
}

// Digests are of one length; every byte is looked at, whatever the first ones say.
function sameBytes(a: Uint8Array, b: Uint8Array): 0 | 1 {
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0 ? 1 : 0;
}
