import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type Certificate,
  CertificateError,
  type CertificateSettings,
  CertificateSource,
  type CertificateSourceOptions,
  developmentPaths,
} from "../../src/service/certificates/mod.ts";
import { makeCertificate, type TestCertificate } from "../support/certificate.ts";

const DAY = 86_400_000;
/** How long a test waits for something that has to happen. */
const PATIENCE = 15_000;

/** What a source has told, and a way to wait for more. */
class Told {
  readonly changes: Certificate[] = [];
  readonly errors: string[] = [];
  readonly warnings: string[] = [];
  #wake = Promise.withResolvers<void>();

  readonly options: CertificateSourceOptions = {
    quiet: 20,
    poll: 50,
    onChange: (certificate) => this.#note(() => this.changes.push(certificate)),
    onError: (error) => this.#note(() => this.errors.push(error.message)),
    onWarning: (message) => this.#note(() => this.warnings.push(message)),
  };

  #note(note: () => void): void {
    note();
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async until(done: () => boolean): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`waited in vain; told ${JSON.stringify(this)}`)), PATIENCE);
    });
    try {
      while (!done()) await Promise.race([this.#wake.promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function withSource(
  prepare: (directory: string) => CertificateSettings | Promise<CertificateSettings>,
  body: (source: CertificateSource, told: Told, directory: string) => Promise<void>,
  options: CertificateSourceOptions = {},
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-source-" });
  const told = new Told();
  let source: CertificateSource | undefined;
  try {
    source = await CertificateSource.open(await prepare(directory), { ...told.options, ...options });
    await body(source, told, directory);
  } finally {
    await source?.close();
    await Deno.remove(directory, { recursive: true });
  }
}

async function write(directory: string, { cert, key }: TestCertificate): Promise<CertificateSettings> {
  const paths = { cert: join(directory, "tls.crt"), key: join(directory, "tls.key") };
  await Deno.writeTextFile(paths.cert, cert);
  await Deno.writeTextFile(paths.key, key);
  return paths;
}

async function replace(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(`${path}.new`, text);
  await Deno.rename(`${path}.new`, path);
}

const hashes = (certificates: readonly Certificate[]) => certificates.map(({ hash }) => hash.toHex());

Deno.test("certificates: a certificate that is written over is served without a restart", async () => {
  const [first, second] = await Promise.all([makeCertificate(), makeCertificate()]);
  await withSource((directory) => write(directory, first), async (source, told, directory) => {
    assert.deepEqual(source.current.hash, first.hash);
    await write(directory, second);
    await told.until(() => source.current.hash.toHex() === second.hash.toHex());
    assert.deepEqual(hashes(told.changes), [second.hash.toHex()]);
  });
});

Deno.test("certificates: a certificate that is replaced by renames is served, again and again", async () => {
  const made = await Promise.all(Array.from({ length: 4 }, () => makeCertificate()));
  await withSource((directory) => write(directory, made[0]!), async (source, told, directory) => {
    for (const { cert, key, hash } of made.slice(1)) {
      await replace(join(directory, "tls.key"), key);
      await replace(join(directory, "tls.crt"), cert);
      await told.until(() => source.current.hash.toHex() === hash.toHex());
    }
    assert.deepEqual(hashes(told.changes), made.slice(1).map(({ hash }) => hash.toHex()));
  });
});

Deno.test("certificates: a certificate behind the symbolic links of a Kubernetes volume follows their swap", async () => {
  const [first, second] = await Promise.all([makeCertificate(), makeCertificate()]);
  const prepare = async (directory: string) => {
    await Deno.mkdir(join(directory, "..1"));
    await write(join(directory, "..1"), first);
    await Deno.symlink("..1", join(directory, "..data"));
    await Deno.symlink("..data/tls.crt", join(directory, "tls.crt"));
    await Deno.symlink("..data/tls.key", join(directory, "tls.key"));
    return { cert: join(directory, "tls.crt"), key: join(directory, "tls.key") };
  };
  await withSource(prepare, async (source, told, directory) => {
    await Deno.mkdir(join(directory, "..2"));
    await write(join(directory, "..2"), second);
    await Deno.symlink("..2", join(directory, "..data_tmp"));
    await Deno.rename(join(directory, "..data_tmp"), join(directory, "..data"));
    await Deno.remove(join(directory, "..1"), { recursive: true });
    await told.until(() => source.current.hash.toHex() === second.hash.toHex());
    assert.deepEqual(told.errors, []);
  });
});

Deno.test("certificates: a bad new certificate is reported and the last good one stays, until a good one comes", async () => {
  const [first, second] = await Promise.all([makeCertificate(), makeCertificate()]);
  await withSource((directory) => write(directory, first), async (source, told, directory) => {
    await Deno.writeTextFile(join(directory, "tls.crt"), "garbage");
    await told.until(() => told.errors.length > 0);
    assert.match(told.errors[0]!, /tls\.crt holds no certificate/);
    assert.deepEqual(source.current.hash, first.hash);
    await Deno.writeTextFile(join(directory, "tls.crt"), second.cert);
    await told.until(() =>
      told.errors.some((message) => /tls\.key does not belong to .*tls\.crt/.test(message))
    );
    assert.deepEqual(source.current.hash, first.hash);
    await Deno.writeTextFile(join(directory, "tls.key"), second.key);
    await told.until(() => source.current.hash.toHex() === second.hash.toHex());
    assert.deepEqual(hashes(told.changes), [second.hash.toHex()]);
  });
});

Deno.test("certificates: a source does not open on a bad certificate, and leaves nothing behind", async () => {
  await assert.rejects(
    CertificateSource.open({ cert: "/nonexistent/tls.crt", key: "/nonexistent/tls.key" }),
    CertificateError,
  );
});

Deno.test("certificates: other settings bring another certificate and bad ones change nothing", async () => {
  const [first, second, third] = await Promise.all([makeCertificate(), makeCertificate(), makeCertificate()]);
  await withSource((directory) => write(directory, first), async (source, told, directory) => {
    await assert.rejects(source.reconfigure({ cert: second.cert, key: third.key }), CertificateError);
    assert.deepEqual(source.current.hash, first.hash);
    await source.reconfigure({ cert: second.cert, key: second.key });
    assert.deepEqual(source.current.hash, second.hash);
    await source.reconfigure(await write(await Deno.makeTempDir({ dir: directory }), third));
    assert.deepEqual(hashes(told.changes), [second.hash.toHex(), third.hash.toHex()]);
    const [moved] = Array.from(Deno.readDirSync(directory)).filter(({ isDirectory }) => isDirectory);
    await write(join(directory, moved!.name), first);
    await told.until(() => source.current.hash.toHex() === first.hash.toHex());
  });
});

Deno.test("certificates: the development certificate is renewed while the service runs, before it ends", async () => {
  let clock = Date.now();
  await withSource((directory) => ({ development: { directory } }), async (source, told, directory) => {
    const first = source.current;
    clock = first.notAfter - 2 * DAY;
    await told.until(() => told.changes.length > 0);
    assert.notDeepEqual(source.current.hash, first.hash);
    assert.ok(source.current.notAfter - clock > 12 * DAY);
    const { cert } = developmentPaths(directory);
    assert.equal(await Deno.readTextFile(cert), source.current.cert);
  }, { now: () => clock });
});

Deno.test("certificates: the development certificate of a directory that cannot be written keeps its hash", async () => {
  const prepare = async (directory: string) => {
    await Deno.writeTextFile(join(directory, "certs"), "");
    return { development: { directory: join(directory, "certs") } };
  };
  await withSource(prepare, async (source, told) => {
    const { hash } = source.current;
    await source.check();
    assert.deepEqual(source.current.hash, hash);
    assert.deepEqual(told.changes, []);
    assert.equal(told.warnings.length, 1);
    assert.match(told.warnings[0]!, /could not be kept/);
  });
});

Deno.test("certificates: a certificate that ends within a week is warned of once", async () => {
  let clock = Date.now();
  const made = await makeCertificate({ days: 90 });
  await withSource((directory) => write(directory, made), async (source, told) => {
    assert.deepEqual(told.warnings, []);
    clock = source.current.notAfter - 7 * DAY + 1;
    await told.until(() => told.warnings.length > 0);
    assert.match(told.warnings[0]!, /ends at/);
    await source.check();
    assert.equal(told.warnings.length, 1);
  }, { now: () => clock });
});
