/**
 * Checks tokens, the same for all transports.
 *
 * @module
 */

import { Underway } from "../async/underway.ts";
import { type Principal, ProtocolError } from "../protocol/mod.ts";
import { type CacheEntry, TokenCache, tokenDigest } from "./cache.ts";
import {
  type ClaimAdditions,
  type ClaimChanges,
  type Claims,
  readClaims,
  timeProblem,
  withClaims,
  withMoreClaims,
} from "./claims.ts";
import { type JwksDeps, type JwksStatus, RemoteKeys } from "./jwks.ts";
import { KeyRing } from "./keys.ts";
import { type AuthSettings, resolveAuth, type ResolvedAuth } from "./settings.ts";
import { checkSize, parsePayload, readHeader } from "./token.ts";

/** What an authenticator may be given instead of the real thing. */
export type AuthDeps = Partial<JwksDeps>;

/** Counts and states, for `/stats`. */
export interface AuthStatus {
  /** Verified tokens remembered now. */
  readonly cached: number;
  /** Answers from memory since the start. */
  readonly hits: number;
  /** Signatures checked since the start, good or bad. */
  readonly checks: number;
  readonly jwks: JwksStatus | undefined;
}

/** Checks tokens. */
export interface TokenAuthenticator {
  /**
   * Who the token's bearer is. Throws ProtocolError: `invalid_token`; `token_expired`; `not_available` when the keys
   * cannot be had now, or, with `retryAfter`, before the token begins. No error's text holds the token or a part of it.
   */
  verify(token: string): Promise<Principal>;
  /** Fetches remote keys that are due, so that no token has to wait for them; `status` tells how it went. Never rejects. */
  prepare(): Promise<void>;
  /** Whether the key that signed this principal's token still counts; true of principals it did not give out. */
  trusts(principal: Principal): boolean;
  /** `principal` with other claims; it is trusted as long as that one. Throws ProtocolError `bad_payload`. */
  amend(principal: Principal, claims: ClaimChanges): Principal;
  /** `principal` with more claims, as `amend`. Throws ProtocolError `bad_payload`. */
  extend(principal: Principal, claims: ClaimAdditions): Principal;
  /** Takes other settings for all later calls. Throws AuthSettingsError and keeps the ones before. */
  reconfigure(settings: AuthSettings): void;
  status(): AuthStatus;
  /** Cancels fetches of keys, and resolves when none is under way. The object cannot be used afterwards. */
  close(): Promise<void>;
}

/** One configuration and all that was found out under it: replaced as a whole. */
interface State {
  readonly settings: ResolvedAuth;
  readonly keys: KeyRing;
  readonly cache: TokenCache;
}

/**
 * Makes an authenticator. Remote keys are fetched when the first token asks for them. Throws AuthSettingsError for settings that cannot be
 * used: no key at all, a short secret, a key that does not fit its algorithm.
 */
export function createAuthenticator(settings: AuthSettings, deps: AuthDeps = {}): TokenAuthenticator {
  return new Tokens(settings, {
    fetch: deps.fetch ?? fetch,
    now: deps.now ?? Date.now,
    log: deps.log ?? (() => {}),
  });
}

class Tokens implements TokenAuthenticator {
  readonly #deps: JwksDeps;
  #state: State;
  /** Which key signed the token of a principal that was given out. */
  readonly #signers = new WeakMap<Principal, string>();
  /** Key sets of earlier settings. */
  readonly #closing = new Underway();
  #hits = 0;
  #checks = 0;

  constructor(settings: AuthSettings, deps: JwksDeps) {
    this.#deps = deps;
    this.#state = this.#build(settings, undefined);
  }

  async verify(token: string): Promise<Principal> {
    checkSize(token);
    const state = this.#state;
    const digest = tokenDigest(token);
    const entry = await this.#recall(state, digest) ?? await this.#check(state, token, digest);
    const now = this.#deps.now();
    const { clockTolerance } = state.settings;
    const problem = timeProblem(entry.claims, now, clockTolerance);
    if (problem === "expired") {
      state.cache.delete(digest);
      throw new ProtocolError("token_expired");
    }
    if (problem === "early") {
      const retryAfter = Math.ceil(entry.claims.notBefore - clockTolerance - now);
      throw new ProtocolError("not_available", "the token is not valid yet", { retryAfter });
    }
    return entry.claims.principal;
  }

  trusts(principal: Principal): boolean {
    const keyId = this.#signers.get(principal);
    return keyId === undefined || this.#state.keys.has(keyId);
  }

  amend(principal: Principal, claims: ClaimChanges): Principal {
    return this.#sameSigner(principal, withClaims(principal, claims));
  }

  extend(principal: Principal, claims: ClaimAdditions): Principal {
    return this.#sameSigner(principal, withMoreClaims(principal, claims));
  }

  async prepare(): Promise<void> {
    await this.#state.keys.remote?.refresh();
  }

  reconfigure(settings: AuthSettings): void {
    const before = this.#state;
    this.#state = this.#build(settings, before.keys.remote);
    const { remote } = before.keys;
    if (remote !== undefined && this.#state.keys.remote !== remote) void this.#closing.add(remote.close());
  }

  status(): AuthStatus {
    return {
      cached: this.#state.cache.size,
      hits: this.#hits,
      checks: this.#checks,
      jwks: this.#state.keys.remote?.status(),
    };
  }

  async close(): Promise<void> {
    const { keys, cache } = this.#state;
    await Promise.all([keys.remote?.close(), this.#closing.over()]);
    cache.clear();
  }

  #build(settings: AuthSettings, before: RemoteKeys | undefined): State {
    const resolved = resolveAuth(settings);
    const { jwks } = resolved;
    // Keep the key set when only other settings changed: its URL may not answer now.
    const same = before && jwks && JSON.stringify(before.settings) === JSON.stringify(jwks);
    const remote = same ? before : jwks && new RemoteKeys(jwks, this.#deps);
    return {
      settings: resolved,
      keys: new KeyRing(resolved.keys, remote),
      cache: new TokenCache(resolved.cacheSize),
    };
  }

  #sameSigner(principal: Principal, next: Principal): Principal {
    const signer = this.#signers.get(principal);
    if (signer !== undefined) this.#signers.set(next, signer);
    return next;
  }

  /** The remembered result for a token. Undefined when there is none, or the remote keys have changed since. */
  async #recall(state: State, digest: string): Promise<CacheEntry | undefined> {
    const entry = state.cache.get(digest);
    if (entry?.generation !== undefined) {
      await state.keys.remote?.refresh();
      if (entry.generation !== state.keys.remote?.generation) return undefined;
    }
    if (entry) this.#hits++;
    return entry;
  }

  async #check(state: State, token: string, digest: string): Promise<CacheEntry> {
    const header = readHeader(token);
    this.#checks++;
    const { payload, generation, keyId } = await state.keys.verify(token, header);
    const entry: CacheEntry = { claims: accept(payload, state.settings), generation };
    this.#signers.set(entry.claims.principal, keyId);
    state.cache.set(digest, entry);
    return entry;
  }
}

function accept(payload: Uint8Array, settings: ResolvedAuth): Claims {
  const { claims, problems } = readClaims(parsePayload(payload), settings);
  if (!claims) throw new ProtocolError("invalid_token", problems[0]);
  return claims;
}
