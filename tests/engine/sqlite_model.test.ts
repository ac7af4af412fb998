import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { note, withDatabases } from "./sqlite_support.ts";

const CHANNELS = ["chat:a", "chat:b", "chat:c"];
const channel = fc.constantFrom(...CHANNELS);

const publish = fc.record({
  kind: fc.constant("publish" as const),
  /** Together in one turn: they share a commit. */
  messages: fc.array(
    fc.record({ channel, key: fc.option(fc.nat(30), { nil: undefined }), size: fc.nat(60) }),
    { minLength: 1, maxLength: 40 },
  ),
});
const read = fc.record({
  kind: fc.constant("read" as const),
  channel,
  since: fc.option(fc.nat(120), { nil: undefined }),
  limit: fc.integer({ min: 1, max: 50 }),
  reverse: fc.boolean(),
});
const other = fc.record({ kind: fc.constantFrom("sweep" as const, "reopen" as const, "kill" as const) });
const step = fc.oneof(
  { weight: 6, arbitrary: publish },
  { weight: 5, arbitrary: read },
  { weight: 1, arbitrary: other },
);

/**
 * Validates: the SQLite engine is compared with the memory engine over random lives, kills in the middle of writing
 * among them.
 */
Deno.test("Feature: durable-channels, Property 1: whatever is published, read, closed and killed, a database answers as memory does", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.constantFrom(0, 3_000, 64 * 1024 * 1024),
      (steps, cache) =>
        withDatabases(async (databases) => {
          const model = new MemoryEngine({ clock: databases.clock });
          let path = databases.path();
          let engine = await databases.open({ path, cache });
          for (const [at, step] of steps.entries()) {
            databases.now += 10;
            if (step.kind === "publish") {
              const sent = step.messages.map(({ channel, key, size }, i) => {
                const record = note(`${at}-${i}`, databases.now);
                const retention = { size, age: 3_600_000 };
                const options = key === undefined ? { retention } : { retention, dedupeKey: `k${key}` };
                const { offset, duplicate } = model.log.publish(channel, record, options);
                return {
                  expected: { offset, duplicate },
                  published: engine.log.publish(channel, record, options),
                };
              });
              for (const { expected, published } of sent) {
                const { offset, duplicate } = await published;
                assert.deepEqual({ offset, duplicate }, expected);
              }
            } else if (step.kind === "read") {
              const { channel, limit, reverse } = step;
              const { offset: last } = model.log.position(channel);
              const options = step.since === undefined
                ? { limit, reverse }
                : { limit, reverse, since: Math.min(step.since, last) };
              const { epoch: _, ...expected } = model.log.read(channel, options);
              const { epoch: __, ...page } = engine.log.read(channel, options);
              assert.deepEqual(page, expected);
            } else if (step.kind === "sweep") {
              model.sweep();
              engine.sweep();
            } else {
              if (step.kind === "reopen") engine.close();
              else {
                await Deno.copyFile(path, databases.path(`${at}.db`));
                await Deno.copyFile(`${path}-wal`, databases.path(`${at}.db-wal`));
                path = databases.path(`${at}.db`);
              }
              engine = await databases.open({ path, cache });
            }
          }
          for (const channel of CHANNELS) {
            assert.equal(engine.log.position(channel).offset, model.log.position(channel).offset);
          }
        }),
    ),
    { numRuns: 100 },
  );
});
