/**
 * The token key of development mode: made at the start, lost at the end.
 *
 * @module
 */

import { type AuthSettings, createTokenSigner, type TokenClaims } from "../../auth/mod.ts";
import { ProtocolError, RIGHTS } from "../../protocol/mod.ts";
import type { DevTokenRequest } from "../http/mod.ts";

const HS256 = "HS256";
/** Seconds a token is valid when the request has no `expiresIn`. */
const EXPIRES_IN = 3600;

/** A random secret of this process, and tokens signed with it. */
export class DevelopmentKeys {
  readonly #secret = crypto.getRandomValues(new Uint8Array(32)).toHex();

  /** `settings` with this key beside the configured ones. */
  extend(settings: AuthSettings): AuthSettings {
    return { ...settings, keys: [...settings.keys, { alg: HS256, secret: this.#secret }] };
  }

  /** Makes a token that `settings` accept. Throws ProtocolError `bad_payload` for invalid claims. */
  async token(request: DevTokenRequest, settings: AuthSettings): Promise<string> {
    const { user, expiresIn, rights, channels, subscribe, publish, peers, bot, info } = request;
    const signer = createTokenSigner({
      key: { alg: HS256, secret: this.#secret },
      ...(settings.issuer === undefined ? {} : { issuer: first(settings.issuer) }),
      ...(settings.audience === undefined ? {} : { audience: first(settings.audience) }),
    });
    const given = Object.fromEntries(
      Object.entries({ channels, subscribe, publish, peers, bot, info }).filter(([, value]) =>
        value !== undefined
      ),
    );
    const claims = {
      ...given,
      sub: user,
      expiresIn: (typeof expiresIn === "number" ? expiresIn : EXPIRES_IN) * 1000,
      // What everybody may have: `admin` is over the files and documents of others.
      rights: rights ?? RIGHTS.filter((right) => right !== "admin"),
    } as TokenClaims;
    try {
      return await signer.sign(claims);
    } catch (cause) {
      throw new ProtocolError("bad_payload", cause instanceof Error ? cause.message : undefined, { cause });
    }
  }
}

function first(value: string | readonly string[]): string {
  return typeof value === "string" ? value : value[0]!;
}
