import assert from "node:assert/strict";
import { SignJWT } from "jose";
import {
  AuthSettingsError,
  createAuthenticator,
  createTokenSigner,
  type KeySettings,
  MAX_TOKEN_LENGTH,
  type SigningKey,
} from "../../src/auth/mod.ts";
import type { Authenticator } from "../../src/session/contract.ts";
import { base64url, compact, NOW, OTHER_SECRET, PAIRS, pemPair, refusal, SECRET } from "./support.ts";

const now = () => NOW;
const HS: KeySettings = { alg: "HS256", secret: SECRET };
const signer = createTokenSigner({ key: { alg: "HS256", secret: SECRET }, now });
const secretBytes = new TextEncoder().encode(SECRET);

function sign(payload: Record<string, unknown>, header: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: "HS256", ...header }).sign(secretBytes);
}

const soon = NOW / 1000 + 60;

for (const alg of ["HS256", "RS256", "ES256", "EdDSA"] as const) {
  Deno.test(`authenticator: a token signed with ${alg} is accepted with its key and refused with another`, async () => {
    const own: SigningKey = alg === "HS256"
      ? { alg, secret: SECRET }
      : { alg, privateKey: PAIRS[alg].privateKey };
    const right: KeySettings = alg === "HS256" ? HS : { alg, publicKey: PAIRS[alg].publicKey };
    const wrong: KeySettings = alg === "HS256"
      ? { alg, secret: OTHER_SECRET }
      : { alg, publicKey: (await pemPair(alg)).publicKey };
    const token = await createTokenSigner({ key: own, now }).sign({ sub: "ann", expiresIn: 60_000 });
    const principal = await createAuthenticator({ keys: [right] }, { now }).verify(token);
    assert.equal(principal.userId, "ann");
    assert.equal(principal.expiresAt, NOW + 60_000);
    await assert.rejects(
      createAuthenticator({ keys: [wrong] }, { now }).verify(token),
      refusal("invalid_token"),
    );
  });
}

Deno.test("authenticator: the authenticator fits what a session asks for", () => {
  const authenticator: Authenticator = createAuthenticator({ keys: [HS] });
  assert.equal(typeof authenticator.verify, "function");
});

Deno.test("authenticator: a header that names Ed25519 is verified with an EdDSA key", async () => {
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]) as CryptoKeyPair;
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey)).toBase64();
  const token = await new SignJWT({ sub: "ann", exp: soon }).setProtectedHeader({ alg: "Ed25519" }).sign(
    pair.privateKey,
  );
  const publicKey = `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----\n`;
  const authenticator = createAuthenticator({ keys: [{ alg: "EdDSA", publicKey }] }, { now });
  assert.equal((await authenticator.verify(token)).userId, "ann");
});

Deno.test("authenticator: a token without a signature is refused", async () => {
  const authenticator = createAuthenticator({ keys: [HS] }, { now });
  for (const alg of ["none", "None", "NONE", ""]) {
    const token = compact({ alg }, { sub: "ann", exp: soon });
    await assert.rejects(authenticator.verify(token), refusal("invalid_token"));
    await assert.rejects(
      authenticator.verify(token.slice(0, token.lastIndexOf(".") + 1)),
      refusal("invalid_token"),
    );
  }
});

Deno.test("authenticator: a public key used as an HS256 secret does not sign anything", async () => {
  const { publicKey } = PAIRS.RS256;
  const token = await new SignJWT({ sub: "eve", exp: soon }).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(publicKey));
  const authenticator = createAuthenticator({ keys: [{ alg: "RS256", publicKey }] }, { now });
  await assert.rejects(authenticator.verify(token), refusal("invalid_token", /no key/));
});

Deno.test("authenticator: a key id chooses the key, and a key without one takes any", async () => {
  const keys: KeySettings[] = [
    { alg: "HS256", kid: "old", secret: SECRET },
    { alg: "HS256", kid: "new", secret: OTHER_SECRET },
  ];
  const authenticator = createAuthenticator({ keys }, { now });
  const token = (kid: string | undefined, secret: string) =>
    createTokenSigner({ key: { alg: "HS256", kid, secret }, now }).sign({ sub: "ann" });
  await authenticator.verify(await token("old", SECRET));
  await authenticator.verify(await token("new", OTHER_SECRET));
  await authenticator.verify(await token(undefined, OTHER_SECRET));
  await assert.rejects(authenticator.verify(await token("old", OTHER_SECRET)), refusal("invalid_token"));
  await assert.rejects(authenticator.verify(await token("third", SECRET)), refusal("invalid_token"));
  const any = createAuthenticator({ keys: [HS] }, { now });
  await any.verify(await token("third", SECRET));
});

