import assert from "node:assert/strict";
import fc from "fast-check";
import { SignJWT } from "jose";
import { ProtocolError, RIGHTS } from "../../src/protocol/mod.ts";
import { createAuthenticator, type KeySettings } from "../../src/auth/mod.ts";
import { base64url, NOW, OTHER_SECRET, PAIRS, SECRET } from "./support.ts";
import { importPKCS8 } from "jose";

const S = NOW / 1000;
const TOLERANCE = 5;

const privateKeys = {
  "hs-a": new TextEncoder().encode(SECRET),
  "hs-b": new TextEncoder().encode(OTHER_SECRET),
  "es-a": await importPKCS8(PAIRS.ES256.privateKey, "ES256"),
  "ed-a": await importPKCS8(PAIRS.EdDSA.privateKey, "EdDSA"),
};
type KeyName = keyof typeof privateKeys;
const ALG: Record<KeyName, string> = { "hs-a": "HS256", "hs-b": "HS256", "es-a": "ES256", "ed-a": "EdDSA" };
const settingsOf: Record<KeyName, KeySettings> = {
  "hs-a": { alg: "HS256", kid: "hs-a", secret: SECRET },
  "hs-b": { alg: "HS256", kid: "hs-b", secret: OTHER_SECRET },
  "es-a": { alg: "ES256", kid: "es-a", publicKey: PAIRS.ES256.publicKey },
  "ed-a": { alg: "EdDSA", kid: "ed-a", publicKey: PAIRS.EdDSA.publicKey },
};
const keyNames = Object.keys(privateKeys) as KeyName[];

// Each claim comes with what a model thinks of it: the model is written down here, not computed.
const judged = <T>(good: fc.Arbitrary<T>, bad: fc.Arbitrary<unknown>) =>
  fc.oneof(
    { weight: 24, arbitrary: good.map((value) => ({ value: value as unknown, ok: true })) },
    { weight: 1, arbitrary: bad.map((value) => ({ value, ok: false })) },
  );
const absent = fc.constant(undefined);
const printable = (min: number, max: number) =>
  fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
    minLength: min,
    maxLength: max,
  });
const pattern = printable(1, 30).map((text) => text.replaceAll("*", "-") + "*");
const patterns = judged(
  fc.option(fc.array(pattern, { maxLength: 5 }), { nil: undefined }),
  fc.constantFrom<unknown>("chat:*", [7], ["a b"], [""], ["x".repeat(256)], {}, null, ["*********"]),
);

const claims = fc.record({
  sub: judged(printable(1, 128), fc.constantFrom<unknown>("", "a b", "é", 7, null, "x".repeat(129))),
  iss: judged(fc.constantFrom("one", "two"), fc.constantFrom<unknown>("three", ["one"], "", null)),
  aud: judged(
    fc.constantFrom<unknown>("skein", ["skein"], ["x", "skein"]),
    fc.constantFrom<unknown>("x", [], {}, null),
  ),
  channels: patterns,
  subscribe: patterns,
  publish: patterns,
  rights: judged(
    fc.option(fc.array(fc.constantFrom(...RIGHTS, "unknown")), { nil: undefined }),
    fc.constantFrom<unknown>("admin", [1], {}),
  ),
  bot: judged(fc.oneof(absent, printable(1, 64)), fc.constantFrom<unknown>("", "a b", 7, "b".repeat(65))),
  info: judged(
    fc.oneof(absent, fc.dictionary(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), { maxKeys: 5 })),
    fc.constantFrom<unknown>([], "x", { x: "y".repeat(3000) }),
  ),
});
const times = fc.record({
  exp: fc.integer({ min: -100, max: 400 }),
  nbf: fc.option(fc.integer({ min: -400, max: 100 }), { nil: undefined }),
});
const signing = fc.record({
  by: fc.constantFrom(...keyNames),
  kid: fc.oneof({ weight: 5, arbitrary: fc.constant("own") }, {
    weight: 1,
    arbitrary: fc.constantFrom(undefined, "else", "hs-a"),
  }),
  known: fc.subarray(keyNames, { minLength: 2 }),
});
const damage = fc.oneof({ weight: 4, arbitrary: absent }, {
  weight: 1,
  arbitrary: fc.record({
    segment: fc.integer({ min: 0, max: 2 }),
    at: fc.nat(),
    bit: fc.integer({ min: 0, max: 7 }),
  }),
});

