import assert from "node:assert/strict";
import { Underway } from "../../src/async/underway.ts";
import { settle } from "../support/clock.ts";

Deno.test("underway: its end waits for what was added meanwhile, and for what fails", async () => {
  const underway = new Underway();
  const first = Promise.withResolvers<number>(), second = Promise.withResolvers<void>();
  assert.equal(underway.add(first.promise), first.promise);
  let isOver = false;
  const over = underway.over().then(() => isOver = true);
  await settle();
  assert.deepEqual([isOver, underway.size], [false, 1]);
  void underway.add(second.promise);
  first.resolve(1);
  await settle();
  assert.deepEqual([isOver, underway.size], [false, 1]);
  // Nobody else looks at it: without a handler the test would fail.
  second.reject(new Error("told of already"));
  await over;
  assert.equal(underway.size, 0);
});

Deno.test("underway: without work its end is at once", async () => {
  await new Underway().over();
});
