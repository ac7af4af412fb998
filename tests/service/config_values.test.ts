/** Values of settings, and rules between them. */

import assert from "node:assert/strict";
import { loadConfig } from "../../src/service/config/load.ts";
import { problemLine } from "../../src/service/config/problem.ts";
import { good, lines, SECRET } from "./config_support.ts";

Deno.test("config: a duration without a unit is refused with the unit it lacks", async () => {
  const message = (value: string) => `session.resumeWindow: ${value} has no unit; write "120s" or "120ms" (`;
  const [fromFile] = await lines('{ "session": { "resumeWindow": 120 } }');
  assert.ok(fromFile!.startsWith(message("120")), fromFile);
  const [fromText] = await lines('{ "session": { "resumeWindow": "120" } }');
  assert.ok(fromText!.startsWith(message('"120"')), fromText);
  const given = await loadConfig({
    env: { SKEIN_SESSION_RESUME_WINDOW: "120" },
    flags: { "session.tokenNotice": "30" },
  });
  assert.deepEqual(given.problems.map(problemLine), [
    `${message('"120"')}SKEIN_SESSION_RESUME_WINDOW)`,
    'session.tokenNotice: "30" has no unit; write "30s" or "30ms" (--session.tokenNotice)',
  ]);
});

Deno.test("config: zero needs no unit", async () => {
  const config = await good({
    text: '{ "session": { "resumeWindow": 0 } }',
    env: { SKEIN_SESSION_TOKEN_NOTICE: "0" },
    flags: { "drain.deadline": "0" },
  });
  assert.deepEqual(
    [config.session.resumeWindow, config.session.tokenNotice, config.drain.deadline],
    [0, 0, 0],
  );
});

Deno.test("config: durations and sizes are texts with a unit, and sizes numbers of bytes too", async () => {
  const config = await good({
    text: `{ "session": { "authTimeout": "1.5s", "resumeWindow": "90s", "tokenNotice": "500ms",
      "maxMessage": "32KiB", "maxOutbox": 2000000 } }`,
  });
  assert.equal(config.session.authTimeout, 1500);
  assert.equal(config.session.resumeWindow, 90_000);
  assert.equal(config.session.tokenNotice, 500);
  assert.equal(config.session.maxMessage, 32_768);
  assert.equal(config.session.maxOutbox, 2_000_000);
});

Deno.test("config: rules between settings are checked", async () => {
  const cases: [string, RegExp][] = [
    [
      '{ "session": { "heartbeat": { "interval": "10s", "timeout": "10s" } } }',
      /^session\.heartbeat\.interval: 10s/,
    ],
    ['{ "quic": { "maxIdleTimeout": "5s" } }', /^quic\.maxIdleTimeout: 5s is not more than/],
    ['{ "quic": { "keepAliveInterval": "30s" } }', /^quic\.keepAliveInterval: 30s is not less/],
    ['{ "quic": { "cert": "a.pem" } }', /^quic\.cert: given without quic\.key/],
    ['{ "quic": { "key": "a.pem" } }', /^quic\.key: given without quic\.cert/],
    [
      '{ "quic": { "maxStreams": 1 }, "session": { "preAuth": { "maxStreams": 2 } } }',
      /^session\.preAuth\.maxStreams/,
    ],
    ['{ "http": { "internal": { "port": 8080 } } }', /^http\.internal\.port: 8080 is http\.port too/],
    [
      '{ "session": { "maxMessage": "2MiB" } }',
      /^session\.maxOutbox: 1MiB is less than four times session\.maxMessage/,
    ],
    [
      '{ "session": { "rates": { "user": { "messageBurst": 0 } } } }',
      /^session\.rates\.user\.messageBurst: 0/,
    ],
    [
      '{ "session": { "rates": { "user": { "byteBurst": "1KiB" } } } }',
      /^session\.rates\.user\.byteBurst: 1KiB/,
    ],
    [
      '{ "engine": { "dedupeWindow": "1m" } }',
      /^engine\.dedupeWindow: 1m is less than session\.resumeWindow/,
    ],
    ['{ "auth": { "keys": [{ "alg": "HS256" }] } }', /^auth\.keys\.0: must have secret or secretFile/],
    ['{ "auth": { "keys": [{ "alg": "HS256", "secret": "short" }] } }', /^auth\.keys\.0\.secret: .*32 bytes/],
    ['{ "auth": { "keys": [{ "alg": "EdDSA" }] } }', /^auth\.keys\.0: must have publicKey/],
    [
      `{ "auth": { "keys": [{ "alg": "ES256", "publicKey": "k.pem", "secret": "${SECRET}" }] } }`,
      /not allowed for ES256/,
    ],
    [
      `{ "auth": { "keys": [{ "alg": "HS256", "publicKey": "k.pem", "secret": "${SECRET}" }] } }`,
      /publicKey: not allowed/,
    ],
  ];
  for (const [text, expected] of cases) {
    const found = await lines(text);
    assert.equal(found.length, 1, `${text}: ${found.join(" | ")}`);
    assert.match(found[0]!, expected);
  }
});

Deno.test("config: a rule says nothing about a key that is wrong in itself", async () => {
  const found = await lines('{ "session": { "heartbeat": { "interval": "x", "timeout": "1s" } } }');
  assert.equal(found.length, 1);
  assert.match(found[0]!, /^session\.heartbeat\.interval: "x"/);
});

Deno.test("config: production refuses to start without keys and certificates", async () => {
  const found = await lines('{ "env": "production" }');
  assert.match(found[1]!, /^auth\.keys: no keys/);
  assert.match(found[0]!, /^quic\.cert: no certificate/);
  assert.equal(found.length, 2);
  const keys = `"auth": { "keys": [{ "alg": "HS256", "secret": "${SECRET}" }] }`;
  await good({ text: `{ "env": "production", "quic": { "enabled": false }, ${keys} }` });
  await good({ text: `{ "env": "production", "quic": { "cert": "c.pem", "key": "k.pem" }, ${keys} }` });
  await good({
    text:
      `{ "env": "production", "quic": { "enabled": false }, "auth": { "jwks": { "url": "https://a.example/k" } } }`,
  });
});

Deno.test("config: keys are fetched over TLS or from this machine, in every mode", async () => {
  for (const env of ["development", "production"]) {
    const text = (url: string) =>
      `{ "env": "${env}", "quic": { "enabled": false }, "auth": { "jwks": { "url": "${url}" } } }`;
    await good({ text: text("http://localhost:8080/k") });
    assert.match((await lines(text("http://a.example/k"))).join(), /^auth\.jwks\.url: plain http/);
  }
});

Deno.test("config: SKEIN_ENV=production cannot be undone by a flag or a file", async () => {
  const env = { SKEIN_ENV: "production" };
  const { problems } = await loadConfig({ env, flags: { env: "development" } });
  assert.deepEqual(problems.map(problemLine), [
    'env: "development" is refused because SKEIN_ENV=production (--env)',
  ]);
  const file = await lines('{ "env": "development" }', { env });
  assert(file.some((line) => line.startsWith("auth.keys: no keys")), "the variable is over the file");
});

Deno.test("config: ids of messages are known for longer than clients count on", async () => {
  // A client sends again without asking what it sent up to ten seconds ago.
  const problems = (window: string) =>
    lines(`{ "engine": { "dedupeWindow": "${window}" }, "session": { "resumeWindow": "1s" } }`);
  assert.match((await problems("29s")).join(), /^engine\.dedupeWindow: "29s" is not allowed; .* 30s to 1d/);
  assert.deepEqual(await problems("30s"), []);
});
