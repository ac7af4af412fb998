/**
 * Tokens that were revoked and users who are blocked. The engine keeps them, so that all nodes refuse them, after a restart
 * too; each check asks it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Values } from "../../engine/contract.ts";
import { type Principal, ProtocolError } from "../../protocol/mod.ts";

/** Which tokens: that of a `jti`, or those of a user, or of all, issued before a time; without it all of them. */
export interface TokenSelector {
  readonly jti?: string | undefined;
  readonly user?: string | undefined;
  /** Seconds since the epoch. A token without `iat` counts as issued before. */
  readonly issuedBefore?: number | undefined;
}

/** Whether a token is one of those. */
export function selects({ jti, user, issuedBefore }: TokenSelector, principal: Principal): boolean {
  if (jti !== undefined) return principal.tokenId === jti;
  if (user !== undefined && principal.userId !== user) return false;
  return issuedBefore === undefined || (principal.issuedAt ?? -Infinity) < issuedBefore * 1000;
}

/** Seconds for which a revocation is remembered when nothing else is said. */
const YEAR = 365 * 86_400;
/** Times that somebody else may be faster before it is given up. */
const ATTEMPTS = 16;
const ALL = "revoked";

/** What is refused, whatever its signature says. */
export class Revocations {
  readonly #values: Values;

  constructor(values: Values) {
    this.#values = values;
  }

  /** Rejects with ProtocolError: `invalid_token` for what was revoked, `not_available` when the engine cannot be asked. */
  async check(principal: Principal): Promise<void> {
    const { userId, tokenId } = principal;
    const names = [blockOf(userId), revocationOf(userId), ALL];
    if (tokenId !== undefined) names.push(idOf(tokenId));
    const [blocked, ofUser, ofAll, ofId] = await this.#ask(() =>
      Promise.all(names.map((name) => this.#values.get({ name })))
    );
    if (blocked !== undefined) throw new ProtocolError("invalid_token", "the user is blocked");
    const isOld = [ofUser, ofAll].some((value) => {
      return value !== undefined && selects({ issuedBefore: secondsOf(value.data) }, principal);
    });
    if (isOld || ofId !== undefined) throw new ProtocolError("invalid_token", "the token was revoked");
  }

  /** Refuses such tokens from now on, for `keepFor` seconds. Rejects with ProtocolError `not_available`. */
  async revoke({ jti, user, issuedBefore = 0 }: TokenSelector, keepFor = YEAR): Promise<void> {
    const ttl = keepFor * 1000;
    if (jti !== undefined) {
      await this.#ask(() => this.#values.put({ name: idOf(jti) }, {}, { ttl }));
      return;
    }
    const name = user === undefined ? ALL : revocationOf(user);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const known = await this.#ask(() => this.#values.get({ name }));
      // A later time refuses what an earlier one does.
      const latest = Math.max(issuedBefore, known === undefined ? 0 : secondsOf(known.data));
      const data = new TextEncoder().encode(`${latest}`);
      const options = { revision: known?.revision ?? 0, ttl };
      if (await this.#ask(() => this.#values.put({ name }, { data }, options)) !== undefined) return;
    }
    throw new ProtocolError("not_available", "too many others change it");
  }

  /** Refuses all tokens of a user, for some seconds or until `unblock`. Rejects with ProtocolError `not_available`. */
  async block(user: string, expiresIn?: number): Promise<void> {
    const options = expiresIn === undefined ? {} : { ttl: expiresIn * 1000 };
    await this.#ask(() => this.#values.put({ name: blockOf(user) }, {}, options));
  }

  /** Ends a block; false: there was none. Rejects with ProtocolError `not_available`. */
  async unblock(user: string): Promise<boolean> {
    return await this.#ask(() => this.#values.delete({ name: blockOf(user) }));
  }

  async #ask<T>(ask: () => T | Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (cause) {
      throw new ProtocolError("not_available", "revoked tokens cannot be looked up now", { cause });
    }
  }
}

function blockOf(user: string): string {
  return `blocked:${user}`;
}

function revocationOf(user: string): string {
  return `revoked:user:${user}`;
}

/** A `jti` may be any text: the names of values are short. */
function idOf(jti: string): string {
  return `revoked:jti:${createHash("sha256").update(jti).digest("base64url")}`;
}

function secondsOf(data: Uint8Array | undefined): number {
  return data === undefined ? 0 : Number(new TextDecoder().decode(data));
}
