import assert from "node:assert/strict";
import fc from "fast-check";
import { createLogger, type LoggerOptions } from "../../src/service/log/mod.ts";
import { type Level } from "../../src/session/contract.ts";

function logger(options: LoggerOptions = {}) {
  const lines: string[] = [];
  const log = createLogger({ format: "json", write: (line) => lines.push(line), now: () => 0, ...options });
  return { log, lines };
}

const TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl";

Deno.test("log: an entry is one JSON object with time, level, event and the fields", () => {
  const { log, lines } = logger();
  log.info("listening", { port: 8080, hostname: "::" });
  assert.deepEqual(lines, [
    '{"time":"1970-01-01T00:00:00.000Z","level":"info","event":"listening","port":8080,"hostname":"::"}',
  ]);
});

Deno.test("log: fields cannot take the place of time, level and event", () => {
  const { log, lines } = logger();
  log.warn("real", { event: "forged", level: "debug", time: 5 });
  const entry = JSON.parse(lines[0]!);
  assert.deepEqual([entry.event, entry.level, entry.event_], ["real", "warn", "forged"]);
});

Deno.test("log: entries below the level are not written, and the level changes while running, for children too", () => {
  const { log, lines } = logger({ level: "warn" });
  const child = log.child({ part: "quic" });
  const all: Level[] = ["debug", "info", "warn", "error"];
  for (const level of all) child[level](level);
  assert.deepEqual(lines.map((line) => JSON.parse(line).event), ["warn", "error"]);
  assert.equal(child.enabled("info"), false);
  log.configure({ level: "debug" });
  assert.equal(child.enabled("debug"), true);
  child.debug("now");
  assert.deepEqual(JSON.parse(lines.at(-1)!), {
    time: "1970-01-01T00:00:00.000Z",
    level: "debug",
    event: "now",
    part: "quic",
  });
});

Deno.test("log: secrets are replaced, by the name of their field and by their form", () => {
  const { log, lines } = logger();
  log.info("auth", {
    token: "t0p",
    accessToken: "t0p",
    Authorization: "t0p",
    nested: { password: "t0p", list: [{ secret: "t0p" }] },
    apiKey: "t0p",
    keyPem: "t0p",
    privateKey: "t0p",
    cookie: "t0p",
    text: `the token ${TOKEN} was refused`,
    header: "Bearer t0p",
    pem: "-----BEGIN PRIVATE KEY-----\nt0p\n-----END PRIVATE KEY-----",
    url: new URL("https://ann:t0p@example.com/"),
    error: new Error(`bad ${TOKEN}`, { cause: { token: "t0p" } }),
    payload: new TextEncoder().encode("t0p"),
  });
  assert(!lines[0]!.includes("t0p"), lines[0]);
  assert(!lines[0]!.includes("c2lnbmF0dXJl"), lines[0]);
  assert(lines[0]!.includes("<3 bytes>"), "bytes are counted");
});

Deno.test("log: fields about a token or a key stay readable", () => {
  const { log, lines } = logger();
  log.info("reload", { key: "quic.port", tokenNotice: "30s", tokens: 5, keys: ["auth.keys"] });
  const { key, tokenNotice, tokens, keys } = JSON.parse(lines[0]!);
  assert.deepEqual([key, tokenNotice, tokens, keys], ["quic.port", "30s", 5, ["auth.keys"]]);
});

Deno.test("log: errors are written with name, message, stack and the chain of causes", () => {
  const { log, lines } = logger();
  log.error("failed", { error: new TypeError("outer", { cause: new RangeError("inner") }) });
  const { error } = JSON.parse(lines[0]!);
  assert.deepEqual([error.name, error.message, error.cause.name, error.cause.message], [
    "TypeError",
    "outer",
    "RangeError",
    "inner",
  ]);
  assert(error.stack[0].startsWith("at "), error.stack[0]);
});

Deno.test("log: no entry and no failing output makes it throw", () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const loop = new Error("loop");
  loop.cause = loop;
  const hostile = {
    get boom() {
      throw new Error("getter");
    },
  };
  const { log, lines } = logger();
  log.info("strange", {
    circular,
    loop,
    big: 5n,
    fn: () => {},
    symbol: Symbol("s"),
    nan: NaN,
    date: new Date(NaN),
  });
  log.info("hostile", { hostile });
  log.info("proxy", { proxy: new Proxy({}, { ownKeys: () => assert.fail("trap") }) });
  assert.equal(lines.length, 3);
  assert.equal(JSON.parse(lines[1]!).event, "hostile");
  const { log: broken } = logger({
    write: () => {
      throw new Error("closed");
    },
  });
  broken.error("lost");
});

Deno.test("log: whatever the fields are, an entry is one line, of bounded length, that parses", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.dictionary(fc.string(), fc.anything({ withBigInt: true, withDate: true })),
      (event, fields) => {
        const json = logger(), text = logger({ format: "text" });
        json.log.info(event, fields);
        text.log.info(event, fields);
        assert.equal(json.lines.length, 1);
        assert.equal(JSON.parse(json.lines[0]!).event, event);
        assert(!json.lines[0]!.includes("\n"));
        assert(!/[\p{Cc}\u2028]/u.test(text.lines[0]!), JSON.stringify(text.lines[0]));
      },
    ),
    { numRuns: 300 },
  );
  const { log, lines } = logger();
  log.info("long", { text: "x".repeat(1_000_000), list: Array.from({ length: 10_000 }, (_, i) => i) });
  assert(lines[0]!.length < 5000, `${lines[0]!.length}`);
});

Deno.test("log: text has level, event and name=value, quoted where needed, with stacks below", () => {
  const { log, lines } = logger({ format: "text" });
  log.warn("slow consumer", { user: "ann", reason: "a b", depth: 5, none: undefined });
  assert.equal(lines[0], '00:00:00.000 WARN  slow consumer user=ann reason="a b" depth=5');
  log.error("failed", { error: new Error("outer", { cause: new Error("inner") }) });
  assert(
    lines[1]!.startsWith("00:00:00.000 ERROR failed error=Error: outer, caused by Error: inner\n    at "),
    lines[1],
  );
});

Deno.test("log: a peer's text cannot forge a line or move the cursor", () => {
  const { log, lines } = logger({ format: "text" });
  log.info("closed", { reason: "x\n00:00:00.000 ERROR forged \x1b[2J\u202e" });
  assert.equal(lines[0]!.split("\n").length, 1);
  assert(!lines[0]!.includes("\x1b") && !lines[0]!.includes("\u202e"), JSON.stringify(lines[0]));
});
