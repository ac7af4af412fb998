/**
 * The section `auth` of the configuration: keys, required claims, and the rights of tokens that name none.
 *
 * @module
 */

import * as v from "valibot";
import { jwksUrlProblem } from "../../auth/jwks_url.ts";
import type { AuthSettings, KeySettings } from "../../auth/mod.ts";
import { RIGHTS } from "../../protocol/principal.ts";
import { asProblem, readMaterial, readSecret } from "../config/material.ts";
import type { Problem } from "../config/problem.ts";
import type { NodeConfig } from "../process/settings.ts";
import type { Rule, Values } from "../config/section.ts";
import { about, choice, duration, flag, list, material as pem, text, url } from "../config/setting.ts";

/** Algorithms whose verifying key is public. */
const PUBLIC_ALGORITHMS = ["RS256", "ES256", "EdDSA"] as const;
/** Signature algorithms that tokens may use. */
const ALGORITHMS = ["HS256", ...PUBLIC_ALGORITHMS] as const;

/** One text or several; a list in either case once it is read. */
function names(allowed: string, doc: string) {
  const one = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));
  return about(
    v.pipe(
      v.union([v.array(one), one]),
      v.transform((given): string[] => typeof given === "string" ? [given] : given),
    ),
    "list",
    allowed,
    doc,
  );
}

const key = v.strictObject({
  alg: choice(ALGORITHMS, "Algorithm of the tokens signed with this key; others are not accepted for it."),
  kid: v.exactOptional(
    text("a key id", "Key id: tokens that name another `kid` are not tried with this key."),
  ),
  secret: v.exactOptional(text("32 bytes of text or more", "HS256: the shared secret.", { secret: true })),
  secretFile: v.exactOptional(
    text("a path", "HS256: file with the shared secret; white space around it is not part of it."),
  ),
  publicKey: v.exactOptional(
    pem("a public key (SPKI) or certificate", "RS256, ES256, EdDSA: the public key."),
  ),
});

/** `auth`: who may come in. */
const auth = v.strictObject({
  keys: v.optional(
    about(
      v.pipe(v.array(key), v.maxLength(16)),
      "json",
      'a list of at most 16 keys such as [{"alg": "HS256", "secret": "..."}]',
      "Keys that tokens may be signed with.",
    ),
    [],
  ),
  jwks: v.optional(
    v.nullable(v.strictObject({
      url: url(
        ["https", "http"],
        "Where the key set (JWKS) is fetched. Plain `http` only to this machine: `localhost`, `127.0.0.0/8`, `[::1]`.",
      ),
      cacheTime: v.optional(
        duration(
          1000,
          86_400_000,
          "How long a fetched key set is used; the last good one stays in use while fetching fails.",
        ),
        "10m",
      ),
      timeout: v.optional(duration(10, 60_000, "Time one fetch may take."), "5s"),
      algorithms: v.optional(
        about(
          v.pipe(v.array(v.picklist(PUBLIC_ALGORITHMS)), v.minLength(1)),
          "list",
          `a list of ${PUBLIC_ALGORITHMS.map((alg) => `"${alg}"`).join(", ")}`,
          "Algorithms the set's keys may be used for.",
        ),
        [...PUBLIC_ALGORITHMS],
      ),
      cooldown: v.optional(
        duration(
          0,
          3_600_000,
          "Least time between two fetches, however many tokens with unknown key ids come.",
        ),
        "30s",
      ),
    })),
    null,
  ),
  issuer: v.optional(
    names(
      "a text or a list of texts",
      "Tokens must have one of these as their `iss` claim; empty: not checked.",
    ),
    [],
  ),
  audience: v.optional(
    names(
      "a text or a list of texts",
      "Tokens must have one of these in their `aud` claim; empty: not checked.",
    ),
    [],
  ),
  clockTolerance: v.optional(
    duration(
      0,
      300_000,
      "How far clocks may disagree when `exp` and `nbf` are checked. `iat` is not checked.",
    ),
    "5s",
  ),
  requireExpiry: v.optional(flag("Refuse tokens without an `exp` claim."), true),
  defaultChannels: v.optional(
    list(
      'a list of channel patterns such as ["chat:*"]',
      "Channels that tokens with none of the claims `channels`, `subscribe` and `publish` may subscribe and publish to; `*` is any run of characters.",
    ),
    ["chat:*", "doc:*", "bot:*"],
  ),
  defaultRights: v.optional(
    about(
      v.array(v.picklist(RIGHTS)),
      "list",
      `a list of ${RIGHTS.map((right) => `"${right}"`).join(", ")}`,
      "Rights of tokens without a `rights` claim.",
    ),
    ["client_list", "direct_message"],
  ),
});

