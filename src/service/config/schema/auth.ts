/**
 * Settings of tokens: which keys sign them, what their claims must be, what they grant when they do not say.
 *
 * @module
 */

import * as v from "valibot";
import { RIGHTS } from "../../../protocol/principal.ts";
import { about, choice, duration, flag, list, material, text, url } from "../setting.ts";

/** Signature algorithms that tokens may use. */
export const ALGORITHMS = ["HS256", "RS256", "ES256", "EdDSA"] as const;

const key = v.strictObject({
  alg: choice(ALGORITHMS, "Algorithm of the tokens signed with this key; others are not accepted for it."),
  kid: v.exactOptional(
    text("a key id", "Key id: tokens whose header has a `kid` are checked with the key of that name."),
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
      v.pipe(v.array(key), v.maxLength(64)),
      "json",
      'a list of at most 64 keys such as [{"alg": "HS256", "secret": "..."}]',
      "Keys that tokens may be signed with.",
    ),
    [],
  ),
  jwks: v.optional(
    v.nullable(v.strictObject({
      url: url(
        ["https", "http"],
        "Where the key set (JWKS) is fetched. Plain `http` only to this machine, outside development mode.",
      ),
      cacheTime: v.optional(
        duration(
          1000,
          7 * 86_400_000,
          "How long a fetched key set is used; the last good one stays in use while fetching fails.",
        ),
        "10m",
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
    v.nullable(text("the text of the claim", "Tokens must have this `iss` claim.")),
    null,
  ),
  audience: v.optional(
    v.nullable(text("the text of the claim", "Tokens must have this `aud` claim, or have it among several.")),
    null,
  ),
  clockTolerance: v.optional(
    duration(0, 600_000, "How far clocks may disagree when `exp`, `nbf` and `iat` are checked."),
    "5s",
  ),
  requireExpiry: v.optional(flag("Refuse tokens without an `exp` claim."), true),
  defaultChannels: v.optional(
    list(
      'a list of channel patterns such as ["chat:*"]',
      "Channels that tokens without a `channels` claim may subscribe and publish to; `*` is any run of characters.",
    ),
    ["*"],
  ),
  defaultRights: v.optional(
    about(
      v.array(v.picklist(RIGHTS)),
      "list",
      `a list of ${RIGHTS.map((right) => `"${right}"`).join(", ")}`,
      "Rights of tokens without a `rights` claim.",
    ),
    [],
  ),
});
