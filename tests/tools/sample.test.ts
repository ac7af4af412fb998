import assert from "node:assert/strict";
import { sample } from "./sample.ts";

const letters = Array.from({ length: 200 }, (_, i) => (i % 50 === 0 ? "rare" : "often") + i);
const kindOf = (letter: string) => letter.replace(/\d+/, "");

Deno.test("sample: the same seed chooses the same, another seed others", () => {
  const chosen = sample(letters, kindOf, 20, 1);
  assert.deepEqual(sample(letters, kindOf, 20, 1), chosen);
  assert.notDeepEqual(sample(letters, kindOf, 20, 2), chosen);
  assert.equal(new Set(chosen).size, 20);
});

Deno.test("sample: a kind with few members is not left out", () => {
  const chosen = sample(letters, kindOf, 8, 1);
  assert.ok(chosen.some((one) => kindOf(one) === "rare"));
});

Deno.test("sample: no more are chosen than there are", () => {
  assert.deepEqual(sample(letters, kindOf, 1000, 1).sort(), [...letters].sort());
});
