/** What `settle` may cost. */

import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { DEFAULT_NAMESPACE } from "../../src/hub/mod.ts";
import { uuidv7 } from "../../src/protocol/mod.ts";
import { join, makeHub, say } from "../hub/support.ts";
import { FakeClock } from "../support/clock.ts";
import { Service } from "./support.ts";

const CHANNEL = "chat:a";

/** A service whose channel keeps `count` messages of bob; `reads` says what was read of it. */
function service(count: number) {
  const engine = new MemoryEngine();
  const read = engine.log.read.bind(engine.log);
  const reads: number[] = [];
  engine.log.read = (channel, options) => {
    const page = read(channel, options);
    reads.push(page instanceof Promise ? NaN : page.records.length);
    return page;
  };
  const namespace = () => ({ ...DEFAULT_NAMESPACE, retention: { size: 1_000_000, age: 86_400_000 } });
  const made = makeHub({ engine, namespace });
  for (let i = 0; i < count; i++) say(made.hub, CHANNEL, `m${i}`);
  const clock = new FakeClock();
  return { clock, reads, service: new Service({ clock }, made) };
}

const unknown = () => ({ channel: CHANNEL, ids: [uuidv7()] });

Deno.test("settle: other work gets its turn while a long history is looked through", async () => {
  const { service: made, reads } = service(10_000);
  const ann = await join(made.hub, "s1", "ann");
  let over = false, turns = 0;
  const asked = made.say(ann, "settle", unknown()).then(() => over = true);
  const turn = () => {
    if (over) return;
    turns++;
    setImmediate(turn);
  };
  setImmediate(turn);
  await asked;
  assert.ok(turns >= reads.length / 4 - 1, `${turns} turns in ${reads.length} reads`);
});

Deno.test("settle: a connection reads for one request at a time", async () => {
  const { service: made, reads } = service(2000);
  const ann = await join(made.hub, "s1", "ann");
  const asked = Array.from({ length: 5 }, () => made.say(ann, "settle", unknown()));
  await Promise.all(asked);
  const one = reads.length / 5;
  for (let i = 0; i < 5; i++) {
    assert.equal(reads.slice(i * one, (i + 1) * one).reduce((sum, n) => sum + n, 0), 2000);
  }
});

Deno.test("settle: what a connection may look through is bounded, and comes back with time", async () => {
  const { service: made, clock } = service(50_000);
  const ann = await join(made.hub, "s1", "ann"), eve = await join(made.hub, "s2", "eve");
  for (let i = 0; i < 4; i++) await made.say(ann, "settle", unknown());
  await assert.rejects(made.say(ann, "settle", unknown()), (error: { error: string; retryAfter: number }) => {
    assert.equal(error.error, "rate_limited");
    assert.ok(error.retryAfter > 0 && error.retryAfter < 1000);
    return true;
  });
  await made.say(eve, "settle", unknown());
  await clock.advance(1000);
  await made.say(ann, "settle", unknown());
});

Deno.test("settle: nothing more is read for a connection that has ended", async () => {
  const { service: made, reads } = service(20_000);
  const ann = await join(made.hub, "s1", "ann");
  const asked = made.say(ann, "settle", unknown());
  ann.end();
  await assert.rejects(asked, { error: "not_available" });
  assert.ok(reads.length < 10, `${reads.length} reads`);
});
