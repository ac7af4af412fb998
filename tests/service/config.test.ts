import assert from "node:assert/strict";
import { diffConfig, needsRestart } from "../../src/service/config/diff.ts";
import { loadConfig, type LoadOptions } from "../../src/service/config/load.ts";
import { defaultConfig } from "../support/config.ts";
import { problemLine } from "../../src/service/config/problem.ts";
import { variables } from "../../src/service/config/document.ts";
import { pathOfVariable } from "../../src/service/config/environment.ts";
import { settings } from "../../src/service/config/shape.ts";
import { good, lines, SECRET } from "./config_support.ts";

Deno.test("config: an empty configuration is good, and has the documented defaults", async () => {
  const config = await good({});
  assert.deepEqual(config, defaultConfig());
  assert.equal(config.env, "development");
  assert.equal(config.http.port, 8080);
  assert.equal(config.quic.port, 4433);
  assert.equal(config.quic.maxIdleTimeout, 30_000);
  assert.equal(config.session.maxMessage, 65_536);
  assert.equal(config.session.resumeWindow, 120_000);
  assert.equal(config.engine.dedupeWindow, 120_000);
  assert.equal(config.namespaces.default.historyAge, 86_400_000);
});

Deno.test("config: comments, trailing commas and a byte order mark are fine", async () => {
  const config = await good({ text: '\ufeff// top\n{ /* in */ "quic": { "port": 1234, }, }\n' });
  assert.equal(config.quic.port, 1234);
  assert.deepEqual(await good({ text: "{}" }), defaultConfig());
  assert.deepEqual(await good({ text: '{ "$schema": "./schema.json" }' }), defaultConfig());
});

Deno.test("config: a file without a value is refused", async () => {
  for (const text of ["", " \n", "// nothing\n", "/* nothing */"]) {
    assert.deepEqual(await lines(text), [
      "(file): is empty; {} stands for a configuration without settings (skein.jsonc)",
    ]);
  }
});

Deno.test("config: a problem names key, value, what is allowed, and the line and column", async () => {
  assert.deepEqual(await lines('{\n  "quic": {\n    "port": 99999\n  }\n}'), [
    "quic.port: 99999 is not allowed; must be a port, 0 to 65535 (0 takes any free one) (skein.jsonc:3:5)",
  ]);
  assert.deepEqual(await lines('{ "drain": { "deadline": "soon" } }'), [
    'drain.deadline: "soon" is not allowed; must be a duration such as "10s", "5m" or "500ms", 0ms to 1h (skein.jsonc:1:14)',
  ]);
  assert.deepEqual(await lines('{ "log": { "level": "loud" } }'), [
    'log.level: "loud" is not allowed; must be one of "debug", "info", "warn", "error" (skein.jsonc:1:12)',
  ]);
});

Deno.test("config: every problem is reported at once, each wrong key once", async () => {
  const found = await lines(
    '{ "quic": { "port": -1, "enabled": 1 }, "http": { "allowedOrigins": ["a", 5] }, "api": { "keys": ["x"] } }',
  );
  assert.deepEqual(found.map((line) => line.split(":")[0]), [
    "http.allowedOrigins",
    "quic.enabled",
    "quic.port",
    "api.keys",
  ]);
});

Deno.test("config: unknown keys, variables and flags are refused with the nearest known name", async () => {
  const cases: [LoadOptions, string][] = [
    [{ text: '{ "quic": { "prot": 1 } }' }, "quic.prot: unknown key; did you mean quic.port?"],
    [{ text: '{ "Quic": {} }' }, "Quic: unknown key; did you mean quic?"],
    [{ text: '{ "maxMesage": 1 }' }, "maxMesage: unknown key"],
    [{ text: '{ "maxMessage": 1 }' }, "maxMessage: unknown key; did you mean session.maxMessage?"],
    [
      { text: '{ "auth": { "keys": [{ "alg": "HS256", "secert": "x" }] } }' },
      "did you mean auth.keys.0.secret?",
    ],
    [{ env: { SKEIN_QUIC_PROT: "1" } }, "SKEIN_QUIC_PROT: unknown variable; did you mean SKEIN_QUIC_PORT?"],
    [{ flags: { "quic.prot": "1" } }, "--quic.prot: unknown flag; did you mean --quic.port?"],
  ];
  for (const [options, expected] of cases) {
    const { problems } = await loadConfig(options);
    assert(
      problemLine(problems[0]!).includes(expected),
      `${problemLine(problems[0]!)} should say ${expected}`,
    );
  }
});

Deno.test("config: a key that is given twice is a problem, with both places", async () => {
  assert.deepEqual(await lines('{ "quic": { "port": 1,\n "port": 2 } }'), [
    "quic.port: given twice; first at skein.jsonc:1:13 (skein.jsonc:2:2)",
  ]);
});