function tamper(token: string, how: { segment: number; at: number; bit: number }): string {
  const parts = token.split(".");
  const bytes = Uint8Array.fromBase64(parts[how.segment]!, { alphabet: "base64url" });
  const at = how.at % bytes.length;
  bytes[at] = bytes[at]! ^ (1 << how.bit);
  parts[how.segment] = base64url(bytes);
  return parts.join(".");
}

/**
 * Validates: what becomes of a token is decided by its key, its times and its claims, whatever is damaged, and the same
 * each time.
 */
Deno.test("Feature: quic-transport, Property 49: a token is accepted exactly when its key, times and claims are right, and again when asked again", async () => {
  const seen = { accepted: 0, refused: 0, expired: 0, early: 0 };
  await fc.assert(
    fc.asyncProperty(claims, times, signing, damage, async (claims, times, signing, damage) => {
      const kid = signing.kid === "own" ? signing.by : signing.kid;
      const payload: Record<string, unknown> = { exp: S + times.exp };
      if (times.nbf !== undefined) payload.nbf = S + times.nbf;
      for (const [name, { value }] of Object.entries(claims)) if (value !== undefined) payload[name] = value;
      const header = kid === undefined ? { alg: ALG[signing.by] } : { alg: ALG[signing.by], kid };
      const signed = await new SignJWT(payload).setProtectedHeader(header).sign(privateKeys[signing.by]);
      const token = damage ? tamper(signed, damage) : signed;

      const trusted = !damage && signing.known.includes(signing.by) &&
        (kid === undefined || kid === signing.by);
      const wellFormed = Object.values(claims).every(({ ok }) => ok);
      const begun = times.nbf === undefined || times.nbf <= TOLERANCE;
      const ended = times.exp <= -TOLERANCE;
      const fate = !trusted || !wellFormed ? "refused" : ended ? "expired" : begun ? "accepted" : "early";
      const expected =
        { accepted: "ok", expired: "token_expired", early: "not_available", refused: "invalid_token" }[fate];

      const authenticator = createAuthenticator({
        keys: signing.known.map((name) => settingsOf[name]),
        issuer: ["one", "two"],
        audience: "skein",
      }, { now: () => NOW });
      const outcome = () =>
        authenticator.verify(token).then((principal) => {
          assert.equal(principal.userId, claims.sub.value);
          assert.equal(principal.expiresAt, (S + times.exp) * 1000);
          return "ok";
        }, (error) => {
          assert.ok(error instanceof ProtocolError, String(error));
          return error.error as string;
        });
      assert.equal(await outcome(), expected);
      assert.equal(await outcome(), expected);
      seen[fate]++;
    }),
    { numRuns: 600 },
  );
  // The generator has to reach every outcome, or the property says nothing.
  for (const [outcome, count] of Object.entries(seen)) {
    assert.ok(count > 0, `no token was ${outcome}: ${JSON.stringify(seen)}`);
  }
});

/** Validates: no text makes the check of tokens fail in another way than by a refusal. */
Deno.test("Feature: quic-transport, Property 50: any text as a token is refused with a code of the table", async () => {
  const authenticator = createAuthenticator({ keys: Object.values(settingsOf) }, { now: () => NOW });
  const segment = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.json().map((text) => base64url(new TextEncoder().encode(text))),
    fc.uint8Array({ maxLength: 80 }).map(base64url),
    fc.constantFrom("HS256", "ES256", "EdDSA", "none").map((alg) =>
      base64url(new TextEncoder().encode(JSON.stringify({ alg })))
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(segment, { maxLength: 5 }), async (segments) => {
      const error = await authenticator.verify(segments.join(".")).then(() => undefined, (thrown) => thrown);
      assert.ok(error instanceof ProtocolError && error.error === "invalid_token", String(error));
    }),
    { numRuns: 500 },
  );
});
