import assert from "node:assert/strict";
import {
  badProperties,
  badTestNames,
  brokenLinks,
  documentationProblems,
  foreignHosts,
  headings,
  MAX_LINES,
  strayTopLevel,
  tooLong,
  undocumented,
  unfinished,
  untestedProperties,
  withConfiguration,
} from "./repository.ts";

/** Code files below a directory, named from the root. */
async function filesIn(directory: string, root: URL): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(directory, root))) {
    if (isDirectory) found.push(...await filesIn(`${directory}${name}/`, root));
    else if (name.endsWith(".ts")) found.push(directory + name);
  }
  return found;
}

const file = (path: string, text: string) => new Map([[path, text]]);

Deno.test("repository: a code file may have as many lines as the limit and not one more", () => {
  for (const [path, most] of [["src/a.ts", MAX_LINES.src], ["tests/a.ts", MAX_LINES.other]] as const) {
    assert.deepEqual(tooLong(file(path, "x\n".repeat(most))), []);
    assert.deepEqual(tooLong(file(path, "x\n".repeat(most + 1))), [
      `${path}: ${most + 1} lines, at most ${most}`,
    ]);
  }
  assert.deepEqual(tooLong(file("src/a.md", "x\n".repeat(1000))), []);
});

Deno.test("repository: the compiled program includes every worker, and nothing that is not there", async () => {
  const root = new URL("../../", import.meta.url);
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const included = [...tasks.compile.matchAll(/--include (src\/\S+)/g)].map(([, path]) => path as string);
  for (const path of included) assert.ok((await Deno.stat(new URL(path, root))).isFile, path);
  const workers: string[] = [];
  for (const path of await filesIn("src/", root)) {
    const text = await Deno.readTextFile(new URL(path, root));
    for (const [, name] of text.matchAll(/new Worker\(\s*new URL\("([^"]+)", import\.meta\.url\)/g)) {
      workers.push(new URL(name!, new URL(path, root)).href.slice(root.href.length));
    }
  }
  assert.ok(workers.length > 0);
  assert.deepEqual(included.sort(), workers.sort());
});

Deno.test("repository: marks of unfinished work are found with their line", () => {
  assert.deepEqual(unfinished(file("a.ts", `ok\n// ${"TO" + "DO"}: later`)), [`a.ts:2: ${"TO" + "DO"}`]);
  assert.deepEqual(unfinished(file("a.ts", "const todos = 1;")), []);
});

Deno.test("repository: tests that are switched off in their source are found, other uses of the word are not", () => {
  const off = "Deno.test." + "ignore";
  assert.deepEqual(unfinished(file("a.test.ts", `${off}("x", () => {});`)), [`a.test.ts:1: ${off}`]);
  assert.equal(unfinished(file("a.test.ts", "ignore" + ": true")).length, 1);
  assert.equal(unfinished(file("a.test.ts", "Deno.test." + "only(")).length, 1);
  assert.deepEqual(unfinished(file("a.ts", "ignore" + ": true")), []);
});

Deno.test("repository: relative links that lead nowhere are found, and those to missing headings", () => {
  const files = new Map([
    [
      "docs/a.md",
      "[b](b.md) [no](c.md) [up](../src/) [out](https://example.org/x) [h](#a-title) [g](b.md#gone)",
    ],
    ["docs/b.md", "# B\n## Here it is\n`[code](nowhere.md)`\n```\n[code](nowhere.md)\n```\n"],
  ]);
  files.set("docs/a.md", files.get("docs/a.md")! + "\n# A title\n");
  const found = brokenLinks(files, (path) => ["docs/a.md", "docs/b.md", "src"].includes(path));
  assert.deepEqual(found, ["docs/a.md:1: c.md leads nowhere", "docs/a.md:1: no heading #gone in docs/b.md"]);
});

Deno.test("repository: headings become anchors as GitHub makes them", () => {
  const anchors = headings("# The `quic/` room, v2\n## Again\n## Again\n```\n# not one\n```\n");
  assert.deepEqual([...anchors], ["the-quic-room-v2", "again", "again-1"]);
});

Deno.test("repository: a stranger at the top of the repository is found once", () => {
  assert.deepEqual(strayTopLevel(["src/a.ts", "docs/a.md", "docs/b.md", "main.ts"]), ["docs at the top"]);
});

/** A file with property tests of these tags; each says what it validates. */
const tagged = (...tags: string[]) =>
  tags.map((tag) => `/** Validates: it. */\nDeno.test("Feature: quic-transport, ${tag}", () => {});\n`).join(
    "",
  );

Deno.test("repository: property tests keep their form and their number of runs", () => {
  const good = tagged("Property 6: round trip") + "fc.assert(p, { numRuns: 1_000 });";
  assert.deepEqual(badProperties(file("a.test.ts", good)), []);
  assert.equal(badProperties(file("a.test.ts", good.replace("1_000", "99"))).length, 1);
  assert.equal(badProperties(file("a.test.ts", good.replace("Property 6", "Property six"))).length, 1);
  assert.equal(badProperties(file("a.test.ts", good.replace("Property 6", "property 6"))).length, 1);
});

Deno.test("repository: property tests say what they validate", () => {
  const missing = [`a.test.ts: no comment "/** Validates: ... */" above Property 6: round trip`];
  const good = tagged("Property 6: round trip");
  assert.deepEqual(badProperties(file("a.test.ts", good.replace("Validates: it", "It"))), missing);
  // The comment of another test does not count.
  const between = good.replace("\nDeno", "\nconst a = 1;\nDeno");
  assert.deepEqual(badProperties(file("a.test.ts", between)), missing);
});

Deno.test("repository: a number and a title name one property, and each of its tests another part", () => {
  const lanes = ["Property 9: lanes by type (one)", "Property 9: lanes by type (two)"];
  assert.deepEqual(badProperties(file("a.test.ts", tagged("Property 9: lanes by type", ...lanes))), []);
  assert.deepEqual(
    badProperties(new Map([["tests/a.test.ts", tagged(lanes[0]!)], ["tests/b.test.ts", tagged(lanes[0]!)]])),
    [`tests/b.test.ts: the same tag stands in tests/a.test.ts: Feature: quic-transport, ${lanes[0]}`],
  );
  assert.deepEqual(
    badProperties(file("a.test.ts", tagged(lanes[0]!, "Property 9: other", "Property 12: more"))),
    [
      'a.test.ts: Property 9 of quic-transport is "lanes by type" in a.test.ts; "other" may have number 13',
    ],
  );
  assert.deepEqual(badProperties(file("a.test.ts", tagged(lanes[0]!, "Property 3: lanes by type"))), [
    'a.test.ts: "lanes by type" is Property 9 in a.test.ts, not 3',
  ]);
});

Deno.test("repository: each property of the design has a test", () => {
  const tags = Array.from({ length: 26 }, (_, at) => `Property ${at + 1}: title ${at + 1}`);
  assert.deepEqual(untestedProperties(file("a.test.ts", tagged(...tags))), []);
  assert.deepEqual(untestedProperties(file("a.test.ts", tagged(...tags.slice(1)))), [
    'no test is tagged "Feature: quic-transport, Property 1: ..."',
  ]);
});

Deno.test("repository: a test name begins with its area and claims one thing", () => {
  const named = (...names: string[]) =>
    badTestNames(file("a.test.ts", names.map((name) => `\nDeno.test("${name}", () => {});`).join("")));
  assert.deepEqual(
    named("resume: once", "h3/qpack 1.1: once", "Feature: quic-transport, Property 1: a, b"),
    [],
  );
  assert.deepEqual(named("", "Resume: once", "what was missed comes once", "a: one; two"), [
    "a.test.ts:2: does not begin with its area: ",
    "a.test.ts:3: does not begin with its area: Resume: once",
    "a.test.ts:4: does not begin with its area: what was missed comes once",
    "a.test.ts:5: claims two things: a: one; two",
  ]);
});

Deno.test("repository: a test name is found in every form of a test, and left alone where it is computed", () => {
  const source = [
    'testWith(\n  ["chromium", "firefox"],\n  "Page", f);',
    'Deno.test({ name: "Bare", fn });',
    "  test(`Over ${kind}`, f);",
    "Deno.test(`over ${kind}: works`, f);",
    "Deno.test(`${name} (${kind})`, f);",
    "Deno.test(name, f);",
  ].join("\n");
  const found = badTestNames(file("a.test.ts", source)).map((line) => line.split(": ").at(-1));
  assert.deepEqual(found, ["Page", "Bare", "Over ${kind}"]);
});

Deno.test("repository: addresses of other people's hosts are found", () => {
  const own =
    "http://127.0.0.1:80 wss://chat.example https://a.example.com/x quic://host http://www.w3.org/svg";
  assert.deepEqual(foreignHosts(file("a.md", own)), []);
  assert.deepEqual(foreignHosts(file("a.md", `${own}\nhttps://${"elsewhere"}.dev/x`)), [
    "a.md:2: elsewhere.dev",
  ]);
});

Deno.test("repository: names that the protocol document leaves out are found", () => {
  const text = '`ping {}` is answered by `pong`; {"type": "error"}';
  assert.deepEqual(undocumented(["ping", "pong", "error", "close"], text), ["close is not in PROTOCOL.md"]);
});

Deno.test("repository: documentation problems are those of exports and of private types of our own", () => {
  const text =
    `import * as v from "valibot";\nexport class A {\n  member = 1;\n}\nexport type B = v.GenericSchema | Own;\n`;
  const entry = (code: string, message: string, line: number) =>
    `error[${code}]: ${message}\n   --> /r/src/a.ts:${line}:3\n    |\n`;
  const output = entry("missing-jsdoc", "no JSDoc", 2) + entry("missing-jsdoc", "no JSDoc", 3) +
    entry("private-type-ref", "public type 'B' references private type 'GenericSchema'", 5) +
    entry("private-type-ref", "public type 'B' references private type 'Own'", 5);
  assert.deepEqual(documentationProblems(output, file("src/a.ts", text), "/r/"), [
    "src/a.ts:2: no JSDoc",
    "src/a.ts:5: public type 'B' references private type 'Own'",
  ]);
});

Deno.test("repository: the configuration table is put between its marks, and a second time changes nothing", () => {
  const readme = "# A\n<!-- configuration: begin -->\nold\n<!-- configuration: end -->\nrest\n";
  const once = withConfiguration(readme, "| Key |\n| --- |\n");
  assert.match(once, /begin -->\n<!-- deno-fmt-ignore-start -->\n\n\| Key \|[^]*end -->\nrest\n$/);
  assert.ok(!once.includes("old"));
  assert.equal(withConfiguration(once, "| Key |\n| --- |\n"), once);
  assert.throws(() => withConfiguration("# A", ""), /no <!-- configuration/);
});
