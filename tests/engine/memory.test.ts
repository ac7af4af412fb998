import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { DedupeWindow } from "../../src/engine/memory/dedupe.ts";
import { ChannelLog } from "../../src/engine/memory/channel.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { MemoryStore } from "../../src/engine/memory/store.ts";
import { PresenceTable } from "../../src/engine/local/presence_table.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { FakeClock } from "../support/clock.ts";
import { conformance } from "./conformance/mod.ts";

for (const offsets of ["channel", "store"] as const) {
  conformance({
    name: offsets === "channel" ? "memory" : "memory with sparse offsets",
    open: ({ clock, dedupeWindow }) => {
      const store = new MemoryStore({ clock, dedupeWindow, offsets });
      const engines: MemoryEngine[] = [];
      const peer = () => {
        const engine = new MemoryEngine({ store });
        engines.push(engine);
        return engine;
      };
      return { engine: peer(), peer, close: () => engines.forEach((engine) => engine.close()) };
    },
    clock: true,
    restart: false,
    peers: true,
  });
}

const note = (timestamp: number) => ({
  type: "chat_message",
  id: "m",
  from: "ann",
  timestamp,
  payload: { text: "m" },
});

Deno.test("memory engine: it answers without a promise", () => {
  const engine = new MemoryEngine();
  const retention = { size: 10, age: 1000 };
  for (
    const answer of [
      engine.log.publish("chat:a", note(0), { retention }),
      engine.log.read("chat:a"),
      engine.log.position("chat:a"),
      engine.log.follow("chat:a", () => {}),
      engine.presence.enter("chat:a", { userId: "ann", sessionId: "s1" }, 1000),
      engine.presence.list("chat:a"),
    ]
  ) assert.equal(answer instanceof Promise, false);
});

Deno.test("memory engine: files take no more memory than is allowed, empty ones neither", async () => {
  const { blobs } = new MemoryEngine({ files: 100_000 });
  const quota = { files: Infinity, bytes: Infinity, total: Infinity };
  const upload = (key: number, size: number) => ({
    key: `${key}`,
    userId: "ann",
    channel: "chat:a",
    name: "a",
    type: "text/plain",
    size,
    sha256: createHash("sha256").update(new Uint8Array(size)).digest("hex"),
  });
  const isFull = (error: unknown) => error instanceof ProtocolError && error.error === "not_available";
  assert.throws(() => blobs.reserve(upload(0, 100_000), quota), isFull);
  blobs.reserve(upload(1, 90_000), quota);
  assert.throws(() => blobs.reserve(upload(2, 10_000), quota), isFull);
  blobs.discard("1");
  let made = 0;
  await assert.rejects(async () => {
    for (; made < 1000; made++) {
      blobs.reserve(upload(made, 0), quota);
      await blobs.write(`${made}`).commit({ fileId: `f${made}`, request: `m${made}`, createdAt: 0 });
    }
  }, isFull);
  assert.ok(made > 10 && made < 1000, `${made}`);
});

Deno.test("memory engine: a channel that was forgotten starts again in another epoch, a followed one never does", () => {
  const clock = new FakeClock();
  const engine = new MemoryEngine({ clock, idle: 10_000, dedupeWindow: 1_000 });
  const retention = { size: 10, age: 1_000 };
  const idle = engine.log.publish("chat:idle", note(0), { retention });
  const followed = engine.log.publish("chat:followed", note(0), { retention });
  engine.log.follow("chat:followed", () => {});
  for (let passed = 0; passed < 20_000; passed += 1_000) {
    clock.sleep(1_000);
    engine.sweep();
  }
  assert.notEqual(engine.log.position("chat:idle").epoch, idle.epoch);
  assert.equal(engine.log.position("chat:idle").offset, 0);
  assert.deepEqual(engine.log.position("chat:followed"), { epoch: followed.epoch, offset: 1 });
  assert.equal(engine.log.publish("chat:followed", note(clock.wall()), { retention }).offset, 2);
});

Deno.test("memory engine: what a listener throws reaches the owner and not the publisher", () => {
  const failures: unknown[] = [];
  const engine = new MemoryEngine({ failed: (error) => failures.push(error) });
  const thrown = new Error("broken listener");
  engine.presence.onChange(() => {
    throw thrown;
  });
  engine.presence.enter("chat:a", { userId: "ann", sessionId: "s1" }, 1000);
  assert.deepEqual(failures, [thrown]);
});

Deno.test("memory engine: the dedupe window stays below its cap and knows at least the newest half of it", () => {
  const window = new DedupeWindow(1_000, 100, () => 0);
  for (let i = 1; i <= 1_000; i++) {
    window.set(`k${i}`, i);
    assert.ok(window.size <= 100);
    for (const back of [0, 10, 49]) {
      if (i > back) assert.equal(window.get(`k${i - back}`), i - back);
    }
  }
  assert.equal(window.get("k1"), undefined);
});

Deno.test("memory engine: a key is known for its window, or until half of the cap has come after it", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("set" as const), count: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 1500 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let now = 0;
      const window = new DedupeWindow(1_000, 100, () => now);
      const at: number[] = [];
      for (const one of steps) {
        if (one.kind === "set") {
          for (let i = 0; i < one.count; i++) window.set(`k${at.push(now)}`, at.length);
        } else {
          now += one.ms;
          window.sweep(now);
        }
        assert.ok(window.size <= 100);
        for (const [i, then] of at.entries()) {
          const isNew = now - then < 1_000 && at.length - i <= 50;
          if (isNew) assert.equal(window.get(`k${i + 1}`), i + 1);
          else if (now - then >= 3_500) assert.equal(window.get(`k${i + 1}`), undefined);
        }
      }
    }),
    { numRuns: 200 },
  );
});

/** Validates: a channel's ring is compared with a plain list: same records, same offsets, same end of the history. */
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
          const stored = log.append(note(last + 1), last + 1, { size: step.size, age: 20 });
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

/** Validates: every lease that is not renewed ends, within one sweep of its time. */
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
      const online = new Set<string>();
      const table = new PresenceTable(time, (_channel, event, { userId }) => {
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
