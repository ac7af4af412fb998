/**
 * What tokens are accepted: keys, issuer, audience, clock, and what a token without claims allows.
 *
 * @module
 */

import { createPublicKey } from "node:crypto";
import { type Right, RIGHTS } from "../protocol/mod.ts";
import { patternProblem } from "./claims.ts";
import { jwksUrlProblem } from "./jwks_url.ts";

/** Signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1). `Ed25519` (RFC 9864) in a token's header means `EdDSA`. */
export const ALGORITHMS = ["HS256", "RS256", "ES256", "EdDSA"] as const;
/** A signature algorithm. */
export type Algorithm = typeof ALGORITHMS[number];
/** An algorithm whose verifying key is public. */
export type PublicAlgorithm = Exclude<Algorithm, "HS256">;

/** Shortest HS256 secret, in bytes of UTF-8 (RFC 7518 §3.2). */
export const MIN_SECRET_BYTES = 32;
/** Most keys in `AuthSettings.keys`. */
const MAX_KEYS = 16;

/** One key tokens may be signed with. A key is good for its one algorithm, whatever a token's header says. */
export type KeySettings =
  | {
    readonly alg: "HS256";
    /** Tokens that carry another `kid` are not tried with this key. @default any */
    readonly kid?: string | undefined;
    /** The shared secret: at least 32 bytes of UTF-8. */
    readonly secret: string;
  }
  | {
    readonly alg: PublicAlgorithm;
    readonly kid?: string | undefined;
    /** The public key or a certificate, in PEM. */
    readonly publicKey: string;
  };

/** A JSON Web Key Set behind a URL (RFC 7517 §5). Times in milliseconds. */
export interface JwksSettings {
  /** `https:`, or `http:` of this machine. */
  readonly url: string;
  /** Which algorithms its keys may be used for; never HS256. @default ["RS256", "ES256", "EdDSA"] */
  readonly algorithms?: readonly PublicAlgorithm[] | undefined;
  /** Age at which the set is fetched again. @default 600000 */
  readonly cacheTime?: number | undefined;
  /** At least this long between two fetches that unknown keys or failures ask for. @default 30000 */
  readonly cooldown?: number | undefined;
  /** For one fetch, headers and body. @default 5000 */
  readonly timeout?: number | undefined;
  /** Largest answer, in bytes. @default 65536 */
  readonly maxBytes?: number | undefined;
}

/** Everything `createAuthenticator` can be told. */
export interface AuthSettings {
  /** Several at once for rotation: old and new. At most 16. */
  readonly keys: readonly KeySettings[];
  readonly jwks?: JwksSettings | null | undefined;
  /** Accepted `iss`; unset or empty: not checked. */
  readonly issuer?: string | readonly string[] | undefined;
  /** Accepted `aud`; unset or empty: not checked. */
  readonly audience?: string | readonly string[] | undefined;
  /** How far clocks may differ where `exp` and `nbf` are checked, in milliseconds. @default 5000 */
  readonly clockTolerance?: number | undefined;
  /** Whether a token without `exp` is refused. @default true */
  readonly requireExpiry?: boolean | undefined;
  /** Patterns for tokens with none of the claims `channels`, `subscribe`, `publish`. @default ["chat:*", "doc:*", "bot:*"] */
  readonly defaultChannels?: readonly string[] | undefined;
  /** Rights for tokens without the claim `rights`. @default ["client_list", "direct_message"] */
  readonly defaultRights?: readonly Right[] | undefined;
  /** Verified tokens remembered, so that a reconnect costs no signature check; 0: none. @default 10000 */
  readonly cacheSize?: number | undefined;
}

/** Settings with every default in place. */
export interface ResolvedAuth {
  readonly keys: readonly KeySettings[];
  readonly jwks: ResolvedJwks | undefined;
  readonly issuers: readonly string[];
  readonly audiences: readonly string[];
  readonly clockTolerance: number;
  readonly requireExpiry: boolean;
  readonly defaultChannels: readonly string[];
  readonly defaultRights: readonly Right[];
  readonly cacheSize: number;
}

/** A key set's settings with every default in place. */
export type ResolvedJwks = { readonly [K in keyof JwksSettings]-?: NonNullable<JwksSettings[K]> };

/** Settings that cannot be used; `problems` has a readable line for each, without any secret. */
export class AuthSettingsError extends TypeError {
  override readonly name = "AuthSettingsError";
  readonly problems: readonly string[];

  /** `problems`: one line each, at least one. */
  constructor(problems: readonly string[]) {
    super(problems.join("; "));
    this.problems = problems;
  }
}

