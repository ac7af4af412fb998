import assert from "node:assert/strict";
import fc from "fast-check";
import { Encoded, EncodedBatch, type Payload, type Queueing } from "../../src/protocol/mod.ts";
import { Outbox, type OutboxEvents } from "../../src/session/outbox.ts";

function encoded(type: string, payload: Payload = {}): Encoded {
  return new Encoded({ type, id: "id", timestamp: 1, payload });
}

function outbox(max: number, events: Partial<OutboxEvents> = {}) {
  const log: string[] = [];
  const box = new Outbox(max, () => "json", {
    stopped: (channel, dropped) => void log.push(`stopped ${channel} ${dropped}`),
    dropped: (grade, count) => void log.push(`${grade} ${count}`),
    overflow: () => void log.push("overflow"),
    ...events,
  });
  return { box, log };
}

function drain(box: Outbox, lane?: number): string[] {
  const out: string[] = [];
  for (let item = box.take(lane); item !== undefined; item = box.take(lane)) {
    out.push(item.message.message.type);
  }
  return out;
}

Deno.test("outbox: without lanes, messages leave by the priority of theirs, and in order within one", () => {
  const { box } = outbox(1 << 20);
  for (
    const [type, lane] of [["file_a", 100], ["bot_a", 200], ["chat_a", 1], ["doc_a", 300], ["ack_a", 0], [
      "chat_b",
      1,
    ], ["ack_b", 0]] as const
  ) {
    box.push(encoded(type), lane);
  }
  assert.deepEqual(drain(box), ["ack_a", "ack_b", "doc_a", "chat_a", "chat_b", "bot_a", "file_a"]);
  assert.equal(box.bytes, 0);
  assert.equal(box.length, 0);
});

Deno.test("outbox: what waits for a lane that is gone leaves on lane 0", () => {
  const { box } = outbox(1 << 20);
  box.push(encoded("chat_a"), 5);
  box.add(encoded("typing_start"), 5);
  box.reroute(5);
  assert.deepEqual(drain(box, 5), []);
  assert.deepEqual(drain(box, 0), ["chat_a", "typing_start"]);
});

Deno.test("outbox: a newer value takes the place of the older one", () => {
  const { box, log } = outbox(1 << 20);
  const ann = { channel: "chat:a", from: "ann" };
  box.add(encoded("typing_start", ann), 1);
  box.add(encoded("typing_stop", ann), 1);
  assert.deepEqual(drain(box), ["typing_stop"]);
  assert.deepEqual(log, ["coalesced 1"]);
});

/** A message of a type that may be dropped, each of which counts. */
class Ephemeral extends Encoded {
  override get queueing(): Queueing {
    return { policy: "ephemeral", key: "", datagram: false, priority: 128 };
  }
}

Deno.test("outbox: ephemeral messages do not replace one another", () => {
  const { box, log } = outbox(1 << 20);
  const ids = ["a", "b", "c", "d", "e"];
  for (const id of ids) box.add(new Ephemeral({ type: "peer_move", id, timestamp: 1, payload: {} }), 1);
  const taken: string[] = [];
  for (let item = box.take(); item !== undefined; item = box.take()) taken.push(item.message.message.id);
  assert.deepEqual(taken, ids);
  assert.deepEqual(log, []);
});

Deno.test("outbox: ephemeral messages are dropped when half of it is full", () => {
  const { box, log } = outbox(1000);
  const payload = { fill: "x".repeat(200) };
  const kept = [1, 2, 3].filter(() =>
    box.add(new Ephemeral({ type: "peer_move", id: "m", timestamp: 1, payload }), 1)
  );
  assert.deepEqual([kept.length, log], [1, ["ephemeral 1", "ephemeral 1"]]);
});

Deno.test("outbox: a replacement is dropped only when it needs more room than what it replaces", () => {
  const { box, log } = outbox(1000);
  const value = (fill: number) => encoded("read_position", { channel: "chat:a", fill: "x".repeat(fill) });
  assert.equal(box.add(value(300), 0), true);
  box.push(encoded("pong", { fill: "x".repeat(400) }), 0);
  assert.equal(box.add(value(300), 0), true, "it takes the place of the one before");
  assert.deepEqual(log, ["coalesced 1"]);
  assert.equal(box.add(value(301), 0), false);
  assert.deepEqual(log, ["coalesced 1", "coalesced 1", "ephemeral 1"]);
});

