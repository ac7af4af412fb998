import assert from "node:assert/strict";
import fc from "fast-check";
import { loadConfig } from "../../src/service/config/load.ts";
import { problemLine } from "../../src/service/config/problem.ts";
import { variableOf } from "../../src/service/config/environment.ts";
import { distance } from "../../src/protocol/nearest.ts";
import { keyOf, type Setting, settings } from "../../src/service/config/shape.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../src/service/config/units.ts";

/** Settings that rules tie to no other one, with some good values as a file would hold them. */
const FREE: Readonly<Record<string, readonly unknown[]>> = {
  "node": ["a", "b-2", "Änne"],
  "http.port": [0, 80, 8081],
  "http.hostname": ["::", "127.0.0.1"],
  "http.allowedOrigins": [[], ["*"], ["https://a.example", "https://*.b.example"]],
  "quic.enabled": [true, false],
  "quic.port": [1, 65535],
  "quic.headerTimeout": ["1s", "750ms"],
  "quic.congestionControl": ["default", "low-latency"],
  "session.maxChannels": [1, 77],
  "session.authTimeout": ["2.5s", "5s"],
  "session.thresholds.loss": [0, 0.25, 1],
  "session.perIp.connections": [1, 12],
  "namespaces.default.historySize": [0, 9],
  "namespaces.chat.historySize": [1, 8],
  "log.level": ["debug", "error"],
};
const KEYS = Object.keys(FREE);

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What a value means once it is read. */
function meaning(value: unknown): unknown {
  if (typeof value !== "string") return value;
  return parseDuration(value) ?? value;
}

function nest(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(values)) {
    const path = key.split(".");
    let group = root;
    for (const step of path.slice(0, -1)) group = (group[step] ??= {}) as Record<string, unknown>;
    group[path.at(-1)!] = value;
  }
  return root;
}

function at(root: unknown, key: string): unknown {
  return key.split(".").reduce<unknown>(
    (value, step) => (value as Record<string, unknown> | undefined)?.[step],
    root,
  );
}

const layer = fc.dictionary(fc.constantFrom(...KEYS), fc.nat(), { maxKeys: KEYS.length }).map((picked) =>
  Object.fromEntries(Object.entries(picked).map(([key, n]) => [key, FREE[key]![n % FREE[key]!.length]]))
);

Deno.test("config: for any settings in any layers, a flag wins over a variable, a variable over the file, the file over the default", async () => {
  const { config: defaults } = await loadConfig({});
  await fc.assert(
    fc.asyncProperty(layer, layer, layer, async (file, env, flags) => {
      const variables = Object.entries(env).map(([key, value]) => {
        const variable = key === "namespaces.chat.historySize"
          ? "SKEIN_NAMESPACES_CHAT_HISTORY_SIZE"
          : variableOf(key);
        // An empty list cannot be told from an empty, that is unset, variable unless it is written as JSON.
        return [variable, asText(value)];
      });
      const { config, problems, sources } = await loadConfig({
        path: "f",
        text: JSON.stringify(nest(file)),
        env: Object.fromEntries(variables),
        flags: Object.fromEntries(Object.entries(flags).map(([key, value]) => [key, asText(value)])),
      });
      assert.deepEqual(problems.map(problemLine), []);
      for (const key of KEYS) {
        const [expected, from] = key in flags
          ? [flags[key], "flag"]
          : key in env
          ? [env[key], "environment"]
          : key in file
          ? [file[key], "file"]
          : [undefined, undefined];
        if (from === undefined) {
          if (key.startsWith("namespaces.chat.")) continue;
          assert.deepEqual(at(config, key), at(defaults, key), key);
        } else {
          assert.deepEqual(at(config, key), meaning(expected), key);
          assert.equal(sources.get(key)?.layer, from, key);
        }
      }
    }),
    { numRuns: 150 },
  );
});

const anyKey = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "toString", "", "a.b", "0", "port", "keys", "default"),
  fc.string({ maxLength: 12 }),
);