Deno.test("config: a syntax error is reported with its place, and nothing else of the file", async () => {
  assert.deepEqual(await lines('{ "quic": { "port" 5, "prot": 1 } }'), [
    "quic.port: syntax error: colon expected (skein.jsonc:1:20)",
  ]);
  for (const text of ["{", "[", '{"a', "{]", "nonsense", '{"a":1} extra', "[".repeat(100_000)]) {
    const found = await lines(text);
    assert(found.length > 0, `${text.slice(0, 20)} is not refused`);
  }
});

Deno.test("config: anything but an object is refused at the root and where groups belong", async () => {
  for (const text of ["[]", "5", "null", '"text"', "true"]) {
    assert.match((await lines(text)).join(), /^\(root\): .*must be an object/, text);
  }
  for (const value of ["[]", "5", "null", '"text"']) {
    assert.match((await lines(`{ "quic": ${value} }`)).join(), /^quic: .*must be an object/, value);
  }
});

Deno.test("config: a file that is missing, a directory, too large or not UTF-8 is one clear problem", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const read = async (path: string) => (await loadConfig({ path })).problems.map(problemLine);
    assert.deepEqual(await read(`${dir}/none.jsonc`), [
      `(file): cannot be read: there is no such file (${dir}/none.jsonc)`,
    ]);
    assert.deepEqual(await read(dir), [`(file): cannot be read: it is a directory (${dir})`]);
    await Deno.writeTextFile(`${dir}/large`, " ".repeat(1024 * 1024 + 1));
    assert.match((await read(`${dir}/large`)).join(), /larger than 1 MiB/);
    await Deno.writeFile(`${dir}/bytes`, new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]));
    assert.match((await read(`${dir}/bytes`)).join(), /not UTF-8/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("config: no secret is ever in a problem, whichever way it was given wrong", async () => {
  const inputs: LoadOptions[] = [
    { text: '{ "auth": { "keys": [{ "alg": "HS256", "secret": "hunter2" }] } }' },
    { text: '{ "auth": { "keys": "hunter2" } }' },
    { text: '{ "auth": "hunter2" }' },
    { text: '{ "auth": { "keys": [{ "alg": "HS256", "secrte": "hunter2" }] } }' },
    { text: '{ "api": { "keys": ["hunter2"] } }' },
    { text: '{ "api": { "key": "hunter2" } }' },
    { text: '{ "quic": { "key": ["hunter2"] } }' },
    { text: '{ "quic": { "cert": 5, "key": "-----BEGIN PRIVATE KEY-----hunter2" } }' },
    { text: '{ "auth": { "jwks": { "url": "ftp://user:hunter2@example.com/" } } }' },
    { env: { SKEIN_AUTH_KEYS: '[{ "secret": "hunter2" ' } },
    { env: { SKEIN_API_KEYS: "hunter2" } },
    { env: { SKEIN_AUTH_SECRET: "hunter2" } },
    { flags: { "api.keys": "hunter2", "auth.secret": "hunter2" } },
  ];
  for (const options of inputs) {
    const { problems } = await loadConfig(options);
    assert(problems.length > 0, JSON.stringify(options));
    for (const problem of problems) assert(!problemLine(problem).includes("hunter2"), problemLine(problem));
  }
});

Deno.test("config: namespaces take what they leave out from default, and their names are checked", async () => {
  const config = await good({
    text: '{ "namespaces": { "default": { "historySize": 5 }, "chat": { "presence": false }, "doc": {} } }',
  });
  assert.equal(config.namespaces.chat?.historySize, 5);
  assert.equal(config.namespaces.chat?.presence, false);
  assert.deepEqual(config.namespaces.doc, config.namespaces.default);
  assert.equal(config.namespaces["constructor"], undefined);
  for (const name of ["UP", "a:b", "", "constructor", "prototype", "__proto__", "0a"]) {
    const found = await lines(`{ "namespaces": { ${JSON.stringify(name)}: {} } }`);
    assert.equal(found.length, 1, name);
    assert.match(found[0]!, /not a name/);
  }
  assert.equal(({} as Record<string, unknown>).historySize, undefined);
});

Deno.test("config: every setting outside of lists has a variable of its own, and the variable leads back to it", () => {
  const known = variables();
  assert.equal(new Set(known.values()).size, known.size);
  for (const [key, variable] of known) {
    const path = pathOfVariable(variable.replace("<NAME>", "MY_ROOM"));
    assert.equal(path?.join("."), key.replace("<name>", "my_room"), variable);
  }
});

Deno.test("config: variables of groups and of namespaces are understood", async () => {
  const config = await good({
    env: {
      SKEIN_NAMESPACES_CHAT_HISTORY_SIZE: "7",
      SKEIN_HTTP_INTERNAL_PORT: "9999",
      SKEIN_HTTP_ALLOWED_ORIGINS: "https://a.example, https://b.example",
      SKEIN_SESSION_RATES_USER: '{ "messagesPerSecond": 3 }',
      SKEIN_AUTH_KEYS: `[{ "alg": "HS256", "secret": "${SECRET}" }]`,
      SKEIN_QUIC_KEEP_ALIVE_INTERVAL: "null",
      SKEIN_NODE: "",
      HOME: "/root",
    },
  });
  assert.equal(config.namespaces.chat?.historySize, 7);
  assert.deepEqual(config.http.internal, { hostname: "127.0.0.1", port: 9999 });
  assert.deepEqual(config.http.allowedOrigins, ["https://a.example", "https://b.example"]);
  assert.equal(config.session.rates.user.messagesPerSecond, 3);
  assert.equal(config.session.rates.user.messageBurst, 10_000);
  assert.equal(config.auth.keys.length, 1);
  assert.equal(config.quic.keepAliveInterval, null);
  assert.equal(config.node, null);
});

Deno.test("config: the variables that Kubernetes makes for a Service called skein are not taken for settings", async () => {
  const config = await good({
    env: {
      SKEIN_SERVICE_HOST: "10.0.0.1",
      SKEIN_SERVICE_PORT: "8080",
      SKEIN_SERVICE_PORT_HTTP: "8080",
      SKEIN_PORT: "tcp://10.0.0.1:8080",
      SKEIN_PORT_8080_TCP: "tcp://10.0.0.1:8080",
      SKEIN_PORT_8080_TCP_PORT: "8080",
      SKEIN_PORT_4433_UDP_ADDR: "10.0.0.1",
      SKEIN_HTTP_PORT: "tcp://10.0.0.1:80",
    },
  });
  assert.deepEqual(config, defaultConfig());
});

Deno.test("config: PORT sets the HTTP port unless SKEIN_HTTP_PORT or a flag does", async () => {
  const text = '{ "http": { "port": 1 } }';
  assert.equal((await good({ text })).http.port, 1);
  assert.equal((await good({ text, env: { PORT: "2" } })).http.port, 2);
  assert.equal((await good({ text, env: { PORT: "2", SKEIN_HTTP_PORT: "3" } })).http.port, 3);
  assert.equal((await good({ text, env: { PORT: "2" }, flags: { "http.port": "4" } })).http.port, 4);
  assert.deepEqual((await loadConfig({ env: { PORT: "many" } })).problems.map(problemLine), [
    'http.port: "many" is not allowed; must be a port, 0 to 65535 (0 takes any free one) (PORT)',
  ]);
});

Deno.test("config: null from a flag takes a group of the file away, and a variable puts one in place of null", async () => {
  const text = '{ "http": { "internal": { "port": 1 } } }';
  assert.equal((await good({ text, flags: { "http.internal": "null" } })).http.internal, null);
  const config = await good({
    text: '{ "http": { "internal": null } }',
    env: { SKEIN_HTTP_INTERNAL_PORT: "5" },
  });
  assert.equal(config.http.internal?.port, 5);
});

Deno.test("config: the difference of two configurations is the dotted keys that changed", async () => {
  const before = defaultConfig();
  assert.deepEqual(diffConfig(before, defaultConfig()), []);
  const after = await good({
    text:
      `{ "quic": { "port": 1, "alpn": ["x"] }, "namespaces": { "chat": {} }, "http": { "internal": {} } }`,
  });
  assert.deepEqual(diffConfig(before, after), ["http.internal", "quic.port", "quic.alpn", "namespaces.chat"]);
  assert.deepEqual(diffConfig(after, before), ["http.internal", "quic.port", "quic.alpn", "namespaces.chat"]);
  assert.equal(needsRestart("engine.kind"), true);
  assert.equal(needsRestart("quic.port"), false);
  assert.equal(needsRestart("namespaces.chat"), false);
});

Deno.test("config: every setting is documented with what it does, what is allowed, and a default that is allowed", async () => {
  for (const setting of settings()) {
    assert(setting.about.text.endsWith("."), setting.key);
    assert(setting.about.allowed.length > 3, setting.key);
    if (setting.fallback === undefined || setting.key.includes("<name>") || setting.key.includes("[]")) {
      continue;
    }
    if (/^http\.(internal|tls)\.|^auth\.jwks\./.test(setting.key)) continue;
    const nested = setting.key.split(".").reduceRight<unknown>(
      (inner, name) => ({ [name]: inner }),
      setting.fallback,
    );
    await good({ text: JSON.stringify(nested) });
  }
});
