/**
 * A key set behind a URL: fetched when needed, kept for a while, fetched again for an unknown key, and kept
 * past its time when the URL fails.
 *
 * @module
 */

import { deadline } from "../async/deadline.ts";
import { importJWK, type JWK } from "jose";
import type { Algorithm, ResolvedJwks } from "./settings.ts";
import { algorithmOf, type TokenHeader } from "./token.ts";

/** Most keys of a set that are used. */
const MAX_SET_KEYS = 64;
/** While there is no set at all, a failed fetch is tried again after this many milliseconds at most. */
const FIRST_RETRY = 5_000;

/** A key with the one algorithm it is good for. */
export interface VerifyingKey {
  readonly algorithm: Algorithm;
  readonly kid: string | undefined;
  readonly key: CryptoKey;
}

/** What a key set needs of the world. */
export interface JwksDeps {
  readonly fetch: typeof fetch;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: (level: "info" | "warn", event: string, fields: Record<string, unknown>) => void;
}

/** The state of a key set, for `/stats`. */
export interface JwksStatus {
  readonly keys: number;
  /** Milliseconds since the epoch; `undefined` before the first success. */
  readonly fetchedAt: number | undefined;
  /** Why the last fetch failed; `undefined` when it did not. */
  readonly error: string | undefined;
}

/** One remote key set. */
export class RemoteKeys {
  readonly settings: ResolvedJwks;
  readonly #deps: JwksDeps;
  #keys: readonly VerifyingKey[] | undefined;
  #text = "";
  #generation = 0;
  #fetchedAt = -Infinity;
  #triedAt = -Infinity;
  #error: string | undefined;
  #pending: Promise<void> | undefined;
  #abort = new AbortController();

  constructor(settings: ResolvedJwks, deps: JwksDeps) {
    this.settings = settings;
    this.#deps = deps;
  }

