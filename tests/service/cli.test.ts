import assert from "node:assert/strict";
import { run } from "../../src/service/cli/mod.ts";
import { parseArguments, UsageError } from "../../src/service/cli/arguments.ts";
import manifest from "../../deno.json" with { type: "json" };

const SECRET = "0123456789abcdef0123456789abcdef";
const KEYS = { SKEIN_AUTH_KEYS: JSON.stringify([{ alg: "HS256", kid: "k1", secret: SECRET }]) };

/** Runs a command line with its own environment and standard streams. */
async function skein(args: string[], env: Record<string, string> = {}, input = "") {
  let out = "", err = "";
  const code = await run(args, {
    env,
    out: (text) => out += text,
    err: (text) => err += text,
    input: () => Promise.resolve(input),
  });
  return { code, out, err };
}

async function inDirectory(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("cli: every command has a help that names its options, and the overview names every command", async () => {
  const overview = await skein(["--help"]);
  assert.equal(overview.code, 0);
  for (
    const name of [
      "serve",
      "token",
      "check-config",
      "print-config",
      "config-schema",
      "gen-cert",
      "doctor",
      "peer",
      "version",
    ]
  ) {
    assert(overview.out.includes(`  ${name} `), name);
    const help = await skein([name, "--help"]);
    assert.equal(help.code, 0);
    assert(help.out.startsWith(`Usage: skein ${name} `), help.out);
    assert(help.out.includes("--help"), help.out);
  }
});

Deno.test("cli: commands under one word have an overview, and each a help of its own", async () => {
  const overview = await skein(["peer", "--help"]);
  assert.equal(overview.code, 0);
  for (const name of ["id", "connect", "send", "receive", "doctor"]) {
    assert(overview.out.includes(`  ${name} `), name);
    const help = await skein(["peer", name, "--help"]);
    assert.equal(help.code, 0);
    assert(help.out.startsWith(`Usage: skein peer ${name} `), help.out);
  }
  const without = await skein(["peer"]);
  assert.equal(without.code, 2);
  assert.equal(without.out, overview.out);
});

Deno.test("cli: variables of commands that are clients are no settings", async () => {
  const env = { SKEIN_URL: "https://chat.example", SKEIN_TOKEN: "x" };
  assert.equal((await skein(["check-config"], env)).code, 0);
});

Deno.test("cli: wrong usage ends with 2, says what is wrong and what was meant, and prints nothing on standard output", async () => {
  const cases: [string[], RegExp][] = [
    [["srve"], /^"srve": unknown command; did you mean serve\?/],
    [["constructor"], /unknown command/],
    [["serve", "extra"], /^"extra": unexpected argument/],
    [["version", "--quic.port", "1"], /^--quic\.port: unknown option; did you mean --help\?/],
    [["config-schema", "--markdwn"], /did you mean --markdown\?/],
    [["check-config", "--confg", "x"], /^--confg: unknown option; did you mean --config\?/],
    [["check-config", "--config"], /^--config: needs a value/],
    [["check-config", "-x"], /^-x: unknown option/],
    [["token"], /needs USER or --check/],
    [["token", "ann", "--check", "x"], /needs USER or --check/],
    [["token", "--check", "x", "--rights", "broadcast"], /^--rights: not with --check/],
    [["token", "ann", "--help=yes"], /^--help: takes no value/],
    [["token", "--check", "x", "--peers", "*"], /^--peers: not with --check/],
    [["peer", "sned"], /^"sned": unknown command; did you mean send\?/],
    [["peer", "send"], /needs the id of a PEER/],
  ];
  for (const [args, expected] of cases) {
    const { code, out, err } = await skein(args);
    assert.equal(code, 2, args.join(" "));
    assert.match(err, expected);
    assert.equal(out, "");
  }
});

Deno.test("cli: version is the one of the manifest", async () => {
  for (const args of [["version"], ["--version"]]) {
    const { code, out } = await skein(args);
    assert.equal(code, 0);
    assert(out.startsWith(`skein ${manifest.version} (deno ${Deno.version.deno}`), out);
  }
});

Deno.test("cli: settings are flags with a value after a space or an equals sign", () => {
  const parse = (...args: string[]) => ({
    ...parseArguments(args, {
      options: [{ name: "config", value: "FILE", text: "" }],
      settings: true,
      rest: 1,
    }).flags,
  });
  assert.deepEqual(parse("--quic.port", "1", "--http.port=2"), { "quic.port": "1", "http.port": "2" });
  assert.deepEqual(parse("--quic.enabled", "--http.port", "2"), { "quic.enabled": true, "http.port": "2" });
  assert.deepEqual(parse("--quic.enabled", "false", "rest"), { "quic.enabled": "false" });
  assert.deepEqual(parse("--quic.enabled", "rest"), { "quic.enabled": true });
  assert.deepEqual(parse("--node", "a", "--node=b=c"), { node: "b=c" });
  assert.deepEqual(parse("--drain.deadline", "-5"), { "drain.deadline": "-5" });
  assert.deepEqual(parse("--", "--quic.port"), {});
  assert.throws(() => parse("a", "b"), UsageError);
  assert.equal(Object.getPrototypeOf(parse("--__proto__.x", "1")), Object.prototype);
});

Deno.test("cli: check-config prints one line for each problem on standard error and ends with 1", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, '{ "quic": { "port": 70000, "prot": 1 } }');
    const bad = await skein(["check-config", "--config", path, "--log.level", "loud"]);
    assert.equal(bad.code, 1);
    assert.equal(bad.out, "");
    assert.equal(bad.err.trim().split("\n").length, 3);
    assert(bad.err.includes(`${path}:1:13`), bad.err);
    await Deno.writeTextFile(path, '{ "quic": { "port": 7000 } }');
    const good = await skein(["check-config"], { SKEIN_CONFIG: path });
    assert.deepEqual(good, { code: 0, out: `ok: ${path} (development)\n`, err: "" });
  }));