Deno.test("authenticator: a token ends at its exp and begins at its nbf, give or take the tolerance", async () => {
  let clock = NOW;
  const authenticator = createAuthenticator({ keys: [HS], clockTolerance: 2_000 }, { now: () => clock });
  const token = await signer.sign({ sub: "ann", expiresIn: 60_000, notBefore: 10_000 });
  const at = (ms: number) => {
    clock = NOW + ms;
    return authenticator.verify(token);
  };
  await assert.rejects(at(1_000), { error: "not_available", retryAfter: 7_000 });
  await assert.rejects(at(7_999), refusal("not_available", /not valid yet/));
  await at(8_000);
  await at(61_999);
  await assert.rejects(at(62_000), refusal("token_expired"));
  await assert.rejects(at(7_999), refusal("not_available", /not valid yet/));
});

Deno.test("authenticator: a remembered token is still held against the clock and costs no second signature check", async () => {
  let clock = NOW;
  const authenticator = createAuthenticator({ keys: [HS] }, { now: () => clock });
  const token = await signer.sign({ sub: "ann", expiresIn: 60_000 });
  const first = await authenticator.verify(token);
  assert.equal(await authenticator.verify(token), first);
  assert.deepEqual(
    { checks: authenticator.status().checks, hits: authenticator.status().hits },
    { checks: 1, hits: 1 },
  );
  clock = NOW + 3_600_000;
  await assert.rejects(authenticator.verify(token), refusal("token_expired"));
  assert.equal(authenticator.status().cached, 0);
});

Deno.test("authenticator: the memory for tokens is bounded and forgets what was unused for longest", async () => {
  const authenticator = createAuthenticator({ keys: [HS], cacheSize: 2 }, { now });
  const [a, b, c] = await Promise.all(["a", "b", "c"].map((sub) => signer.sign({ sub })));
  for (const token of [a!, b!, a!, c!]) await authenticator.verify(token);
  assert.equal(authenticator.status().cached, 2);
  await authenticator.verify(a!);
  assert.equal(authenticator.status().checks, 3);
  await authenticator.verify(b!);
  assert.equal(authenticator.status().checks, 4);
});

Deno.test("authenticator: other settings hold at once, for remembered tokens too, and bad ones change nothing", async () => {
  const authenticator = createAuthenticator({ keys: [HS] }, { now });
  const token = await signer.sign({ sub: "ann" });
  await authenticator.verify(token);
  assert.throws(() => authenticator.reconfigure({ keys: [] }), AuthSettingsError);
  await authenticator.verify(token);
  authenticator.reconfigure({ keys: [HS], audience: "elsewhere" });
  await assert.rejects(authenticator.verify(token), refusal("invalid_token", /aud/));
  authenticator.reconfigure({ keys: [{ alg: "HS256", secret: OTHER_SECRET }] });
  await assert.rejects(authenticator.verify(token), refusal("invalid_token", /signature/));
});

Deno.test("authenticator: issuer and audience are checked when they are set", async () => {
  const authenticator = createAuthenticator({
    keys: [HS],
    issuer: ["https://a", "https://b"],
    audience: "skein",
  }, { now });
  const good = { sub: "ann", exp: soon, iss: "https://b", aud: ["x", "skein"] };
  await authenticator.verify(await sign(good));
  await authenticator.verify(await sign({ ...good, aud: "skein" }));
  const bad: Record<string, unknown>[] = [
    { ...good, iss: "https://c" },
    { ...good, iss: undefined },
    { ...good, iss: ["https://b"] },
    { ...good, aud: "other" },
    { ...good, aud: [] },
    { ...good, aud: undefined },
    { ...good, aud: { skein: 1 } },
  ];
  for (const claims of bad) {
    // Signed as raw JSON: SignJWT itself would refuse some of these.
    await assert.rejects(authenticator.verify(await sign(claims)), refusal("invalid_token", /iss|aud/));
  }
});

