import assert from "node:assert/strict";
import fc from "fast-check";
import { DedupeWindow } from "../../src/engine/dedupe.ts";
import { ChannelLog } from "../../src/engine/log.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { PresenceTable } from "../../src/engine/presence.ts";
import { conformance } from "./conformance.ts";

conformance({
  name: "memory",
  open: (options) => {
    const engine = new MemoryEngine(options);
    return { engine, close: () => engine.close() };
  },
  clock: true,
  restart: false,
  peers: false,
});

const note = (timestamp: number) => ({
  type: "chat_message",
  id: "m",
  from: "ann",
  timestamp,
  payload: { text: "m" },
});

Deno.test("the memory engine answers without a promise", () => {
  const engine = new MemoryEngine();
  const retention = { size: 10, age: 1000 };
  for (
    const answer of [
      engine.publish("chat:a", note(0), { retention }),
      engine.read("chat:a"),
      engine.position("chat:a"),
      engine.follow("chat:a", () => {}),
      engine.presenceEnter("chat:a", { userId: "ann", sessionId: "s1" }, 1000),
      engine.presence("chat:a"),
    ]
  ) assert.equal(answer instanceof Promise, false);
});

Deno.test("a channel that was forgotten starts again in another epoch, a followed one never does", () => {
  let time = 0;
  const engine = new MemoryEngine({ now: () => time, idle: 10_000, dedupeWindow: 1_000 });
  const retention = { size: 10, age: 1_000 };
  const idle = engine.publish("chat:idle", note(0), { retention });
  const followed = engine.publish("chat:followed", note(0), { retention });
  engine.follow("chat:followed", () => {});
  for (time = 1_000; time <= 20_000; time += 1_000) engine.sweep(time);
  assert.notEqual(engine.position("chat:idle").epoch, idle.epoch);
  assert.equal(engine.position("chat:idle").offset, 0);
  assert.deepEqual(engine.position("chat:followed"), { epoch: followed.epoch, offset: 1 });
  assert.equal(engine.publish("chat:followed", note(time), { retention }).offset, 2);
});

Deno.test("what a listener throws reaches the owner and not the publisher", () => {
  const failures: unknown[] = [];
  const engine = new MemoryEngine({ failed: (error) => failures.push(error) });
  const thrown = new Error("broken listener");
  engine.onPresence(() => {
    throw thrown;
  });
  engine.presenceEnter("chat:a", { userId: "ann", sessionId: "s1" }, 1000);
  assert.deepEqual(failures, [thrown]);
});

Deno.test("the dedupe window stays below its cap and knows at least the newest half of it", () => {
  const window = new DedupeWindow(1_000, 100, 0);
  for (let i = 1; i <= 1_000; i++) {
    window.set(`k${i}`, i);
    assert.ok(window.size <= 100);
    for (const back of [0, 10, 49]) {
      if (i > back) assert.equal(window.get(`k${i - back}`), i - back);
    }
  }
  assert.equal(window.get("k1"), undefined);
});

Deno.test("Feature: quic-transport, Property 30: a channel's ring keeps what a plain list would", () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant("append" as const), size: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("expire" as const), back: fc.nat(30) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("read" as const),
        since: fc.option(fc.nat(80), { nil: undefined }),
        limit: fc.integer({ min: 1, max: 50 }),
        reverse: fc.boolean(),
      }),
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const log = new ChannelLog("e", 0);
      let kept: { offset: number; timestamp: number }[] = [];
      let last = 0;
      for (const step of steps) {
        if (step.kind === "append") {
          const stored = log.append(note(last + 1), { size: step.size, age: 20 });
          assert.equal(stored.prev, last);
          assert.equal(stored.offset, ++last);
          kept = [...kept, { offset: last, timestamp: last }];
          kept = step.size === 0 ? [] : kept.slice(-step.size);
        } else if (step.kind === "expire") {
          const now = last + step.back;
          log.expire(now);
          kept = kept.filter(({ timestamp }) => timestamp + 20 > now);
        } else {
          const { since, limit, reverse } = step;
          const page = log.read(since === undefined ? { limit, reverse } : { since, limit, reverse });
          const found = reverse
            ? kept.filter(({ offset }) => since === undefined || offset < since).reverse()
            : kept.filter(({ offset }) => offset > (since ?? 0));
          assert.deepEqual(
            page.records.map(({ offset }) => offset),
            found.slice(0, limit).map(({ offset }) => offset),
          );
          assert.equal(page.offset, last);
          if (!reverse && since !== undefined) {
            const first = kept[0]?.offset ?? last + 1;
            assert.equal(page.complete, since + 1 >= first);
          }
        }
        assert.equal(log.size, kept.length);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("Feature: quic-transport, Property 31: a lease ends within a second of its time and never before it", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("enter" as const),
      session: fc.nat(5),
      ttl: fc.integer({ min: 100, max: 9_000 }),
    }),
    fc.record({ kind: fc.constant("leave" as const), session: fc.nat(5) }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 4_000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      let time = 10_000;
      const table = new PresenceTable(time);
      const online = new Set<string>();
      table.listen((_channel, event, { userId }) => {
        assert.equal(event === "online", !online.has(userId));
        if (event === "online") online.add(userId);
        else online.delete(userId);
      });
      const due = new Map<string, number>();
      for (const step of steps) {
        if (step.kind === "pass") {
          time += step.ms;
          table.sweep(time);
          for (const [session, at] of due) if (at + 1_000 <= time) due.delete(session);
        } else {
          const sessionId = `s${step.session}`;
          if (step.kind === "enter") {
            table.enter("chat:a", { userId: `u${step.session % 3}`, sessionId }, time + step.ttl);
            due.set(sessionId, time + step.ttl);
          } else {
            table.leave("chat:a", sessionId);
            due.delete(sessionId);
          }
        }
        const here = new Set(table.on("chat:a").map(({ sessionId }) => sessionId));
        for (const session of here) assert.ok(due.has(session), `${session} is past its lease`);
        for (const [session, at] of due) if (at > time) assert.ok(here.has(session), `${session} is missing`);
        assert.deepEqual(online, new Set(table.on("chat:a").map(({ userId }) => userId)));
      }
    }),
    { numRuns: 300 },
  );
});
