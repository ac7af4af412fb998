import assert from "node:assert/strict";
import { type Lock, packagesOf, reduceLock } from "./lock.ts";

const LOCK: Lock = {
  version: "5",
  specifiers: { "npm:@a/one@^1.0.0": "1.2.0_two@2.0.0", "npm:two@2": "2.0.0", "npm:driver@7": "7.0.0" },
  npm: {
    "@a/one@1.2.0_two@2.0.0": { integrity: "x", dependencies: ["two", "three@3.1.0"] },
    "driver@7.0.0": { dependencies: ["three@3.0.0", "ring"] },
    "ring@1.0.0": { dependencies: ["driver"] },
    "three@3.0.0": {},
    "three@3.1.0": { optionalDependencies: ["native"] },
    "native@1.0.0": {},
    "two@2.0.0": {},
  },
  workspace: { dependencies: ["npm:driver@7"] },
};

Deno.test("lock: holds the packages of the graph and what they need, in the versions of the whole", () => {
  const reduced = reduceLock(LOCK, ["@a/one@1.2.0_two@2.0.0"]);
  assert.deepEqual(Object.keys(reduced.npm), ["@a/one@1.2.0_two@2.0.0", "three@3.1.0", "two@2.0.0"]);
  assert.deepEqual(Object.keys(reduced.specifiers), ["npm:@a/one@^1.0.0", "npm:two@2"]);
  assert.deepEqual(reduced.workspace, LOCK.workspace);
});

Deno.test("lock: packages that need each other end", () => {
  assert.deepEqual(Object.keys(reduceLock(LOCK, ["ring@1.0.0"]).npm), [
    "driver@7.0.0",
    "ring@1.0.0",
    "three@3.0.0",
  ]);
});

Deno.test("lock: a package that is not locked is an error", () => {
  assert.throws(() => reduceLock(LOCK, ["other@1.0.0"]), /no package other@1.0.0/);
});

Deno.test("lock: packages are read from a module graph", () => {
  const info = { modules: [{ specifier: "file:///a.ts" }, { npmPackage: "two@2.0.0" }] };
  assert.deepEqual(packagesOf(JSON.stringify(info)), ["two@2.0.0"]);
});

Deno.test("lock: what starts the service downloads nothing that tests alone need", async () => {
  const root = new URL("../../", import.meta.url);
  const read = async (path: string) => JSON.parse(await Deno.readTextFile(new URL(path, root)));
  const [whole, own] = await Promise.all(["tests/deno.lock", "deno.lock"].map(read)) as [Lock, Lock];
  const named = (lock: Lock) => new Set(Object.keys(lock.npm).map((key) => key.replace(/(?<=.)@.*$/, "")));
  const [all, needed] = [named(whole), named(own)];
  for (const tool of ["playwright-core", "puppeteer-core", "fast-check", "msgpackr", "react"]) {
    assert.ok(all.has(tool), `${tool} is in the lock of the tests`);
    assert.ok(!needed.has(tool), `${tool} would be downloaded by \`deno task start\``);
  }
  // `deno run` takes the lock beside deno.json when it is told no other.
  const { tasks, lock } = await read("deno.json");
  assert.equal(lock, undefined);
  for (const task of ["start", "compile"]) assert.doesNotMatch(tasks[task], /--lock|tests\//, task);
});
