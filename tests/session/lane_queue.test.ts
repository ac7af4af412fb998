import assert from "node:assert/strict";
import fc from "fast-check";
import { Encoded } from "../../src/protocol/mod.ts";
import { LaneQueue, type QueuedItem } from "../../src/session/lane_queue.ts";

function item(id: string, size: number, channel?: string): QueuedItem {
  const message = new Encoded({ type: "chat_message", id, timestamp: 0, payload: {} });
  return { message, lane: 1, size, channel, priority: 128 };
}

const idsOf = (items: Iterable<QueuedItem>) => [...items].map(({ message }) => message.message.id);

Deno.test("lane queue: order, length and bytes are those of a plain list", () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        op: fc.constant("push" as const),
        size: fc.integer({ min: 1, max: 300 }),
        channel: fc.constantFrom("chat:a", "chat:b", undefined),
      }),
    },
    { weight: 4, arbitrary: fc.record({ op: fc.constant("take" as const), count: fc.nat(8) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constant("drop" as const),
        channel: fc.constantFrom("chat:a", "chat:b"),
      }),
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const queue = new LaneQueue(1);
      let list: QueuedItem[] = [];
      const sizeOf = (items: readonly QueuedItem[]) => items.reduce((sum, { size }) => sum + size, 0);
      for (const [i, step] of steps.entries()) {
        if (step.op === "push") {
          const one = item(`m${i}`, step.size, step.channel);
          queue.push(one);
          list.push(one);
        } else if (step.op === "take") {
          for (let n = 0; n < step.count; n++) assert.equal(queue.take(false), list.shift());
        } else {
          const gone = list.filter(({ channel }) => channel === step.channel);
          assert.deepEqual(queue.drop(step.channel), { count: gone.length, bytes: sizeOf(gone) });
          list = list.filter(({ channel }) => channel !== step.channel);
        }
        assert.deepEqual([queue.length, queue.bytes], [list.length, sizeOf(list)]);
        assert.deepEqual(idsOf(queue.rest()), idsOf(list));
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("lane queue: a long queue stays in order while it is taken from", () => {
  const queue = new LaneQueue(1);
  let pushed = 0, taken = 0;
  const push = () => queue.push(item(`${pushed++}`, 1));
  const take = () => assert.equal(queue.take(false)?.message.message.id, `${taken++}`);
  for (let i = 0; i < 5000; i++) push();
  for (let i = 0; i < 4000; i++) {
    take();
    if (i % 3 === 0) push();
    assert.equal(queue.length, pushed - taken);
  }
  while (taken < pushed) take();
  assert.equal(queue.take(false), undefined);
});

Deno.test("lane queue: the channels whose deliveries went on its stream are known, the last 256 of them", () => {
  const queue = new LaneQueue(1);
  const send = (channel: string | undefined, forStream = true) => {
    queue.push(item("m", 1, channel));
    queue.take(forStream);
  };
  send("chat:elsewhere", false);
  send(undefined);
  assert.deepEqual([...queue.delivered], []);
  for (let i = 0; i < 300; i++) send(`chat:${i}`);
  assert.deepEqual([...queue.delivered], Array.from({ length: 256 }, (_, i) => `chat:${i + 44}`));
  send("chat:44");
  send("chat:new");
  assert.deepEqual([...queue.delivered].slice(-2), ["chat:44", "chat:new"]);
  assert.ok(![...queue.delivered].includes("chat:45"), "the one that was used longest ago is forgotten");
});
