/** What a function may import, and what is said of what it may not. */

import assert from "node:assert/strict";
import { readSource, TYPES_FILE } from "../../src/functions/source.ts";

async function inFolder(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const outer = await Deno.makeTempDir({ prefix: "skein-functions-" });
  const folder = `${outer}/functions`;
  await Deno.mkdir(folder);
  try {
    for (const [name, text] of Object.entries(files)) {
      const path = `${folder}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(path, text);
    }
    await use(folder);
  } finally {
    await Deno.remove(outer, { recursive: true });
  }
}

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  [
    "a package",
    'import x from "npm:ms";',
    /^main\.ts:2:16: npm:ms: a function imports files of its folder alone/,
  ],
  ["a module of the runtime", 'import fs from "node:fs";', /^main\.ts:2:17: node:fs: /],
  ["a bare name", 'export * from "left-pad";', /^main\.ts:2:16: left-pad: /],
  ["a URL", 'import "https://example.com/x.ts";', /^main\.ts:2:9: https:/],
  ["data", 'import "data:text/javascript,1";', /^main\.ts:2:9: data:/],
  ["a file by its URL", 'import x from "file:///etc/passwd" with { type: "json" };', /^main\.ts:2:16: file:/],
  ["a file by its path", 'import "/etc/passwd";', /^main\.ts:2:9: \/etc\/passwd: /],
  ["a file above the folder", 'import "../above.ts";', /^main\.ts:2:9: \.\.\/above\.ts: outside/],
  ["a file above the folder, in disguise", 'import "./a/../../above.ts";', /^main\.ts:2:9: .*outside/],
  ["a file above the folder, encoded", 'import "./%2e%2e/above.ts";', /^main\.ts:2:9: /],
  ["another kind of file", 'import "./notes.txt";', /^main\.ts:2:9: .*only \.ts, \.js and \.json/],
  ["a missing file", 'import "./missing.ts";', /^main\.ts:2:9: \.\/missing\.ts: no such file$/],
  [
    "a computed name",
    'await import("./" + "lib.ts");',
    /^main\.ts:2:14: import\(\) of a name that is computed/,
  ],
  ["a link out of the folder", 'import "./link.ts";', /^main\.ts:2:9: .*leads out of the folder/],
  [
    "a circle",
    'import "./circle.ts";',
    /^circle\.ts:1:9: a circle of imports: main\.ts -> circle\.ts -> main\.ts$/,
  ],
  ["a syntax error", "const = 1;", /^main\.ts:2:7: /],
  ["a syntax error in another file", 'import "./broken.ts";', /^broken\.ts:3:\d+: /],
  ["an enum", "enum A { B }", /^main\.ts:2:1: TypeScript enum is not supported/],
];

for (const [what, line, said] of REFUSED) {
  Deno.test(`functions: ${what} is refused at load, with the place`, async () => {
    await inFolder({
      "main.ts": `// main\n${line}\n`,
      "lib.ts": "",
      "notes.txt": "",
      "circle.ts": 'import "./main.ts";',
      "broken.ts": "type A = string;\n\nlet a: A = ;\n",
    }, async (folder) => {
      await Deno.writeTextFile(`${folder}/../above.ts`, "");
      await Deno.symlink(`${folder}/../above.ts`, `${folder}/link.ts`);
      await assert.rejects(readSource(folder, "main.ts"), (error: Error & { kind?: string }) => {
        assert.equal(error.kind, "load");
        assert.match(error.message, said);
        return true;
      });
    });
  });
}

Deno.test("functions: files of the folder are brought in the order in which they need each other", async () => {
  await inFolder({
    "main.ts": 'import { a } from "./lib/a.ts";\nimport words from "./words.json" with { type: "json" };\n' +
      'import { defineFunction } from "./skein.ts";\nconst later = await import("./lib/b.js");\n',
    "lib/a.ts": 'export { b as a } from "./b.js";\nimport type { Absent } from "./absent.ts";\n',
    "lib/b.js": "export const b = 1;\n",
    "words.json": "[]",
  }, async (folder) => {
    const { modules, hash } = await readSource(folder, "main.ts");
    assert.deepEqual(modules.map(({ name, json }) => [name, json]), [
      ["lib/b.js", false],
      ["lib/a.ts", false],
      ["words.json", true],
      ["skein.ts", false],
      ["main.ts", false],
    ]);
    assert.deepEqual(modules[4]!.code.filter((part) => typeof part === "number"), [1, 2, 3, 0]);
    await Deno.writeTextFile(`${folder}/lib/b.js`, "export const b = 2;\n");
    assert.notEqual((await readSource(folder, "main.ts")).hash, hash);
  });
});

Deno.test("functions: the file of types in the folder is only a copy", async () => {
  await inFolder({ "main.ts": 'import "./skein.ts";', "skein.ts": "not even TypeScript" }, async (folder) => {
    const { modules } = await readSource(folder, "main.ts");
    assert.equal(modules[0]!.name, TYPES_FILE.name);
    assert.match(String(modules[0]!.code[0]), /defineFunction/);
  });
});

Deno.test("functions: a folder whose files are links inside of it is read, as Kubernetes makes them", async () => {
  await inFolder({ "..2026/main.ts": 'import "./lib.ts";', "..2026/lib.ts": "" }, async (folder) => {
    await Deno.symlink("..2026", `${folder}/..data`);
    for (const name of ["main.ts", "lib.ts"]) await Deno.symlink(`..data/${name}`, `${folder}/${name}`);
    assert.equal((await readSource(folder, "main.ts")).modules.length, 2);
  });
});

Deno.test("functions: more than 4 MiB, or 256 files, are refused", async () => {
  await inFolder(
    { "main.ts": 'import "./big.ts";', "big.ts": `// ${"x".repeat(4 * 1024 * 1024)}` },
    async (folder) => {
      await assert.rejects(readSource(folder, "main.ts"), /more than 4194304 bytes/);
    },
  );
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`lib/${i}.ts`, ""]));
  const main = Object.keys(many).map((name) => `import "./${name}";`).join("\n");
  await inFolder({ ...many, "main.ts": main }, async (folder) => {
    await assert.rejects(readSource(folder, "main.ts"), /more than 256 files/);
  });
});
