import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import {
  authProblems,
  type AuthSettings,
  AuthSettingsError,
  createAuthenticator,
  createTokenSigner,
} from "../../src/auth/mod.ts";
import { makeCertificate } from "../support/certificate.ts";
import { PAIRS, SECRET } from "./support.ts";

const HS = { alg: "HS256", secret: SECRET } as const;

function problems(settings: unknown): string {
  return authProblems(settings as AuthSettings).join("\n");
}

Deno.test("auth settings: settings without any key are refused", () => {
  assert.match(problems({ keys: [] }), /at least one key/);
  assert.equal(problems({ keys: [HS] }), "");
  assert.equal(problems({ keys: [], jwks: { url: "https://id.example/jwks" } }), "");
});

Deno.test("auth settings: an HS256 secret has at least 32 bytes, and is not told", () => {
  const secret = "thirty-one bytes: one too few..";
  assert.match(
    problems({ keys: [HS, { alg: "HS256", secret }] }),
    /^keys\[1\]: secret: at least 32 bytes.*has 31$/,
  );
  assert.equal(problems({ keys: [{ alg: "HS256", secret: "ü".repeat(16) }] }), "");
  assert.throws(
    () => createAuthenticator({ keys: [{ alg: "HS256", secret }] }),
    (error) => error instanceof AuthSettingsError && !error.message.includes(secret),
  );
});

Deno.test("auth settings: a public key has to fit its algorithm", () => {
  const { RS256, ES256, EdDSA } = PAIRS;
  assert.equal(problems({ keys: [{ alg: "RS256", publicKey: RS256.publicKey }] }), "");
  assert.match(problems({ keys: [{ alg: "RS256", publicKey: ES256.publicKey }] }), /RS256 needs an RSA key/);
  assert.match(problems({ keys: [{ alg: "ES256", publicKey: EdDSA.publicKey }] }), /P-256/);
  assert.match(problems({ keys: [{ alg: "EdDSA", publicKey: RS256.publicKey }] }), /Ed25519/);
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey.export({
    type: "spki",
    format: "pem",
  });
  assert.match(problems({ keys: [{ alg: "ES256", publicKey: p384 }] }), /P-256/);
  const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({
    type: "spki",
    format: "pem",
  });
  assert.match(problems({ keys: [{ alg: "RS256", publicKey: weak }] }), /2048/);
});

Deno.test("auth settings: a certificate stands for the public key in it", async () => {
  const { cert, key } = await makeCertificate();
  const token = await createTokenSigner({ key: { alg: "ES256", privateKey: key } }).sign({ sub: "ann" });
  const authenticator = createAuthenticator({ keys: [{ alg: "ES256", publicKey: cert }] });
  assert.equal((await authenticator.verify(token)).userId, "ann");
});

Deno.test("auth settings: a private key, or no key at all, is refused where a public key belongs", () => {
  assert.match(problems({ keys: [{ alg: "ES256", publicKey: PAIRS.ES256.privateKey }] }), /private key/);
  assert.match(problems({ keys: [{ alg: "ES256", publicKey: "certs/key.pem" }] }), /not a public key/);
  assert.match(problems({ keys: [{ alg: "ES256" }] }), /needed/);
  assert.match(problems({ keys: [{ alg: "HS256" }] }), /needed/);
  assert.match(problems({ keys: [{ alg: "none", secret: SECRET }] }), /alg/);
});

Deno.test("auth settings: keys come over TLS, or from this machine", () => {
  const from = (url: string) => authProblems({ keys: [], jwks: { url } }).join();
  for (const host of ["localhost", "localhost:8080", "127.0.0.1", "127.9.8.7:1", "[::1]:443", "LOCALHOST"]) {
    assert.equal(from(`http://${host}/keys`), "", host);
  }
  assert.equal(from("https://keys.example/"), "");
  for (
    const host of [
      "keys.example",
      "10.0.0.1",
      "localhost.example",
      "127.0.0.1.example",
      "127.0.0.1@a.example",
    ]
  ) assert.match(from(`http://${host}/keys`), /^jwks\.url: plain http/, host);
  for (const url of ["ftp://localhost/", "file:///etc/keys", "keys"]) assert.match(from(url), /an https URL/);
});

Deno.test("auth settings: values out of range are named, all of them", () => {
  const settings = {
    keys: Array(17).fill(HS),
    jwks: {
      url: "file:///etc/keys",
      algorithms: ["HS256"],
      timeout: 0,
      maxBytes: 1,
      cacheTime: 0.5,
      cooldown: -1,
    },
    clockTolerance: -1,
    cacheSize: NaN,
    defaultChannels: ["a b"],
    defaultRights: ["fly"],
  };
  const text = problems(settings);
  for (
    const name of [
      "keys: at most 16",
      "jwks.url",
      "jwks.algorithms",
      "jwks.timeout",
      "jwks.maxBytes",
      "jwks.cacheTime",
      "jwks.cooldown",
      "clockTolerance",
      "cacheSize",
      "defaultChannels[0]",
      "defaultRights[0]",
    ]
  ) assert.ok(text.includes(name), `${name} in ${text}`);
});