/** What a configuration may hold. */
export const section = { auth: v.optional(auth, {}) };

/** What the configuration holds of it. */
export type TokenConfig = Values<typeof section>;

/** RFC 7518 §3.2: an HMAC key is at least as long as the hash. */
const SECRET_BYTES = 32;

const keysFit: Rule<TokenConfig> = ({ auth }, report) => {
  auth.keys.forEach((key, index) => {
    const at = `auth.keys.${index}`;
    if (key.alg === "HS256") {
      if ((key.secret === undefined) === (key.secretFile === undefined)) {
        report(at, "must have secret or secretFile, and not both, for HS256");
      } else if (key.secret !== undefined && new TextEncoder().encode(key.secret).length < SECRET_BYTES) {
        report(`${at}.secret`, `<redacted> is too short; must be ${SECRET_BYTES} bytes or more`);
      }
      if (key.publicKey !== undefined) report(`${at}.publicKey`, "not allowed for HS256, which has a secret");
    } else {
      if (key.publicKey === undefined) report(at, `must have publicKey for ${key.alg}`);
      if (key.secret !== undefined || key.secretFile !== undefined) {
        report(at, `secret and secretFile are not allowed for ${key.alg}, which has a publicKey`);
      }
    }
  });
  const problem = auth.jwks === null ? undefined : jwksUrlProblem(auth.jwks.url);
  if (problem !== undefined) report("auth.jwks.url", problem);
};

/** What must hold between settings. */
export const rules: readonly Rule<TokenConfig & NodeConfig>[] = [
  keysFit,
  ({ env, auth }, report) => {
    if (env !== "production" || auth.keys.length > 0 || auth.jwks !== null) return;
    report("auth.keys", "no keys; production must have auth.keys or auth.jwks", "auth.jwks", "env");
  },
];

/** What is wrong with the keys and the files they are in. */
export async function material(config: TokenConfig): Promise<readonly Problem[]> {
  if (config.auth.keys.length === 0 && config.auth.jwks === null) return [];
  const { authProblems } = await import("../../auth/mod.ts");
  try {
    return authProblems(await toAuthSettings(config)).map((line) => {
      const colon = line.indexOf(": ");
      const place = line.slice(0, colon).replaceAll(/\[(\d+)\]/g, ".$1");
      return { key: `auth.${place}`, message: line.slice(colon + 2), where: "" };
    });
  } catch (error) {
    return [asProblem(error, "auth.keys")];
  }
}

/**
 * The settings of token checks, with keys read from their files. In development mode without keys the list is empty,
 * and the caller adds a key. Rejects with MaterialError for a file that cannot be read.
 */
export async function toAuthSettings(config: TokenConfig): Promise<AuthSettings> {
  const { auth } = config;
  const keys = await Promise.all(auth.keys.map(async (key, index): Promise<KeySettings> => {
    const at = `auth.keys.${index}`, kid = key.kid;
    if (key.alg === "HS256") {
      const secret = key.secret ?? await readSecret(key.secretFile ?? "", `${at}.secretFile`);
      return { alg: key.alg, kid, secret };
    }
    return { alg: key.alg, kid, publicKey: await readMaterial(key.publicKey ?? "", `${at}.publicKey`) };
  }));
  const { jwks } = auth;
  return {
    keys,
    jwks: jwks === null ? undefined : {
      url: jwks.url,
      algorithms: jwks.algorithms,
      cacheTime: jwks.cacheTime,
      cooldown: jwks.cooldown,
      timeout: jwks.timeout,
    },
    issuer: auth.issuer,
    audience: auth.audience,
    clockTolerance: auth.clockTolerance,
    requireExpiry: auth.requireExpiry,
    defaultChannels: auth.defaultChannels,
    defaultRights: auth.defaultRights,
  };
}

/**
 * Whether the service makes tokens itself (`POST /dev/token`), with a secret that is lost when it ends: only in
 * development mode, and only while no keys are configured.
 */
export function makesTokens(config: TokenConfig & NodeConfig): boolean {
  return config.env === "development" && config.auth.keys.length === 0 && config.auth.jwks === null;
}