Deno.test("outbox: a slow consumer is handled in grades: ephemeral dropped, then the fullest channel stopped, the end last", () => {
  const { box, log } = outbox(4000);
  const delivery = (channel: string) =>
    encoded("chat_message", { channel, offset: 1, text: "x".repeat(200) });
  for (let i = 0; i < 7; i++) box.add(delivery("chat:busy"), 1);
  box.add(delivery("chat:calm"), 2);
  assert.equal(box.add(encoded("typing_start"), 1), false);
  assert.deepEqual(log, ["ephemeral 1"]);
  while (log.length === 1) box.add(delivery("chat:busy"), 1);
  assert.match(log[1]!, /^stopped chat:busy \d+$/);
  assert.equal(drain(box, 2).length, 1, "the calm channel keeps its message");
  for (let i = 0; i < 100 && !log.includes("overflow"); i++) {
    box.push(encoded("message_ack", { fill: "x".repeat(200) }), 0);
  }
  assert.ok(log.includes("overflow"), "replies are never dropped: the connection ends");
});

Deno.test("outbox: the bytes and messages counted are those that wait, whatever happens", () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant("push" as const), lane: fc.constantFrom(0, 1, 2, 300), size: fc.nat(300) }),
    fc.record({ op: fc.constant("deliver" as const), lane: fc.constantFrom(1, 2), size: fc.nat(300) }),
    fc.record({ op: fc.constant("droppable" as const), lane: fc.constantFrom(0, 1), size: fc.nat(300) }),
    fc.record({
      op: fc.constant("take" as const),
      lane: fc.constantFrom(0, 1, 2, 300, -1),
      size: fc.constant(0),
    }),
    fc.record({
      op: fc.constant("reroute" as const),
      lane: fc.constantFrom(1, 2, 300),
      size: fc.constant(0),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { box } = outbox(3000);
      for (const { op, lane, size } of steps) {
        const message = encoded("chat_message", {
          channel: `chat:${lane}`,
          offset: 1,
          text: "x".repeat(size),
        });
        if (op === "push") box.push(message, lane);
        else if (op === "deliver") box.add(message, lane);
        else if (op === "droppable") {
          box.add(encoded("user_online", { channel: `chat:${size % 3}`, info: "x".repeat(size) }), lane);
        } else if (op === "take") box.take(lane < 0 ? undefined : lane);
        else box.reroute(lane);
      }
      const { bytes, length } = box;
      let count = 0, sum = 0;
      for (let item = box.take(); item !== undefined; item = box.take()) {
        count++;
        sum += item.size;
      }
      assert.deepEqual([count, sum], [length, bytes]);
      assert.deepEqual([box.length, box.bytes], [0, 0]);
    }),
    { numRuns: 200 },
  );
});

Deno.test("outbox: a few large messages on a lane are no room for more", () => {
  const { box, log } = outbox(16_000);
  const delivery = (channel: string, bytes: number) =>
    encoded("chat_message", { channel, offset: 1, text: "x".repeat(bytes) });
  for (let i = 0; i < 10; i++) box.add(delivery("chat:stuck", 850), 1);
  // A replay sends while there is room. None of its messages is larger than a quarter of the outbox.
  let sent = 0;
  for (; sent < 9 && box.whenRoom(2) === undefined; sent++) box.add(delivery("chat:large", 3900), 2);
  assert.equal(sent, 1);
  assert.deepEqual(log, []);
});

Deno.test("outbox: a lane that is not read leaves room on the others, and none on itself", async () => {
  const { box } = outbox(10_000);
  const delivery = (channel: string) =>
    encoded("chat_message", { channel, offset: 1, text: "x".repeat(200) });
  while (box.bytes < 6000) box.add(delivery("chat:stuck"), 1);
  const stuck = box.whenRoom(1);
  assert.ok(stuck instanceof Promise);
  assert.ok(box.whenRoom() instanceof Promise, "what is never dropped waits for the whole");
  let freed = false;
  void stuck.then(() => freed = true);
  for (let sent = 0; sent < 20; sent++) {
    while (box.whenRoom(2) === undefined) box.add(delivery("chat:read"), 2);
    const room = box.whenRoom(2);
    assert.ok(drain(box, 2).length > 0);
    await room;
  }
  await Promise.resolve();
  assert.equal(freed, false);
  drain(box, 1);
  await stuck;
  assert.equal(box.whenRoom(1), undefined);
});

function delivery(channel: string, offset: number): Encoded {
  return encoded("chat_message", { channel, offset, prev: offset - 1, text: "x" });
}

