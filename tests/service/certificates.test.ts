import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import {
  CertificateError,
  coversHost,
  DEVELOPMENT_LIFETIME,
  developmentCertificate,
  developmentPaths,
  loadCertificate,
  makeDevelopmentCertificate,
  MAX_HASH_LIFETIME,
  parseCertificate,
} from "../../src/service/certificates/mod.ts";
import { makeCertificate } from "../support/certificate.ts";

const DAY = 86_400_000;

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-certificates-" });
  try {
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("certificates: a certificate is described by its names, its dates and the hash of its DER form", async () => {
  const made = await makeCertificate({ names: ["skein.example", "192.0.2.1", "2001:db8::1"] });
  const certificate = parseCertificate(made.cert, made.key);
  assert.deepEqual(certificate.names, ["skein.example", "192.0.2.1", "2001:db8::1"]);
  assert.deepEqual(certificate.hash, made.hash);
  assert.equal(certificate.hashUsable, true);
  assert.equal(certificate.notAfter - certificate.notBefore, 10 * DAY);
  assert.deepEqual(certificate.warnings, []);
});

Deno.test("certificates: a certificate of more than 14 days is served, but not by its hash", async () => {
  for (const [days, usable] of [[14, true], [15, false]] as const) {
    const made = await makeCertificate({ days });
    assert.equal(parseCertificate(made.cert, made.key).hashUsable, usable);
  }
});

Deno.test("certificates: a key that belongs to another certificate is refused by both names", async () => {
  const [own, other] = await Promise.all([makeCertificate(), makeCertificate()]);
  assert.throws(
    () => parseCertificate(own.cert, other.key, { certName: "a.pem", keyName: "b.pem" }),
    (error) => error instanceof CertificateError && error.message === "b.pem does not belong to a.pem",
  );
});

Deno.test("certificates: an expired certificate and one that is not valid yet are refused with the date", async () => {
  const begin = Date.UTC(2026, 0, 1);
  const made = await makeCertificate({ notBefore: begin, days: 10 });
  const at = (now: number) => () => parseCertificate(made.cert, made.key, { now });
  assert.throws(at(begin - 1), /not valid before 2026-01-01T00:00:00.000Z/);
  at(begin)();
  at(begin + 10 * DAY - 1)();
  assert.throws(at(begin + 10 * DAY), /expired at 2026-01-11T00:00:00.000Z/);
});

Deno.test("certificates: a chain is read leaf first, and one in the wrong order is served with a warning", async () => {
  const [leaf, other] = await Promise.all([makeCertificate(), makeCertificate()]);
  const stranger = await makeDevelopmentCertificate(["other.example"]);
  assert.deepEqual(parseCertificate(`a comment\n${leaf.cert}\n${other.cert}`, leaf.key).warnings, []);
  const odd = parseCertificate(`${leaf.cert}\n${stranger.cert}`, leaf.key, { certName: "chain.pem" });
  assert.deepEqual(odd.warnings, ["certificate 2 of chain.pem is not the issuer of the one before it"]);
  assert.equal(odd.cert.match(/BEGIN CERTIFICATE/g)?.length, 2);
  assert.throws(() => parseCertificate(`${stranger.cert}\n${leaf.cert}`, leaf.key), /does not belong/);
});

Deno.test("certificates: anything but a certificate and a usable key is refused in one line", async () => {
  const { cert, key } = await makeCertificate();
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
  const encrypted = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
    .export({ type: "pkcs8", format: "pem" }).toString().replaceAll("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
  const cases: [string, string, RegExp][] = [
    ["", key, /^certificate holds no certificate in PEM$/],
    [key, key, /^certificate holds no certificate/],
    [broken, key, /^certificate cannot be read$/],
    [`${cert}\n${broken}`, key, /^certificate 2 of certificate cannot be read$/],
    [cert, "", /^key holds no private key in PEM$/],
    [cert, cert, /^key holds no private key/],
    [cert, encrypted, /^key is encrypted/],
    [
      cert,
      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
      /cannot be read as a private key$/,
    ],
  ];
  for (const [badCert, badKey, message] of cases) {
    assert.throws(() => parseCertificate(badCert, badKey), (error) => {
      assert.ok(error instanceof CertificateError);
      assert.match(error.message, message);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  }
});

Deno.test("certificates: a certificate is loaded from files and from PEM given inline, and a missing file is named", async () => {
  const { cert, key, hash } = await makeCertificate();
  await withDirectory(async (directory) => {
    const paths = { cert: join(directory, "tls.crt"), key: join(directory, "tls.key") };
    await assert.rejects(loadCertificate(paths), /tls\.(crt|key): no such file$/);
    await Deno.writeTextFile(paths.cert, cert);
    await Deno.writeTextFile(paths.key, key);
    assert.deepEqual((await loadCertificate(paths)).hash, hash);
    assert.deepEqual((await loadCertificate({ cert, key: paths.key })).hash, hash);
    await assert.rejects(loadCertificate({ cert: directory, key }), /a directory, not a file/);
  });
  assert.deepEqual((await loadCertificate({ cert, key })).hash, hash);
});

Deno.test("certificates: host names match the names of a certificate, with a star for one label", () => {
  const names = ["skein.example", "*.app.example", "::1"];
  for (const host of ["skein.example", "SKEIN.example", "a.app.example", "::1"]) {
    assert.ok(coversHost(names, host));
  }
  for (const host of ["example", "a.skein.example", "app.example", "a.b.app.example", "::2", ""]) {
    assert.ok(!coversHost(names, host), host);
  }
});

Deno.test("certificates: the development certificate may be used by its hash, for 13 days, under local and configured names", async () => {
  await withDirectory(async (directory) => {
    const { certificate, made } = await developmentCertificate({
      directory,
      names: ["dev.example", "192.0.2.7"],
    });
    assert.equal(made, true);
    assert.deepEqual(certificate.names, ["localhost", "127.0.0.1", "::1", "dev.example", "192.0.2.7"]);
    assert.equal(certificate.hashUsable, true);
    assert.equal(certificate.notAfter - certificate.notBefore, DEVELOPMENT_LIFETIME);
    assert.ok(DEVELOPMENT_LIFETIME < MAX_HASH_LIFETIME);
    const der = certificate.cert.replaceAll(/-----[^-]+-----|\s/g, "");
    assert.deepEqual(certificate.hash, new Uint8Array(createHash("sha256").update(der, "base64").digest()));
  });
});

Deno.test("certificates: the development key is readable by its owner only and nothing else is left in the directory", async () => {
  await withDirectory(async (root) => {
    const directory = join(root, "made", "here");
    await developmentCertificate({ directory });
    const { key } = developmentPaths(directory);
    assert.equal((await Deno.stat(key)).mode! & 0o777, 0o600);
    const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
    assert.deepEqual(names, ["dev-cert.pem", "dev-key.pem"]);
  });
});

Deno.test("certificates: the development certificate is kept while it has more than two days, and made anew after", async () => {
  await withDirectory(async (directory) => {
    const start = Date.now();
    const first = (await developmentCertificate({ directory }, start)).certificate;
    const again = async (now: number) => (await developmentCertificate({ directory }, now)).certificate.hash;
    assert.deepEqual(await again(start + DAY), first.hash);
    assert.deepEqual(await again(first.notAfter - 2 * DAY - 1), first.hash);
    const next = await developmentCertificate({ directory }, first.notAfter - 2 * DAY);
    assert.notDeepEqual(next.certificate.hash, first.hash);
    assert.equal(next.certificate.notAfter, next.certificate.notBefore + DEVELOPMENT_LIFETIME);
    // A clock set back before its beginning makes it unusable as well.
    assert.notDeepEqual(await again(start - DAY), next.certificate.hash);
  });
});

Deno.test("certificates: a development certificate that lacks a name, its key, or its integrity is made anew", async () => {
  await withDirectory(async (directory) => {
    const make = async (names: string[] = []) =>
      (await developmentCertificate({ directory, names })).certificate.hash;
    const paths = developmentPaths(directory);
    const first = await make();
    const named = await make(["dev.example"]);
    assert.notDeepEqual(named, first);
    assert.deepEqual(await make(), named);
    await Deno.remove(paths.key);
    const keyless = await make();
    assert.notDeepEqual(keyless, named);
    await Deno.writeTextFile(paths.cert, "garbage");
    const repaired = await make();
    assert.notDeepEqual(repaired, keyless);
    const { cert, key } = await makeCertificate({ days: 30 });
    await Deno.writeTextFile(paths.cert, cert);
    await Deno.writeTextFile(paths.key, key);
    assert.equal((await developmentCertificate({ directory })).certificate.hashUsable, true);
  });
});

Deno.test("certificates: a directory that cannot be written leaves the development certificate in memory and says why", async () => {
  await withDirectory(async (root) => {
    const directory = join(root, "a-file");
    await Deno.writeTextFile(directory, "");
    const result = await developmentCertificate({ directory });
    assert.equal(result.made, true);
    assert.ok(result.notKept);
    assert.equal(result.certificate.hashUsable, true);
    const again = await developmentCertificate({ directory }, Date.now(), result.certificate);
    assert.equal(again.made, false);
    assert.deepEqual(again.certificate.hash, result.certificate.hash);
  });
});

Deno.test("certificates: reading certificates loads nothing that only making them needs", async () => {
  const program = `
    import { developmentCertificate, loadCertificate } from "${
    import.meta.resolve("../../src/service/certificates/mod.ts")
  }";
    const [directory] = Deno.args;
    await loadCertificate({ cert: directory + "/dev-cert.pem", key: directory + "/dev-key.pem" });
    const { made } = await developmentCertificate({ directory });
    console.log(JSON.stringify({ made, metadata: "getMetadata" in Reflect }));
  `;
  await withDirectory(async (directory) => {
    await developmentCertificate({ directory });
    const file = join(directory, "program.ts");
    await Deno.writeTextFile(file, program);
    const config = decodeURIComponent(new URL("../../deno.json", import.meta.url).pathname);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-check",
        "--no-prompt",
        "--allow-read",
        "--allow-write",
        `--config=${config}`,
        file,
        directory,
      ],
    }).output();
    const answer = JSON.parse(new TextDecoder().decode(stdout) || `"${new TextDecoder().decode(stderr)}"`);
    assert.deepEqual(answer, { made: false, metadata: false });
  });
});