Deno.test("authenticator: a token without exp is refused unless the settings allow it", async () => {
  const token = await sign({ sub: "ann" });
  await assert.rejects(
    createAuthenticator({ keys: [HS] }, { now }).verify(token),
    refusal("invalid_token", /exp/),
  );
  const principal = await createAuthenticator({ keys: [HS], requireExpiry: false }, { now }).verify(token);
  assert.equal(principal.expiresAt, Infinity);
});

Deno.test("authenticator: a token that is too long is refused before anything else is done with it", async () => {
  const authenticator = createAuthenticator({ keys: [HS] }, { now });
  const token = await sign({ sub: "ann", exp: soon, filler: "x".repeat(MAX_TOKEN_LENGTH) });
  await assert.rejects(authenticator.verify(token), refusal("invalid_token", /8192/));
  assert.equal(authenticator.status().checks, 0);
});

Deno.test("authenticator: whatever is no token is refused as such", async () => {
  const authenticator = createAuthenticator({ keys: [HS] }, { now });
  const good = await signer.sign({ sub: "ann" });
  const [header, payload, signature] = good.split(".");
  const bad: unknown[] = [
    undefined,
    null,
    7,
    {},
    "",
    ".",
    "..",
    "a.b",
    "a.b.c",
    "a.b.c.d",
    `${good}.`,
    ` ${good}`,
    `${good}\n`,
    `${good}=`,
    `${header}.${payload}.`,
    `${header}..${signature}`,
    `.${payload}.${signature}`,
    `${base64url(new TextEncoder().encode("[]"))}.${payload}.${signature}`,
    `${base64url(new Uint8Array([0xff, 0xfe]))}.${payload}.${signature}`,
    compact({}, { sub: "ann", exp: soon }),
    compact({ alg: 5 }, { sub: "ann", exp: soon }),
    compact({ alg: "HS256", kid: 5 }, { sub: "ann", exp: soon }),
    compact({ alg: "HS256", kid: "k".repeat(300) }, { sub: "ann", exp: soon }),
    compact({ alg: "HS512" }, { sub: "ann", exp: soon }),
    compact(null, { sub: "ann", exp: soon }),
  ];
  for (const token of bad) {
    await assert.rejects(authenticator.verify(token as string), refusal("invalid_token"));
  }
});

Deno.test("authenticator: a token that marks an extension as critical is refused even though its signature holds", async () => {
  const authenticator = createAuthenticator({ keys: [HS] }, { now });
  const header = base64url(new TextEncoder().encode('{"alg":"HS256","crit":["exp"],"exp":1}'));
  const payload = base64url(new TextEncoder().encode(JSON.stringify({ sub: "ann", exp: soon })));
  const key = await crypto.subtle.importKey("raw", secretBytes, { name: "HMAC", hash: "SHA-256" }, false, [
    "sign",
  ]);
  const signed = new TextEncoder().encode(`${header}.${payload}`);
  const signature = base64url(new Uint8Array(await crypto.subtle.sign("HMAC", key, signed)));
  await assert.rejects(
    authenticator.verify(`${header}.${payload}.${signature}`),
    refusal("invalid_token", /extensions/),
  );
});

Deno.test("authenticator: no refusal tells a part of the token", async () => {
  const authenticator = createAuthenticator({ keys: [HS], audience: "skein" }, { now });
  const tokens = [
    await signer.sign({ sub: "very-secret-subject" }),
    await createTokenSigner({ key: { alg: "HS256", secret: OTHER_SECRET } }).sign({
      sub: "very-secret-subject",
    }),
    "very-secret-subject.very-secret-subject.very-secret-subject",
    compact({ alg: "very-secret-subject" }, {}),
  ];
  for (const token of tokens) {
    const error = await authenticator.verify(token).then(() => undefined, (thrown) => thrown as Error);
    assert.ok(error);
    assert.doesNotMatch(`${error.message} ${error.cause ?? ""}`, /secret|subject/);
    for (const part of token.split(".")) assert.ok(!error.message.includes(part));
  }
});
