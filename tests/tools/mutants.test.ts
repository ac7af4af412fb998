import assert from "node:assert/strict";
import { apply, findMutants, tokenize } from "./mutants.ts";

/** The faults of a source, each as the source that has it. */
const all = (source: string, kind?: string) =>
  findMutants(source).filter((mutant) => kind === undefined || mutant.kind === kind)
    .map((mutant) => apply(source, mutant));

Deno.test("mutants: conditions are negated, comparisons and logic swapped", () => {
  assert.deepEqual(all("if (a) b = c;"), ["if (!(a)) b = c;"]);
  assert.deepEqual(all("x = a < b;"), ["x = a <= b;"]);
  assert.deepEqual(all("x = a > b ? a : b;"), [], "equal ones are the same");
  assert.deepEqual(all("x = a > b ? a : c;"), ["x = a >= b ? a : c;"]);
  assert.deepEqual(all("x = a !== b;"), ["x = a === b;"]);
  assert.deepEqual(all("x = a && b;"), ["x = a || b;"]);
  assert.deepEqual(all("while (a(b)) c = d;", "condition"), ["while (!(a(b))) c = d;"]);
});

Deno.test("mutants: arithmetic is turned around", () => {
  assert.deepEqual(all("x = a + b;"), ["x = a - b;"]);
  assert.deepEqual(all("x -= a;"), ["x += a;"]);
  assert.deepEqual(all("x++;"), ["x--;"]);
  assert.deepEqual(all("x = -a;"), []);
});

Deno.test("mutants: a call that stands alone is dropped, and no other statement", () => {
  assert.deepEqual(all("a.b(c);"), [";"]);
  assert.deepEqual(all("void this.#b(c).then(d);"), [";"]);
  assert.deepEqual(all("if (a) this.b?.(c);", "call"), ["if (a) ;"]);
  assert.deepEqual(all("x = a(b);"), []);
  assert.deepEqual(all("return a(b);"), []);
  assert.deepEqual(all("const x = { a(b) { c(); } };"), ["const x = { a(b) { ; } };"]);
});

Deno.test("mutants: numbers and truths change", () => {
  assert.deepEqual(all("x = 0;"), ["x = 1;"]);
  assert.deepEqual(all("x = 10_000;"), ["x = 20000;"]);
  assert.deepEqual(all("x = true;"), ["x = false;"]);
  assert.deepEqual(all("x = 1n;"), []);
  assert.deepEqual(all("x = (a ?? 0) > LIMIT;", "constant"), [], "1 is below the limit as well");
  assert.deepEqual(all("x = (a ?? 0) > b;", "constant"), ["x = (a ?? 1) > b;"]);
});

Deno.test("mutants: functions return at once", () => {
  assert.deepEqual(all("function a(): void { x = y; }"), ["function a(): void { return; x = y; }"]);
  assert.equal(all("function a(): boolean { return b; }").length, 2);
  assert.match(all("async function a(): Promise<void> { x = y; }")[0]!, /return Promise.resolve\(\);/);
});

Deno.test("mutants: texts, comments, types and imports stay as they are", () => {
  for (
    const source of [
      'x = "a < b && 1";',
      "x = `a ${b < `${c}`} 1`;",
      "// a < b 1\n/* 2 */",
      "x = /a && [/] 1/;",
      "interface A { b: 1; c(): true }",
      "type A = 1 | { b: 2 };",
      'import { a } from "b1";',
      "const a: Map<string, Set<number>> = b;",
    ]
  ) assert.deepEqual(all(source), [], source);
});

Deno.test("mutants: each says its line and what changes", () => {
  const [mutant] = findMutants("\n\nx = a < b;");
  assert.deepEqual([mutant!.line, mutant!.change], [3, "< -> <="]);
});

Deno.test("mutants: every source of ours is split into tokens that are its text without spaces and comments", async () => {
  const root = new URL("../../src/", import.meta.url);
  for (const room of ["session", "hub", "client/session"]) {
    for await (const { name } of Deno.readDir(new URL(room, root))) {
      if (!name.endsWith(".ts")) continue;
      const source = await Deno.readTextFile(new URL(`${room}/${name}`, root));
      let at = 0;
      for (const { start, end, text } of tokenize(source)) {
        assert.match(source.slice(at, start), /^(\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*$/, `${room}/${name}`);
        assert.equal(source.slice(start, end), text);
        at = end;
      }
    }
  }
});