Deno.test("cli: check-config reads the keys and certificates that are named", () =>
  inDirectory(async (dir) => {
    await Deno.writeTextFile(`${dir}/key.pem`, "nothing");
    const { code, err } = await skein([
      "check-config",
      `--quic.cert=${dir}/none.pem`,
      `--quic.key=${dir}/key.pem`,
      `--auth.keys=[{"alg":"HS256","secretFile":"${dir}/none"}]`,
    ]);
    assert.equal(code, 1);
    assert.match(
      err,
      /^quic\.cert: .*none\.pem.*there is no such file\nquic\.key: .*is not PEM\nauth\.keys\.0\.secretFile: /,
    );
  }));

Deno.test("cli: print-config shows every value with its source and no secret", async () => {
  const { code, out } = await skein(["print-config", "--quic.port=5"], {
    ...KEYS,
    SKEIN_API_KEYS: "0123456789abcdefg",
  });
  assert.equal(code, 0);
  assert.match(out, /^quic\.port = 5 +# --quic\.port$/m);
  assert.match(out, /^auth\.keys = .*"<redacted>".*# SKEIN_AUTH_KEYS$/m);
  assert.match(out, /^session\.resumeWindow = "2m" +# default$/m);
  assert(!out.includes(SECRET) && !out.includes("0123456789abcdefg"), out);
  const json = await skein(["print-config", "--json", "--quic.port=5"], KEYS);
  const row = JSON.parse(json.out).find(({ key }: { key: string }) => key === "quic.port");
  assert.deepEqual(row, { key: "quic.port", value: 5, source: { layer: "flag", where: "--quic.port" } });
});

Deno.test("cli: print-config gives file and line, and default for what the file leaves out of a group", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/s.jsonc`;
    await Deno.writeTextFile(path, '{\n  "quic": {\n    "port": 5,\n    "cert": null\n  }\n}\n');
    const { out } = await skein(["print-config", "--config", path]);
    assert(
      out.split("\n").some((line) => /^quic\.port = 5 /.test(line) && line.endsWith(`# ${path}:3:5`)),
      out,
    );
    assert(
      out.split("\n").some((line) => /^quic\.cert = null /.test(line) && line.endsWith(`# ${path}:4:5`)),
      out,
    );
    assert.match(out, /^quic\.key = null +# default$/m);
    assert.match(out, /^quic\.enabled = true +# default$/m);
  }));

Deno.test("cli: config-schema is a JSON Schema in which every group is closed, without words of our own", async () => {
  const { code, out } = await skein(["config-schema"]);
  assert.equal(code, 0);
  const schema = JSON.parse(out);
  assert.equal(schema.$schema, "http://json-schema.org/draft-07/schema#");
  assert.equal(schema.additionalProperties, false);
  assert.equal(schema.properties.quic.additionalProperties, false);
  assert.equal(schema.properties.quic.properties.port.default, 4433);
  assert(schema.properties.quic.properties.port.description.includes("UDP"), "documented");
  assert(!/"(skein|restart|allowed)":/.test(out), "internal notes are left out");
});

Deno.test("cli: config-schema --markdown has a row for every setting", async () => {
  const { out } = await skein(["config-schema", "--markdown"]);
  const rows = out.trim().split("\n");
  assert.equal(
    new Set(rows.map((row) => row.replaceAll("\\|", "").split("|").length)).size,
    1,
    "the table is even",
  );
  assert(rows.some((row) => row.startsWith("| `quic.port` | `4433` |")), out);
  assert(rows.some((row) => row.startsWith("| `namespaces.<name>.historySize` | as in `default` |")), out);
});

Deno.test("cli: a token that was made is accepted by the check, which reads it from standard input too", async () => {
  const made = await skein(
    [
      "token",
      "ann",
      "--expires",
      "10m",
      "--channels",
      "chat:*, doc:*",
      "--rights",
      "broadcast",
      "--info",
      '{"name":"Ann"}',
      "--peers",
      "team-*",
    ],
    KEYS,
  );
  assert.equal(made.code, 0, made.err);
  const token = made.out.trim();
  for (
    const [args, input] of [[["token", "--check", token], ""], [
      ["token", "--check", "-"],
      `${token}\n`,
    ]] as const
  ) {
    const checked = await skein([...args], KEYS, input);
    assert.equal(checked.code, 0, checked.out);
    const report = JSON.parse(checked.out);
    assert.equal(report.accepted, true);
    assert.equal(report.header.kid, "k1");
    assert.deepEqual(report.principal.subscribe, ["chat:*", "doc:*"]);
    assert.deepEqual(report.principal.rights, ["broadcast"]);
    assert.deepEqual(report.principal.peers, ["team-*"]);
    assert(!checked.out.includes(token), "the token is not repeated");
  }
});

Deno.test("cli: a token that is not good ends with 1 and every reason", async () => {
  const made = await skein(["token", "ann", "--auth.issuer", "us"], KEYS);
  const { code, out } = await skein(["token", "--check", made.out.trim(), "--auth.issuer", "them"], KEYS);
  assert.equal(code, 1);
  const report = JSON.parse(out);
  assert.equal(report.accepted, false);
  assert(report.problems.length > 0);
  assert.equal((await skein(["token", "--check", "nonsense"], KEYS)).code, 1);
});

Deno.test("cli: a token is signed with a private key of any kind, and the public key accepts it", () =>
  inDirectory(async (dir) => {
    const kinds = [
      ["EdDSA", { name: "Ed25519" }],
      ["ES256", { name: "ECDSA", namedCurve: "P-256" }],
    ] as const;
    for (const [alg, algorithm] of kinds) {
      const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as CryptoKeyPair;
      const pem = async (format: "pkcs8" | "spki", key: CryptoKey, label: string) =>
        `-----BEGIN ${label}-----\n${
          new Uint8Array(await crypto.subtle.exportKey(format, key)).toBase64()
        }\n` +
        `-----END ${label}-----\n`;
      await Deno.writeTextFile(`${dir}/key.pem`, await pem("pkcs8", pair.privateKey, "PRIVATE KEY"));
      await Deno.writeTextFile(`${dir}/public.pem`, await pem("spki", pair.publicKey, "PUBLIC KEY"));
      const env = { SKEIN_AUTH_KEYS: JSON.stringify([{ alg, kid: "p", publicKey: `${dir}/public.pem` }]) };
      const made = await skein(["token", "bob", "--private-key", `${dir}/key.pem`], env);
      assert.equal(made.code, 0, made.err);
      const checked = await skein(["token", "--check", "-"], env, made.out);
      assert.equal(checked.code, 0, checked.out);
      assert.deepEqual(JSON.parse(checked.out).header, { alg, kid: "p" });
    }
  }));

Deno.test("cli: a token that cannot be made says why", async () => {
  const cases: [string[], Record<string, string>, number, RegExp][] = [
    [["token", "ann"], {}, 2, /no key to sign with/],
    [["token", "ann", "--kid", "other"], KEYS, 2, /no HS256 key with kid "other"/],
    [["token", "ann", "--expires", "soon"], KEYS, 2, /^--expires: "soon"/],
    [["token", "ann", "--info", "{"], KEYS, 2, /^--info: must be JSON/],
    [["token", "ann", "--rights", "fly"], KEYS, 2, /^--rights: "fly" is none of/],
    [["token", "ann", "--channels", "bad pattern\u0000"], KEYS, 1, /channels/],
    [["token", "ann", "--private-key", "/nonexistent"], KEYS, 1, /there is no such file/],
    [["token", "--check", "x"], {}, 2, /no key to check with/],
    [["token", "ann"], { SKEIN_AUTH_KEYS: "nonsense" }, 1, /^auth\.keys: <redacted> is not allowed/],
  ];
  for (const [args, env, code, expected] of cases) {
    const result = await skein(args, env);
    assert.equal(result.code, code, `${args.join(" ")}: ${result.err}`);
    assert.match(result.err, expected);
    assert(!result.err.includes(SECRET));
  }
});

Deno.test("cli: gen-cert makes a certificate, keeps a good one, and makes another with --force", () =>
  inDirectory(async (dir) => {
    const hash = (out: string) => /sha-256: (\S+)/.exec(out)?.[1];
    const args = ["gen-cert", "--directory", dir, "--names", "skein.test"];
    const first = await skein(args);
    assert.equal(first.code, 0, first.err);
    assert.match(first.out, /^made: .*\nnames: .*skein\.test.*\nuntil: 20/);
    assert.match(await Deno.readTextFile(`${dir}/dev-cert.pem`), /BEGIN CERTIFICATE/);
    const second = await skein(args);
    assert.match(second.out, /^kept: /);
    assert.equal(hash(second.out), hash(first.out));
    const third = await skein([...args, "--force"]);
    assert.match(third.out, /^made: /);
    assert.notEqual(hash(third.out), hash(first.out));
  }));

Deno.test("cli: serve with a bad configuration ends with 1 and a line for each problem, and starts nothing", async () => {
  const { code, out, err } = await skein(["--quic.port", "70000", "--http.port=x"], {
    SKEIN_LOG_LEVL: "info",
  });
  assert.equal(code, 1);
  assert.equal(out, "");
  assert.deepEqual(err.trim().split("\n").map((line) => line.split(":")[0]), [
    "SKEIN_LOG_LEVL",
    "http.port",
    "quic.port",
  ]);
});

Deno.test("cli: serve refuses production without keys and certificates", async () => {
  const { code, err } = await skein(["serve"], { SKEIN_ENV: "production" });
  assert.equal(code, 1);
  assert.match(err, /^quic\.cert: no certificate.*\nauth\.keys: no keys/);
});