  /** Rises whenever the keys have changed: what was verified with the ones before may no longer hold. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Sees to it that the set is young enough. Waits for the URL only when there is no set, or a very old one
   * and no failure just now; otherwise a late set is renewed in the background. Never rejects.
   */
  async refresh(): Promise<void> {
    const age = this.#deps.now() - this.#fetchedAt;
    if (this.#keys && age <= this.settings.cacheTime) return;
    const failed = this.#error !== undefined;
    if (!this.#mayTry()) return;
    const attempt = this.#fetch();
    if (!this.#keys || (age > 2 * this.settings.cacheTime && !failed)) await attempt;
  }

  /**
   * Keys that may have signed a token with this header. An unknown key makes the set be fetched anew, at most
   * once per cooldown, however many ask. `"unavailable"`: the URL fails, so nobody can say whether there is one.
   */
  async find(header: TokenHeader): Promise<readonly VerifyingKey[] | "unavailable"> {
    await this.refresh();
    let found = this.#select(header);
    if (found.length === 0 && (this.#pending || this.#mayTry())) {
      await this.#fetch();
      found = this.#select(header);
    }
    return found.length === 0 && this.#error !== undefined ? "unavailable" : found;
  }

  status(): JwksStatus {
    return {
      keys: this.#keys?.length ?? 0,
      fetchedAt: this.#keys ? this.#fetchedAt : undefined,
      error: this.#error,
    };
  }

  /** Gives up a fetch under way, and begins no other. Resolves when nothing of it goes on; nothing is logged afterwards. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#pending;
  }

  #select(header: TokenHeader): readonly VerifyingKey[] {
    return (this.#keys ?? []).filter((key) =>
      key.algorithm === header.algorithm && (header.kid === undefined || key.kid === header.kid)
    );
  }

  #mayTry(): boolean {
    const { cooldown } = this.settings;
    if (this.#abort.signal.aborted) return this.#pending !== undefined;
    const wait = this.#keys ? cooldown : Math.min(cooldown, FIRST_RETRY);
    return this.#pending !== undefined || this.#deps.now() - this.#triedAt >= wait;
  }

  #fetch(): Promise<void> {
    return this.#pending ??= this.#load().finally(() => this.#pending = undefined);
  }

  async #load(): Promise<void> {
    this.#triedAt = this.#deps.now();
    try {
      const text = await this.#download();
      const changed = text !== this.#text;
      if (changed) {
        const keys = await importSet(text, this.settings.algorithms);
        this.#abort.signal.throwIfAborted();
        this.#keys = keys;
        this.#text = text;
        this.#generation++;
      }
      this.#fetchedAt = this.#deps.now();
      this.#error = undefined;
      if (changed) this.#deps.log("info", "auth_keys_loaded", { keys: this.#keys!.length });
    } catch (error) {
      this.#error = describe(error);
      if (this.#abort.signal.aborted) return;
      this.#deps.log("warn", "auth_keys_failed", { error: this.#error, kept: this.#keys?.length ?? 0 });
    }
  }

  #download(): Promise<string> {
    const { timeout } = this.settings;
    const expired = new AbortController();
    return deadline(this.#request(AbortSignal.any([expired.signal, this.#abort.signal])), timeout, () => {
      const late = new Error(`no answer within ${timeout} ms`);
      expired.abort(late);
      return late;
    });
  }

  async #request(signal: AbortSignal): Promise<string> {
    const response = await this.#deps.fetch(this.settings.url, {
      signal,
      headers: { accept: "application/jwk-set+json, application/json" },
      redirect: "error",
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`status ${response.status}`);
    }
    return await readBounded(response, this.settings.maxBytes);
  }
}

async function readBounded(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`answer above ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/** The usable keys of a set; keys of other kinds are passed over. Throws when there is none. */
async function importSet(text: string, allowed: readonly Algorithm[]): Promise<readonly VerifyingKey[]> {
  const set: unknown = JSON.parse(text);
  const jwks = typeof set === "object" && set !== null && "keys" in set ? set.keys : undefined;
  if (!Array.isArray(jwks)) throw new Error("not a key set");
  const keys: VerifyingKey[] = [];
  for (const jwk of jwks) {
    if (keys.length === MAX_SET_KEYS) break;
    const algorithm = jwkAlgorithm(jwk);
    if (!algorithm || !allowed.includes(algorithm)) continue;
    try {
      // A set may hold private parts by mistake: only the public ones are imported.
      const { kty, crv, x, y, n, e, kid } = jwk as JWK;
      const part = Object.fromEntries(
        Object.entries({ kty, crv, x, y, n, e }).filter((entry) => entry[1] !== undefined),
      );
      const key = await importJWK(part as JWK, algorithm);
      if (!(key instanceof CryptoKey) || weak(key)) continue;
      keys.push({ algorithm, kid: typeof kid === "string" ? kid : undefined, key });
    } catch {
      continue;
    }
  }
  if (keys.length === 0) throw new Error("a key set without a usable key");
  return keys;
}

/** The algorithm a JWK is good for: its `alg`, if that fits its type, else what its type is used for here. */
function jwkAlgorithm(value: unknown): Algorithm | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { kty, crv, alg, use, key_ops } = value as Record<string, unknown>;
  if (use !== undefined && use !== "sig") return undefined;
  if (Array.isArray(key_ops) && !key_ops.includes("verify")) return undefined;
  let algorithm: Algorithm | undefined;
  if (kty === "RSA") algorithm = "RS256";
  else if (kty === "EC" && crv === "P-256") algorithm = "ES256";
  else if (kty === "OKP" && crv === "Ed25519") algorithm = "EdDSA";
  return alg === undefined || algorithmOf(alg) === algorithm ? algorithm : undefined;
}

function weak(key: CryptoKey): boolean {
  const { modulusLength } = key.algorithm as { modulusLength?: number };
  return modulusLength !== undefined && modulusLength < 2048;
}

function describe(error: unknown): string {
  return error instanceof SyntaxError ? "not JSON" : error instanceof Error ? error.message : String(error);
}
