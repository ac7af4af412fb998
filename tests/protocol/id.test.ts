import assert from "node:assert/strict";
import fc from "fast-check";
import { isId, uuidv7 } from "../../src/protocol/mod.ts";

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const timeOf = (id: string) => parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

Deno.test("id: an id is a UUID of version 7 and a message id", () => {
  for (let i = 0; i < 2000; i++) {
    const id = uuidv7();
    assert.match(id, FORM);
    assert.ok(isId(id));
  }
});

Deno.test("id: ids rise strictly, even when the clock stands still or steps back", () => {
  let last = uuidv7();
  const steps = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 200 });
  fc.assert(fc.property(steps, (steps) => {
    let now = Date.now();
    for (const step of steps) {
      now += step;
      const id = uuidv7(now);
      assert.ok(id > last, `${id} after ${last}`);
      last = id;
    }
  }));
});

Deno.test("id: more ids than a millisecond can count still rise", () => {
  const now = Date.now() + 60_000;
  let last = uuidv7(now);
  for (let i = 0; i < 20_000; i++) {
    const id = uuidv7(now);
    assert.ok(id > last);
    last = id;
  }
  assert.ok(timeOf(last) - now < 20, "and the time they show runs ahead by little");
});

Deno.test("id: an id shows the time it was made", () => {
  const later = Date.now() + 10_000_000;
  assert.equal(timeOf(uuidv7(later)), later);
});

Deno.test("id: no two ids are the same", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 50_000; i++) seen.add(uuidv7());
  assert.equal(seen.size, 50_000);
});
