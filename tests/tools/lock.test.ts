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
