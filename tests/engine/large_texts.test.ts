import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";

const CHANNEL = "chat:a";

/** Texts around the size from which they are kept as bytes, of characters of one to four bytes and halves of a pair. */
const text = fc.tuple(
  fc.constantFrom(0, 10, 8191, 8192, 8193, 20_000),
  fc.constantFrom("a", "é", "語", "👋", "\ud800", "a👋\udc00"),
  fc.string(),
).map(([length, letters, start]) => start + letters.repeat(Math.ceil(length / letters.length)));

const payload = fc.dictionary(fc.constantFrom("text", "data", "other"), text, {
  minKeys: 1,
  noNullPrototype: true,
});

/** Validates: a history gives back what was published, however often the blocks of its texts were used again. */
Deno.test("Feature: quic-transport, Property 93: large texts in memory come back as they were, in pages that stay as they are", () => {
  fc.assert(
    fc.property(
      fc.array(payload, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 4 }),
      (payloads, size) => {
        const engine = new MemoryEngine();
        const pages: [readonly { payload: unknown }[], unknown[]][] = [];
        payloads.forEach((payload, at) => {
          const record = { type: "chat_message", id: `m${at}`, from: "ann", timestamp: Date.now(), payload };
          engine.log.publish(CHANNEL, record, { retention: { size, age: 60_000 } });
          const expected = payloads.slice(Math.max(0, at + 1 - size), at + 1);
          pages.push([engine.log.read(CHANNEL).records, expected]);
          const last = engine.log.get(CHANNEL, at + 1).record;
          assert.deepEqual({ ...last }, { ...record, offset: at + 1, prev: at });
          assert.deepEqual(Object.keys(last!.payload), Object.keys(payload));
        });
        // Looked at now, when the blocks that some were read from hold others.
        for (const [read, expected] of pages) {
          assert.deepEqual(read.map(({ payload }) => payload), expected);
        }
        engine.close();
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("large texts: an edit takes the place of one", () => {
  const engine = new MemoryEngine();
  const retention = { size: 10, age: 60_000 };
  const record = (id: string, payload: Record<string, unknown>) => ({
    type: "chat_message",
    id,
    from: "ann",
    timestamp: Date.now(),
    payload,
  });
  const first = "a".repeat(9000), second = "é".repeat(9000), third = "b".repeat(9000);
  engine.log.publish(CHANNEL, record("one", { text: first }), { retention });
  engine.log.publish(CHANNEL, record("two", { text: second }), { retention });
  const edit = { kind: "replace", target: 1, content: { text: third } } as const;
  engine.log.publish(CHANNEL, record("edit", { target: 1, text: third }), { retention, edit });
  const texts = engine.log.read(CHANNEL, { limit: 10 }).records.map(({ payload }) => payload.text);
  assert.deepEqual(texts, [third, second, third]);
  const [newest] = engine.log.read(CHANNEL, { reverse: true, limit: 1 }).records;
  assert.equal(newest!.payload.text, third);
  engine.close();
});