Deno.test("outbox: what was taken for a lost lane and not written leaves on lane 0, before what waits", () => {
  const { box, log } = outbox(1 << 20);
  const taken = encoded("message_ack", { n: 1 });
  box.add(delivery("chat:a", 1), 5);
  box.push(encoded("pong"), 5);
  box.laneLost(5, { inFlight: [taken], waiting: [delivery("chat:b", 7)] });
  assert.deepEqual(drain(box, 5), []);
  assert.deepEqual(drain(box, 0), ["message_ack", "chat_message", "chat_message", "pong"]);
  assert.deepEqual(log, [], "nothing of a channel was under way: no channel is stopped");
  assert.deepEqual([box.bytes, box.length], [0, 0]);
});

Deno.test("outbox: a channel whose deliveries were on a lost lane is stopped, and others are not", () => {
  const { box, log } = outbox(1 << 20);
  box.add(delivery("chat:a", 1), 5);
  box.take(5);
  for (const channel of ["chat:a", "chat:b"]) box.add(delivery(channel, 2), 5);
  box.add(delivery("chat:a", 3), 0);
  box.laneLost(5, { inFlight: [], waiting: [] });
  assert.deepEqual(log, ["stopped chat:a 2"]);
  assert.deepEqual(drain(box, 0), ["chat_message"]);
  assert.deepEqual([box.bytes, box.length], [0, 0]);
});

Deno.test("outbox: a lane that ended in order stops no channel when another of its number is lost", () => {
  const { box, log } = outbox(1 << 20);
  box.add(delivery("chat:a", 1), 5);
  box.take(5);
  box.reroute(5);
  box.laneLost(5, { inFlight: [], waiting: [] });
  assert.deepEqual(log, []);
});

Deno.test("outbox: the messages of a batch count one by one, and are dropped together", () => {
  const { box, log } = outbox(2000);
  const batch = (channel: string, count: number) =>
    new EncodedBatch(
      Array.from({ length: count }, () => encoded("chat_message", { channel, text: "a".repeat(100) })),
    );
  box.add(batch("chat:a", 6), 1);
  box.add(batch("chat:b", 2), 1);
  assert.equal(box.length, 8);
  box.add(batch("chat:a", 5), 1);
  assert.deepEqual(log, ["stopped chat:a 11"]);
  assert.equal(box.length, 2);
  assert.equal(box.take()?.message.count, 2);
  assert.equal(box.length, 0);
  assert.equal(box.bytes, 0);
});

Deno.test("outbox: a batch under way on a lane that is lost counts with all its messages", () => {
  const { box, log } = outbox(1 << 20);
  const batch = new EncodedBatch([1, 2, 3].map(() => encoded("chat_message", { channel: "chat:a" })));
  box.add(batch, 5);
  const { message } = box.take(5)!;
  box.add(encoded("chat_message", { channel: "chat:a" }), 5);
  box.laneLost(5, { inFlight: [message], waiting: [batch] });
  assert.deepEqual(log, ["stopped chat:a 7"]);
});

Deno.test("outbox: a high message goes before those of other channels, after its own channel's", () => {
  const { box } = outbox(1 << 20);
  const say = (type: string, channel: string, priority?: string) =>
    box.add(encoded(type, { channel, offset: 1, ...(priority === undefined ? {} : { priority }) }), 1);
  say("a1", "chat:a");
  say("b1", "chat:b");
  say("a2", "chat:a", "low");
  say("c1", "chat:c", "high");
  say("b2", "chat:b", "high");
  assert.deepEqual(drain(box, 1), ["c1", "b1", "b2", "a1", "a2"]);
});

Deno.test("outbox: a high message does not go before the answer to its subscription", () => {
  const { box } = outbox(1 << 20);
  box.add(encoded("a1", { channel: "chat:a", offset: 1 }), 1);
  box.push(encoded("subscribed", { channel: "chat:b" }), 1);
  box.add(encoded("b1", { channel: "chat:b", offset: 1, priority: "high" }), 1);
  assert.deepEqual(drain(box, 1), ["subscribed", "b1", "a1"]);
});

Deno.test("outbox: a batch is as urgent as its most urgent message", () => {
  const { box } = outbox(1 << 20);
  const of = (channel: string, priority: string) =>
    encoded(priority, { channel, offset: 1, ...(priority === "normal" ? {} : { priority }) });
  box.add(new EncodedBatch([of("chat:a", "normal"), of("chat:a", "normal")]), 1);
  box.add(new EncodedBatch([of("chat:b", "low"), of("chat:b", "high")]), 1);
  assert.deepEqual(drain(box, 1), ["low", "normal"]);
});
