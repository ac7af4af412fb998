import assert from "node:assert/strict";
import { withoutExceptions } from "./exceptions.ts";
import { FOR_TESTS, importCircles, readModules, roomCircles, unusedExports } from "./modules.ts";

const read = (files: Record<string, string>) => readModules(new Map(Object.entries(files)));

Deno.test("modules: every form of export is read", () => {
  const source = `
export const one = 1, two = { a: [1, 2], b: "x, y = 3" } as const;
export const typed: Map<string, number> = new Map(), last = (a: number, b = 2) => a + b;
export const { left, right: renamed } = pair;
export let changing = 1;
export function plain() {}
export async function later() {}
export function* many() {}
export class Made {}
export abstract class Base {}
export interface Shape {}
export type Alias<T> = T;
export default class {}
export { inner, type Other as Renamed };
// export const comment = 1;
/*
export const block = 1;
*/
const text = \`
export const quoted = 1;
\`;
`;
  const names = read({ "src/a/a.ts": source }).get("src/a/a.ts")!.exports.map(({ name }) => name);
  assert.deepEqual(names.sort(), [
    "Alias",
    "Base",
    "Made",
    "Renamed",
    "Shape",
    "changing",
    "default",
    "inner",
    "last",
    "later",
    "left",
    "many",
    "one",
    "plain",
    "renamed",
    "two",
    "typed",
  ]);
});

Deno.test("modules: circles of imports are found, also of types and of re-exports", () => {
  const modules = read({
    "src/a/one.ts": `import type { Two } from "./two.ts";`,
    "src/a/two.ts": `export { three } from "./three.ts";`,
    "src/a/three.ts": `import "./one.ts";`,
    "src/a/apart.ts": `import { a } from "./one.ts";`,
  });
  assert.deepEqual(importCircles(modules), ["src/a/one.ts <-> src/a/three.ts <-> src/a/two.ts"]);
});

Deno.test("modules: what is imported when it is needed makes no circle of files", () => {
  const modules = read({
    "src/a/one.ts": `const two = await import("./two.ts");`,
    "src/a/two.ts": `import { one } from "./one.ts";`,
  });
  assert.deepEqual(importCircles(modules), []);
});

Deno.test("modules: circles of rooms are found although no file is in one", () => {
  const modules = read({
    "src/a/one.ts": `import { x } from "../b/one.ts";`,
    "src/b/two.ts": `import { x } from "../c/one.ts";`,
    "src/c/two.ts": `const x = await import("../a/two.ts");`,
    "src/d/one.ts": `import { x } from "../a/one.ts";`,
  });
  assert.deepEqual(importCircles(modules), []);
  assert.deepEqual(roomCircles(modules), ["a/ <-> b/ <-> c/"]);
});

Deno.test("modules: an export that nobody imports is found with its line", () => {
  const modules = read({
    "src/a/a.ts": "const x = 1;\nexport const used = 1;\nexport const unused = used;\n",
    "src/a/b.ts": `import { used } from "./a.ts";`,
  });
  assert.deepEqual(unusedExports(modules, []), ["src/a/a.ts:3: nobody imports unused"]);
});

Deno.test("modules: an export is used through any form of import, and through a door", () => {
  const modules = read({
    "src/a/named.ts": "export const a = 1, b = 2;",
    "src/a/whole.ts": "export const a = 1, b = 2;",
    "src/a/handed.ts": "export const a = 1, b = 2;",
    "src/a/later.ts": "export const a = 1;",
    "src/a/mod.ts": `export * from "./all.ts";\nexport { a as c } from "./some.ts";`,
    "src/a/all.ts": "export const a = 1, b = 2;",
    "src/a/some.ts": "export const a = 1, b = 2;",
    "src/a/door.ts": `export * from "./behind.ts";`,
    "src/a/behind.ts": "export const a = 1;",
    "main.ts": `import { a as x, type b } from "./src/a/named.ts";
import * as whole from "./src/a/whole.ts";
import * as handed from "./src/a/handed.ts";
import { a, c } from "./src/a/mod.ts";
const { a: later } = await import("./src/a/later.ts");
console.log(whole.a, Object.keys(handed));`,
  });
  assert.deepEqual(unusedExports(modules, ["src/a/door.ts"]), [
    "src/a/whole.ts:1: nobody imports b",
    "src/a/all.ts:1: nobody imports b",
    "src/a/some.ts:1: nobody imports b",
  ]);
});

Deno.test("modules: a name that is only passed on is unused at both places", () => {
  const modules = read({
    "src/a/mod.ts": `export { a } from "./a.ts";`,
    "src/a/a.ts": "export const a = 1;",
  });
  assert.deepEqual(unusedExports(modules, []), [
    "src/a/mod.ts:1: nobody imports a",
    "src/a/a.ts:1: nobody imports a",
  ]);
});

Deno.test("modules: a type in a signature of its own module may be exported", () => {
  const modules = read({
    "src/a/a.ts": `export interface Options {}\nexport interface Alone {}\nexport function f(o: Options) {}`,
    "main.ts": `import { f } from "./src/a/a.ts";`,
  });
  assert.deepEqual(unusedExports(modules, []), ["src/a/a.ts:2: nobody imports Alone"]);
});

Deno.test("modules: what only tests import needs the sentence, the test, and a use inside", () => {
  const test = `import { a, b, c } from "../src/a/a.ts";`;
  const docs = `/** Counts. ${FOR_TESTS} */`;
  const source =
    `${docs}\nexport const a = 1;\nexport const b = a;\n${docs}\nexport const c = b;\n${docs}\nexport const d = c + d;`;
  assert.deepEqual(unusedExports(read({ "src/a/a.ts": source, "tests/a.test.ts": test }), []), [
    "src/a/a.ts:3: only tests import b",
    "src/a/a.ts:7: nobody imports d",
  ]);
  const dead = `${docs}\nexport const a = 1;`;
  assert.deepEqual(unusedExports(read({ "src/a/a.ts": dead, "tests/a.test.ts": test }), []), [
    "src/a/a.ts:2: only tests import a",
  ]);
});

Deno.test("exceptions: a finding passes when it begins with an exception", () => {
  assert.deepEqual(withoutExceptions(["src/a/x.ts: 1", "src/b/x.ts: 1"], ["src/a/"]), ["src/b/x.ts: 1"]);
  assert.deepEqual(withoutExceptions(["src/a/x.ts: 1"], []), ["src/a/x.ts: 1"]);
});
