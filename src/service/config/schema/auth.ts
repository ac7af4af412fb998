/**
 * Settings of tokens: which keys sign them, what their claims must be, what they grant when they do not say.
 *
 * @module
 */

import * as v from "valibot";
import { RIGHTS } from "../../../protocol/principal.ts";
import { about, choice, duration, flag, list, material, text, url } from "../setting.ts";

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
    material("a public key (SPKI) or certificate", "RS256, ES256, EdDSA: the public key."),
  ),
});

/** `auth`: who may come in. */
export const auth = v.strictObject({
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
