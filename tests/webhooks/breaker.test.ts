import assert from "node:assert/strict";
import { Breaker, retryDelay } from "../../src/webhooks/breaker.ts";

const breaker = () => new Breaker({ failures: 3, minOpen: 1000, maxOpen: 8000, random: () => 1 });

function fail(one: Breaker, times: number, now = 0): void {
  for (let i = 0; i < times; i++) {
    assert.equal(one.take(now), true);
    one.failed(now);
  }
}

Deno.test("breaker: it opens after some failures in a row", () => {
  const one = breaker();
  fail(one, 2);
  one.succeeded();
  fail(one, 2);
  assert.equal(one.state(0), "closed");
  fail(one, 1);
  assert.equal(one.state(0), "open");
  assert.equal(one.take(999), false);
  assert.equal(one.nextAt(10), 1000);
});

Deno.test("breaker: one request looks whether the endpoint works again", () => {
  const one = breaker();
  fail(one, 3);
  assert.equal(one.state(1000), "probing");
  assert.equal(one.take(1000), true);
  assert.equal(one.take(1000), false);
  assert.equal(one.nextAt(1000), undefined);
  one.succeeded();
  assert.equal(one.state(1000), "closed");
});

Deno.test("breaker: each look that fails makes it wait twice as long, up to a bound", () => {
  const one = breaker();
  fail(one, 3);
  let now = 1000;
  for (const open of [2000, 4000, 8000, 8000]) {
    assert.equal(one.take(now), true);
    one.failed(now);
    assert.equal(one.nextAt(now), now + open);
    now += open;
  }
});

Deno.test("breaker: requests that were under way when it opened change nothing", () => {
  const one = breaker();
  for (let i = 0; i < 10; i++) assert.equal(one.take(0), true);
  for (let i = 0; i < 10; i++) one.failed(0);
  assert.equal(one.nextAt(0), 1000);
});

Deno.test("breaker: an endpoint that asks to be left alone is", () => {
  const one = breaker();
  fail(one, 2);
  one.take(0);
  one.failed(0, 5000);
  assert.equal(one.nextAt(0), 5000);
});

Deno.test("breaker: a probe that came to nothing lets another one go", () => {
  const one = breaker();
  fail(one, 3);
  one.take(1000);
  one.gaveUp();
  assert.equal(one.take(1000), true);
});

Deno.test("retries: delays double up to the longest, between a half and the whole", () => {
  const bounds = { minDelay: 100, maxDelay: 1000 };
  assert.deepEqual([1, 2, 3, 4, 5, 99].map((n) => retryDelay(n, bounds, () => 1)), [
    100,
    200,
    400,
    800,
    1000,
    1000,
  ]);
  assert.equal(retryDelay(1, bounds, () => 0), 50);
});
