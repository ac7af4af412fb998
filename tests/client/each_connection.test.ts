/** What is told to the service with each connection, and again when it could not be told. */

import assert from "node:assert/strict";
import { eachConnection } from "../../src/client/each_connection.ts";
import type { SkeinClient } from "../../src/client/mod.ts";
import { FakeClock } from "../support/clock.ts";

/** A client of which only its connection counts. */
class Line {
  isUp = true;
  connect: () => void = () => {};
  readonly client = {
    manager: { isConnected: () => this.isUp },
    on: (_: string, listener: () => void) => {
      this.connect = listener;
      return () => this.connect = () => {};
    },
  } as unknown as SkeinClient;
}

Deno.test("each connection: what failed is tried again while there is a connection, later each time", async () => {
  const clock = new FakeClock(), line = new Line(), errors: unknown[] = [];
  let calls = 0, works = false;
  const act = () => ++calls > 0 && works ? Promise.resolve() : Promise.reject(new Error("late"));
  const end = eachConnection(line.client, clock, act, (error) => errors.push(error));
  await clock.advance(0);
  assert.equal(calls, 1);
  await clock.advance(2_000);
  assert.equal(calls, 2);
  await clock.advance(2_000);
  assert.equal(calls, 2);
  await clock.advance(2_000);
  assert.equal(calls, 3);
  assert.equal(errors.length, 3);
  line.isUp = false;
  await clock.advance(3_600_000);
  assert.equal(calls, 3);
  line.isUp = works = true;
  line.connect();
  await clock.advance(3_600_000);
  assert.equal(calls, 4);
  assert.equal(clock.pending, 0);
  end();
});

Deno.test("each connection: a connection that comes during a call is told after it, not beside it", async () => {
  const clock = new FakeClock(), line = new Line();
  const answers: (() => void)[] = [];
  const act = () => new Promise<void>((resolve) => answers.push(resolve));
  const end = eachConnection(line.client, clock, act, () => {});
  line.connect();
  line.connect();
  await clock.advance(0);
  assert.equal(answers.length, 1);
  answers[0]!();
  await clock.advance(0);
  assert.equal(answers.length, 2);
  answers[1]!();
  await clock.advance(3_600_000);
  assert.equal(answers.length, 2);
  end();
});

Deno.test("each connection: nothing is tried after its end", async () => {
  const clock = new FakeClock(), line = new Line(), errors: unknown[] = [];
  let calls = 0;
  const act = () => ++calls > 0 ? Promise.reject(new Error("late")) : Promise.resolve();
  eachConnection(line.client, clock, act, (error) => errors.push(error))();
  await clock.advance(3_600_000);
  line.connect();
  assert.deepEqual([calls, errors.length, clock.pending], [1, 0, 0]);
});
