import assert from "node:assert/strict";
import fc from "fast-check";
import { place, priorityOf } from "../../src/protocol/mod.ts";

interface Item {
  readonly channel: string | undefined;
  readonly n: number;
  readonly said: number;
  priority: number;
}

const channelOf = ({ channel }: Item) => channel;

/** Places messages one after the other, taking some in between; returns all in the order in which they were taken. */
function run(items: readonly Item[], takeAfter: (n: number) => boolean): Item[] {
  const queue: Item[] = [], taken: Item[] = [];
  for (const item of items) {
    place(queue, 0, item, channelOf);
    if (takeAfter(item.n)) taken.push(queue.shift()!);
  }
  return [...taken, ...queue];
}

function item(channel: string | undefined, priority: number, n: number): Item {
  return { channel, n, said: priority, priority };
}

const said = fc.array(
  fc.record({
    channel: fc.constantFrom("chat:a", "chat:b", "chat:c", undefined),
    priority: fc.constantFrom(64, 128, 192),
    taken: fc.boolean(),
  }),
  { maxLength: 80 },
);

/** Validates: whatever priorities messages have, those of a channel keep their order, and none is lost or doubled. */
Deno.test("Feature: quic-transport, Property 70: priority never breaks the order of a channel", () => {
  fc.assert(
    fc.property(said, (said) => {
      const items = said.map(({ channel, priority }, n) => item(channel, priority, n));
      const out = run(items, (n) => said[n]!.taken);
      assert.deepEqual(out.map(({ n }) => n).toSorted((a, b) => a - b), items.map(({ n }) => n));
      for (const channel of ["chat:a", "chat:b", "chat:c", undefined]) {
        const own = out.filter((item) => item.channel === channel).map(({ n }) => n);
        assert.deepEqual(own, own.toSorted((a, b) => a - b), `${channel}`);
      }
    }),
    { numRuns: 500 },
  );
});

/** Validates: of what waits between two messages without a channel, a channel with a more urgent one goes first. */
Deno.test("Feature: quic-transport, Property 71: the channel with the most urgent message goes first", () => {
  fc.assert(
    fc.property(said, (said) => {
      const items = said.filter(({ channel }) => channel !== undefined)
        .map(({ channel, priority }, n) => item(channel, priority, n));
      const out = run(items, () => false);
      // As urgent as the most urgent of its channel from here on.
      const urgency = out.map(({ channel }, at) =>
        Math.max(...out.slice(at).filter((later) => later.channel === channel).map(({ said }) => said))
      );
      assert.deepEqual(urgency, urgency.toSorted((a, b) => b - a));
    }),
    { numRuns: 500 },
  );
});

Deno.test("priority: a message without a channel is overtaken by nothing", () => {
  const items = [
    item("chat:a", 64, 0),
    item(undefined, 128, 1),
    item("chat:a", 64, 2),
    item("chat:b", 192, 3),
  ];
  assert.deepEqual(run(items, () => false).map(({ n }) => n), [0, 1, 3, 2]);
});

Deno.test("priority: an urgent message overtakes 512 others and no more", () => {
  const items = Array.from({ length: 600 }, (_, n) => item("chat:a", 64, n));
  const out = run([...items, item("chat:b", 192, 600)], () => false);
  assert.equal(out.findIndex(({ n }) => n === 600), 600 - 512);
});

Deno.test("priority: a name that is not known counts as normal", () => {
  assert.deepEqual(["high", "normal", "low", "now", undefined, 5, "toString"].map(priorityOf), [
    192,
    128,
    64,
    128,
    128,
    128,
    128,
  ]);
});