/** JSON with anything in it, under keys that are known, nearly known, or dangerous. */
const wildJson = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true }),
    fc.string({ maxLength: 20 }),
    fc.constantFrom("10s", "1MiB", "-----BEGIN X", "*", "null"),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(anyKey, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;

/** A place in the schema, as deep as any, with an index where a list stands. */
const place = fc.constantFrom(...settings()).chain((setting: Setting) => {
  const path = setting.key.replace("<name>", "chat").replaceAll("[]", ".0").split(".");
  return fc.nat(path.length - 1).map((cut) => path.slice(0, path.length - cut));
});

function mutate(root: unknown, path: readonly string[], value: unknown): unknown {
  if (path.length === 0) return value;
  const [step, ...rest] = path as [string, ...string[]];
  if (step === "0") return [mutate(Array.isArray(root) ? root[0] : undefined, rest, value)];
  const group = typeof root === "object" && root !== null && !Array.isArray(root) ? root : {};
  return { ...group, [step]: mutate((group as Record<string, unknown>)[step], rest, value) };
}

Deno.test("config: any JSON put anywhere into a configuration never throws, and each problem is one line that names a key", async () => {
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(place, wildJson), { minLength: 1, maxLength: 4 }), async (changes) => {
      let root: unknown = {};
      for (const [path, value] of changes) root = mutate(root, path, value);
      const { config, problems } = await loadConfig({ path: "f.jsonc", text: JSON.stringify(root) });
      assert.equal(config === undefined, problems.length > 0);
      refused += problems.length > 0 ? 1 : 0;
      for (const problem of problems) {
        const line = problemLine(problem);
        assert(!/[\r\n]/.test(line), JSON.stringify(line));
        assert(problem.key !== "" && line.startsWith(problem.key), line);
        assert(problem.message.length > 5, line);
        // A rule may concern a default that the file does not hold.
        assert(problem.where === "" || /^f\.jsonc:\d+:\d+$/.test(problem.where), line);
      }
      assert.equal(({} as Record<string, unknown>).port, undefined, "no prototype was touched");
    }),
    { numRuns: 500 },
  );
  assert(refused > 250, `only ${refused} of 500 were refused: the inputs are too tame`);
});

Deno.test("config: any text as a file, a variable or a flag never throws", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.string({ unit: fc.constantFrom("{", "}", "[", "]", '"', ":", ",", "/", "*", "\n", "a") }),
      ),
      fc.constantFrom(...settings().map(({ key }) => key).filter((key) => !/[<[]/.test(key))),
      fc.string(),
      async (text, key, value) => {
        const file = await loadConfig({ text });
        assert.equal(file.config === undefined, file.problems.length > 0);
        for (const options of [{ env: { [variableOf(key)]: value } }, { flags: { [key]: value } }]) {
          const { config, problems } = await loadConfig(options);
          assert.equal(config === undefined, problems.length > 0);
          for (const problem of problems) assert(!/[\r\n]/.test(problemLine(problem)));
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("config: a place in a list and a place in a group have distinct names", () => {
  assert.equal(keyOf(["auth", "keys", 1, "alg"]), "auth.keys.1.alg");
  assert.equal(keyOf([]), "(root)");
});

Deno.test("config: a duration or size that was formatted parses to what it was", () => {
  fc.assert(
    fc.property(fc.nat({ max: 1e12 }), (value) => {
      assert.equal(parseDuration(formatDuration(value)), value);
      assert.equal(parseSize(formatSize(value)), value);
    }),
    { numRuns: 300 },
  );
  for (const text of ["", "5", "s", "-1s", "1 s", "1S", "1e3s", "0x1s", "1kb", ".5s", "1.s"]) {
    assert.equal(parseDuration(text), undefined, text);
    assert.equal(parseSize(text), undefined, text);
  }
});

Deno.test("config: the edit distance is zero for the same name, the same both ways, and one for one mistake", () => {
  const name = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(..."abcdefgh") });
  fc.assert(
    fc.property(name, name, fc.nat(), (a, b, n) => {
      assert.equal(distance(a, a), 0);
      assert.equal(distance(a, b), distance(b, a));
      assert(distance(a, b) <= Math.max(a.length, b.length));
      const cut = n % a.length;
      assert.equal(distance(a, a.slice(0, cut) + "z" + a.slice(cut)), 1);
    }),
    { numRuns: 300 },
  );
  assert.equal(distance("prot", "port"), 1);
  assert.equal(distance("PORT", "port"), 0);
});