/** Fills in the defaults. Throws AuthSettingsError with every problem there is. */
export function resolveAuth(settings: AuthSettings): ResolvedAuth {
  const problems = authProblems(settings);
  if (problems.length > 0) throw new AuthSettingsError(problems);
  const jwks = settings.jwks;
  return {
    keys: settings.keys.map((key) => ({ ...key })),
    jwks: jwks
      ? {
        url: jwks.url,
        algorithms: jwks.algorithms ?? ["RS256", "ES256", "EdDSA"],
        cacheTime: jwks.cacheTime ?? 600_000,
        cooldown: jwks.cooldown ?? 30_000,
        timeout: jwks.timeout ?? 5_000,
        maxBytes: jwks.maxBytes ?? 65_536,
      }
      : undefined,
    issuers: list(settings.issuer),
    audiences: list(settings.audience),
    clockTolerance: settings.clockTolerance ?? 5_000,
    requireExpiry: settings.requireExpiry ?? true,
    defaultChannels: Object.freeze([...settings.defaultChannels ?? ["chat:*", "doc:*", "bot:*"]]),
    defaultRights: settings.defaultRights ?? ["client_list", "direct_message"],
    cacheSize: settings.cacheSize ?? 10_000,
  };
}

/** The problems of `settings`, one line each, without secrets. Empty when they can be used. */
export function authProblems(settings: AuthSettings): string[] {
  const problems: string[] = [];
  const { keys, jwks } = settings;
  if (keys.length === 0 && !jwks) {
    problems.push("keys: at least one key, or jwks.url, is needed to check tokens");
  }
  if (keys.length > MAX_KEYS) problems.push(`keys: at most ${MAX_KEYS}, not ${keys.length}`);
  keys.forEach((key, i) => {
    const problem = keyProblem(key);
    if (problem) problems.push(`keys[${i}]: ${problem}`);
  });
  if (jwks) problems.push(...jwksProblems(jwks));
  range(problems, "clockTolerance", settings.clockTolerance, 0, 300_000);
  range(problems, "cacheSize", settings.cacheSize, 0, 1_000_000);
  settings.defaultChannels?.forEach((pattern, i) => {
    const problem = patternProblem(pattern);
    if (problem) problems.push(`defaultChannels[${i}]: ${problem}`);
  });
  settings.defaultRights?.forEach((right, i) => {
    if (!RIGHTS.includes(right)) problems.push(`defaultRights[${i}]: one of ${RIGHTS.join(", ")}`);
  });
  return problems;
}

function jwksProblems(jwks: JwksSettings): string[] {
  const problems: string[] = [];
  const problem = jwksUrlProblem(jwks.url);
  if (problem) problems.push(`jwks.url: ${problem}`);
  for (const alg of jwks.algorithms ?? []) {
    // A shared secret in a set that anybody can read would let anybody sign.
    if (!ALGORITHMS.includes(alg) || (alg as string) === "HS256") {
      problems.push("jwks.algorithms: of RS256, ES256, EdDSA");
    }
  }
  range(problems, "jwks.cacheTime", jwks.cacheTime, 1_000, 86_400_000);
  range(problems, "jwks.cooldown", jwks.cooldown, 0, 86_400_000);
  range(problems, "jwks.timeout", jwks.timeout, 10, 60_000);
  range(problems, "jwks.maxBytes", jwks.maxBytes, 1_024, 4_194_304);
  return problems;
}

/** Why this key cannot be used, without its secret; `undefined` when it can. */
export function keyProblem(key: KeySettings): string | undefined {
  if (!ALGORITHMS.includes(key.alg)) return `alg: one of ${ALGORITHMS.join(", ")}`;
  if (key.kid !== undefined && !/^.{1,256}$/.test(key.kid)) return "kid: 1 to 256 characters";
  if (key.alg === "HS256") {
    if (typeof key.secret !== "string") return "secret: needed for HS256";
    const bytes = new TextEncoder().encode(key.secret).length;
    return bytes >= MIN_SECRET_BYTES
      ? undefined
      : `secret: at least ${MIN_SECRET_BYTES} bytes for HS256, this one has ${bytes}`;
  }
  if (typeof key.publicKey !== "string") return `publicKey: needed for ${key.alg}`;
  try {
    publicKeyPem(key.alg, key.publicKey);
    return undefined;
  } catch (error) {
    return `publicKey: ${error instanceof Error ? error.message : "not a key"}`;
  }
}

/** `pem` as an SPKI public key in PEM. Throws TypeError when it is none or does not fit `alg`. */
export function publicKeyPem(alg: PublicAlgorithm, pem: string): string {
  if (pem.includes("PRIVATE KEY")) throw new TypeError("a private key; the public key belongs here");
  let key: ReturnType<typeof createPublicKey>;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new TypeError("not a public key or certificate in PEM", { cause });
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (alg === "RS256" && (type !== "rsa" || (details?.modulusLength ?? 0) < 2048)) {
    throw new TypeError("RS256 needs an RSA key of at least 2048 bits");
  }
  if (alg === "ES256" && (type !== "ec" || !/^(prime256v1|p256|P-256)$/.test(details?.namedCurve ?? ""))) {
    throw new TypeError("ES256 needs an EC key on P-256");
  }
  if (alg === "EdDSA" && type !== "ed25519") throw new TypeError("EdDSA needs an Ed25519 key");
  return key.export({ type: "spki", format: "pem" }).toString();
}

function range(problems: string[], name: string, value: number | undefined, min: number, max: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return;
  problems.push(`${name}: a whole number from ${min} to ${max}, not ${value}`);
}

function list(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined || value === "" ? [] : typeof value === "string" ? [value] : [...value];
}
