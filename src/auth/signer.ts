/**
 * Makes tokens: for the command line, for development, for tests.
 *
 * @module
 */

import { createPrivateKey, type KeyObject } from "node:crypto";
import { importPKCS8, SignJWT } from "jose";
import type { Right } from "../protocol/mod.ts";
import { readClaims } from "./claims.ts";
import { type Algorithm, AuthSettingsError, keyProblem, type PublicAlgorithm } from "./settings.ts";
import { MAX_TOKEN_LENGTH } from "./token.ts";

/** The key tokens are signed with. */
export type SigningKey =
  | { readonly alg: "HS256"; readonly kid?: string | undefined; readonly secret: string }
  | {
    readonly alg: PublicAlgorithm;
    readonly kid?: string | undefined;
    /** The private key in PEM (PKCS #8, or the older forms of RSA and EC keys). */
    readonly privateKey: string;
  };

/** What every token of a signer has in common. */
export interface SignerSettings {
  readonly key: SigningKey;
  /** The `iss` claim. @default none */
  readonly issuer?: string | undefined;
  /** The `aud` claim. @default none */
  readonly audience?: string | readonly string[] | undefined;
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: (() => number) | undefined;
}

/** What one token says. */
export interface TokenClaims {
  /** The user. */
  readonly sub: string;
  /** Milliseconds from now; `null` for a token without end. @default 3600000 */
  readonly expiresIn?: number | null | undefined;
  /** Milliseconds from now before which the token is refused. @default none */
  readonly notBefore?: number | undefined;
  readonly channels?: readonly string[] | undefined;
  readonly subscribe?: readonly string[] | undefined;
  readonly publish?: readonly string[] | undefined;
  readonly rights?: readonly Right[] | undefined;
  /** Patterns of users whose peers this user's may meet. @default none, only its own */
  readonly peers?: readonly string[] | undefined;
  readonly bot?: string | undefined;
  readonly info?: Readonly<Record<string, unknown>> | undefined;
}

/** Makes tokens with one key. */
export interface TokenSigner {
  /** Throws TypeError, naming the claim, for claims that no authenticator would accept. */
  sign(claims: TokenClaims): Promise<string>;
}

const ANYTHING = { issuers: [], audiences: [], requireExpiry: false, defaultChannels: [], defaultRights: [] };

/** Makes a signer. Throws AuthSettingsError for a key that cannot be used. */
export function createTokenSigner(settings: SignerSettings): TokenSigner {
  const { key, issuer, audience, now = Date.now } = settings;
  const imported = importSigningKey(key);
  imported.catch(() => {});

  return {
    async sign(claims: TokenClaims): Promise<string> {
      const { expiresIn = 3_600_000, notBefore, ...rest } = claims;
      const at = now() / 1000;
      if (expiresIn !== null && !Number.isFinite(expiresIn)) {
        throw new TypeError("expiresIn: milliseconds, or null");
      }
      const payload: Record<string, unknown> = {
        ...defined(rest),
        ...defined({ iss: issuer, aud: audience }),
        iat: Math.floor(at),
        ...(expiresIn === null ? {} : { exp: Math.floor(at + expiresIn / 1000) }),
        ...(notBefore === undefined ? {} : { nbf: Math.floor(at + notBefore / 1000) }),
      };
      const { problems } = readClaims(payload, ANYTHING);
      if (problems.length > 0) throw new TypeError(problems.join("; "));
      const token = await new SignJWT(payload)
        .setProtectedHeader({ alg: key.alg, typ: "JWT", ...defined({ kid: key.kid }) })
        .sign(await imported);
      if (token.length > MAX_TOKEN_LENGTH) {
        throw new TypeError(
          `the token would have ${token.length} characters, at most ${MAX_TOKEN_LENGTH} are accepted`,
        );
      }
      return token;
    },
  };
}

/** Imports the key. Throws at once when it is bad, instead of rejecting later. */
function importSigningKey(key: SigningKey): Promise<CryptoKey | Uint8Array> {
  if (key.alg === "HS256") {
    const problem = keyProblem(key);
    if (problem) throw new AuthSettingsError([problem]);
    return Promise.resolve(new TextEncoder().encode(key.secret));
  }
  let own: KeyObject;
  try {
    own = createPrivateKey(key.privateKey);
  } catch {
    throw new AuthSettingsError(["privateKey: not a private key in PEM"]);
  }
  const type: Record<Algorithm, string> = { HS256: "", RS256: "rsa", ES256: "ec", EdDSA: "ed25519" };
  if (own.asymmetricKeyType !== type[key.alg]) {
    throw new AuthSettingsError([`privateKey: not a key for ${key.alg}`]);
  }
  return importPKCS8(own.export({ type: "pkcs8", format: "pem" }).toString(), key.alg);
}

function defined(record: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter((entry) => entry[1] !== undefined));
}
