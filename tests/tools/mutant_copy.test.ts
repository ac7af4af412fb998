import assert from "node:assert/strict";
import { Copy } from "./mutant_copy.ts";

const FILES = {
  ".gitignore": "ignored.ts\n",
  "ignored.ts": "",
  "deno.json": "{}",
  "src/a.ts": 'export { b } from "./b.ts";\n',
  "src/b.ts": "export const b = 1;\n",
  "src/c.ts": "export const c = 1;\n",
  "tests/deno.lock": '{ "version": "5" }\n',
  "tests/unit/a.test.ts":
    'import { b } from "../../src/a.ts";\nDeno.test("b", () => {\n  if (b !== 1) throw new Error();\n});\n',
  "tests/unit/c.test.ts": 'import { c } from "../../src/c.ts";\nDeno.test("c", () => void c);\n',
  "tests/unit/fails.test.ts":
    'import "../../src/b.ts";\nDeno.test("fails", () => {\n  throw new Error();\n});\n',
};

/** A repository with `FILES`, and a directory for copies of it. */
async function withRepository(body: (root: string, directory: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    for (const [path, text] of Object.entries(FILES)) {
      await Deno.mkdir(`${root}/repository/${path}`.replace(/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${root}/repository/${path}`, text);
    }
    await new Deno.Command("git", { args: ["init", "--quiet"], cwd: `${root}/repository` }).output();
    await body(`${root}/repository/`, `${root}/copies`);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("copy of the repository: a fault is noticed by the tests that import the source", () =>
  withRepository(async (root, directory) => {
    using copy = await Copy.open(root, directory);
    assert.deepEqual(await copy.files("src", ".ts"), ["src/a.ts", "src/b.ts", "src/c.ts"]);
    assert.equal(await Deno.stat(`${copy.tree}ignored.ts`).catch(() => undefined), undefined);
    const tests = await copy.testsOf("tests/unit", "src/b.ts");
    assert.deepEqual(tests.map(({ path }) => path), ["tests/unit/a.test.ts"]);
    assert.equal(await copy.try(tests[0]!), "ok");
    const result = await copy.with("src/b.ts", "export const b = 2;\n", () => copy.try(tests[0]!));
    assert.equal(result, "failed");
    assert.equal(await copy.try(tests[0]!), "ok");
  }));

Deno.test("copy of the repository: it stays as it was made, whatever is edited and wherever a run ended", () =>
  withRepository(async (root, directory) => {
    {
      using copy = await Copy.open(root, directory);
      await Deno.writeTextFile(`${root}src/b.ts`, "export const b = 3;\n");
      await assert.rejects(Copy.open(root, directory), /another run/);
      // What a run leaves that was killed.
      await copy.with("src/b.ts", "export const b = 2;\n", () => Promise.resolve());
      await Deno.writeTextFile(`${directory}/work/src/b.ts`, "export const b = 2;\n");
    }
    using copy = await Copy.open(root, directory);
    assert.equal(await copy.read("src/b.ts"), FILES["src/b.ts"]);
    const [test] = await copy.testsOf("tests/unit", "src/b.ts");
    assert.equal(await copy.with("src/c.ts", "export const c = 2;\n", () => copy.try(test!)), "ok");
  }));
