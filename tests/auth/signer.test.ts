import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { decodeJwt, decodeProtectedHeader } from "jose";
import {
  AuthSettingsError,
  checkToken,
  createAuthenticator,
  createTokenSigner,
  type SigningKey,
} from "../../src/auth/mod.ts";
import { compact, NOW, OTHER_SECRET, PAIRS, SECRET } from "./support.ts";

const now = () => NOW;
const HS = { alg: "HS256", secret: SECRET } as const;

Deno.test("signer: a signed token says what it was told to, and no more", async () => {
  const signer = createTokenSigner({ key: { ...HS, kid: "k1" }, issuer: "skein", audience: ["a", "b"], now });
  const token = await signer.sign({
    sub: "ann",
    expiresIn: 60_000,
    channels: ["chat:*"],
    rights: ["broadcast"],
  });
  assert.deepEqual(decodeProtectedHeader(token), { alg: "HS256", typ: "JWT", kid: "k1" });
  assert.deepEqual(decodeJwt(token), {
    sub: "ann",
    iss: "skein",
    aud: ["a", "b"],
    iat: NOW / 1000,
    exp: NOW / 1000 + 60,
    channels: ["chat:*"],
    rights: ["broadcast"],
  });
});

Deno.test("signer: every claim a signer writes comes back in the principal", async () => {
  const token = await createTokenSigner({ key: HS, now }).sign({
    sub: "ann",
    subscribe: ["a:*"],
    publish: ["b:*"],
    rights: ["broadcast"],
    bot: "weather",
    info: { name: "Ann" },
  });
  assert.deepEqual(await createAuthenticator({ keys: [HS] }, { now }).verify(token), {
    userId: "ann",
    expiresAt: NOW + 3_600_000,
    issuedAt: NOW,
    subscribe: ["a:*"],
    publish: ["b:*"],
    rights: new Set(["broadcast"]),
    bot: "weather",
    info: { name: "Ann" },
  });
});

Deno.test("signer: a signer makes no token that would be refused", async () => {
  const signer = createTokenSigner({ key: HS, now });
  await assert.rejects(signer.sign({ sub: "a b" }), /^TypeError: sub/);
  await assert.rejects(signer.sign({ sub: "ann", channels: ["a b"] }), /^TypeError: channels/);
  await assert.rejects(signer.sign({ sub: "ann", expiresIn: NaN }), /^TypeError: expiresIn/);
  const channels = Array.from({ length: 128 }, (_, i) => `a:${i}`.padEnd(100, "x"));
  await assert.rejects(signer.sign({ sub: "ann", channels }), /8192/);
});

Deno.test("signer: a signing key has to be one, and fit its algorithm", () => {
  const bad: SigningKey[] = [
    { alg: "HS256", secret: "short" },
    { alg: "ES256", privateKey: PAIRS.ES256.publicKey },
    { alg: "ES256", privateKey: PAIRS.RS256.privateKey },
    { alg: "RS256", privateKey: "nothing" },
  ];
  for (const key of bad) assert.throws(() => createTokenSigner({ key }), AuthSettingsError);
});

Deno.test("signer: an EC key in the older PEM form signs too", async () => {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const privateKey = pair.privateKey.export({ type: "sec1", format: "pem" }).toString();
  const publicKey = pair.publicKey.export({ type: "spki", format: "pem" }).toString();
  const token = await createTokenSigner({ key: { alg: "ES256", privateKey }, now }).sign({ sub: "ann" });
  const authenticator = createAuthenticator({ keys: [{ alg: "ES256", publicKey }] }, { now });
  assert.equal((await authenticator.verify(token)).userId, "ann");
});

Deno.test("signer: an accepted token is explained with its claims and no problem", async () => {
  const token = await createTokenSigner({ key: HS, now }).sign({ sub: "ann" });
  const report = await checkToken(token, { keys: [HS] }, { now });
  assert.equal(report.accepted, true);
  assert.equal(report.principal?.userId, "ann");
  assert.equal(report.claims?.sub, "ann");
  assert.deepEqual(report.problems, []);
});

Deno.test("signer: a refused token is explained with everything that speaks against it", async () => {
  const key = { alg: "HS256", kid: "old", secret: OTHER_SECRET } as const;
  const token = await createTokenSigner({ key, issuer: "elsewhere", now: () => NOW - 86_400_000 }).sign({
    sub: "ann",
  });
  const report = await checkToken(token, {
    keys: [{ ...HS, kid: "new" }],
    issuer: "skein",
    audience: "skein",
  }, { now });
  assert.equal(report.accepted, false);
  assert.equal(report.error, "invalid_token");
  assert.deepEqual(report.header, { alg: "HS256", kid: "old" });
  const text = report.problems.join("\n");
  for (const word of [/no key/, /kid:.*"old".*new/, /^iss:/m, /^aud:/m]) assert.match(text, word);
});

Deno.test("signer: an expired token is explained with the time it ended", async () => {
  const token = await createTokenSigner({ key: HS, now: () => NOW - 86_400_000 }).sign({ sub: "ann" });
  const report = await checkToken(token, { keys: [HS] }, { now });
  assert.equal(report.error, "token_expired");
  assert.match(report.problems.join("\n"), /ended at 2025-12-31T01:00:00.000Z/);
});

Deno.test("signer: an algorithm without a key, and what is no token, are explained", async () => {
  const report = await checkToken(compact({ alg: "none" }, { sub: "ann" }), { keys: [HS] }, { now });
  assert.match(report.problems.join("\n"), /the token says none, there are keys for HS256/);
  const garbage = await checkToken("garbage", { keys: [HS] }, { now });
  assert.deepEqual([garbage.accepted, garbage.error, garbage.header], [false, "invalid_token", undefined]);
});
