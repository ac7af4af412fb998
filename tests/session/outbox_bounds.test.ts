/** What an outbox does at exactly its bounds. */

import assert from "node:assert/strict";
import { Encoded, type Payload } from "../../src/protocol/mod.ts";
import { Outbox } from "../../src/session/outbox.ts";

function encoded(type: string, payload: Payload): Encoded {
  return new Encoded({ type, id: "id", timestamp: 1, payload });
}

function outbox(max: number) {
  const log: string[] = [];
  const box = new Outbox(max, () => "json", {
    stopped: (channel, dropped) => void log.push(`stopped ${channel} ${dropped}`),
    dropped: (grade, count) => void log.push(`${grade} ${count}`),
    overflow: () => void log.push("overflow"),
  });
  return { box, log };
}

/** A delivery of exactly `size` bytes. */
function delivery(channel: string, size: number): Encoded {
  const empty = encoded("chat_message", { channel, text: "" }).size("json");
  return encoded("chat_message", { channel, text: "x".repeat(size - empty) });
}

Deno.test("outbox: it takes as much as its bound, and stops a channel for the first byte more", () => {
  const { box, log } = outbox(1000);
  box.add(delivery("chat:a", 500), 1);
  box.add(delivery("chat:b", 500), 1);
  assert.deepEqual([box.bytes, log], [1000, []]);
  box.add(delivery("chat:b", 150), 1);
  assert.deepEqual([box.bytes, log], [500, ["stopped chat:b 2"]]);
});

Deno.test("outbox: no channel is stopped when dropping what may be lost makes room enough", () => {
  const { box, log } = outbox(1000);
  box.add(encoded("typing_start", { channel: "chat:a", from: "ann" }), 1);
  box.add(delivery("chat:a", 600), 1);
  box.add(delivery("chat:b", 400), 1);
  assert.deepEqual([box.bytes, log], [1000, ["ephemeral 1"]]);
});

Deno.test("outbox: channels are stopped until half is free, and no more of them", () => {
  const { box, log } = outbox(1000);
  for (const [channel, size] of [["chat:a", 300], ["chat:b", 200], ["chat:c", 400]] as const) {
    box.add(delivery(channel, size), 1);
  }
  box.add(delivery("chat:c", 150), 2);
  assert.deepEqual([box.bytes, log], [500, ["stopped chat:c 2"]]);
  box.add(delivery("chat:a", 501), 1);
  assert.deepEqual([box.bytes, log], [200, ["stopped chat:c 2", "stopped chat:a 2"]]);
});

Deno.test("outbox: a message grows only at the end of its lane, within the bound, and until it is taken", () => {
  const { box, log } = outbox(1000);
  const first = delivery("chat:a", 400), second = delivery("chat:a", 200);
  box.push(first, 0);
  assert.deepEqual([box.last(0), box.last(1)], [first, undefined]);
  assert.equal(box.growLast(0, 300), true);
  assert.deepEqual([box.bytes, box.length], [700, 2]);
  box.push(second, 0);
  assert.equal(box.last(0), second);
  assert.equal(box.growLast(0, 351), false, "no room");
  assert.equal(box.growLast(0, 350), true);
  assert.deepEqual([box.bytes, box.length, log], [1250, 4, []]);
  assert.equal(box.take(0)?.size, 700);
  assert.equal(box.take(0)?.size, 550);
  assert.deepEqual([box.last(0), box.bytes], [undefined, 0]);
});

Deno.test("outbox: replies may use a quarter more than the bound, and the first byte above it ends the connection", () => {
  const { box, log } = outbox(1000);
  box.push(delivery("chat:a", 1000), 0);
  box.push(delivery("chat:a", 250), 0);
  assert.deepEqual([box.bytes, log], [1250, []]);
  box.push(delivery("chat:a", 100), 0);
  assert.deepEqual(log, ["overflow"]);
});

Deno.test("outbox: there is room up to half of the bound, and again when three quarters are free", async () => {
  const { box } = outbox(1000);
  box.push(delivery("chat:a", 500), 1);
  assert.equal(box.whenRoom(), undefined);
  for (const size of [125, 125, 100, 100]) box.push(delivery("chat:a", size), 1);
  const order: string[] = [];
  void box.whenRoom()!.then(() => order.push("room"));
  const take = async () => {
    order.push(`${box.take()!.size}`);
    await Promise.resolve();
  };
  for (let i = 0; i < 4; i++) await take();
  assert.deepEqual(order, ["500", "125", "125", "room", "100"]);
});

Deno.test("outbox: a lane that hardly anything waits on has room although others fill the outbox", () => {
  const { box } = outbox(8000);
  for (let i = 0; i < 9; i++) box.push(delivery("chat:a", 500), 1);
  assert.notEqual(box.whenRoom(1), undefined);
  assert.equal(box.whenRoom(2), undefined, "nothing waits on it");
  box.push(delivery("chat:b", 700), 2);
  for (let i = 0; i < 3; i++) box.push(delivery("chat:b", 100), 2);
  assert.equal(box.whenRoom(2), undefined, "four messages, and an eighth of its bytes");
  box.push(delivery("chat:b", 90), 3);
  for (let i = 0; i < 4; i++) box.push(delivery("chat:b", 90), 3);
  assert.notEqual(box.whenRoom(3), undefined, "five messages");
  box.push(delivery("chat:b", 1001), 4);
  assert.notEqual(box.whenRoom(4), undefined, "more than an eighth of its bytes");
});

Deno.test("outbox: what is taken in is said to be, and leaves, whatever its type", () => {
  const { box, log } = outbox(10_000);
  const messages = [
    encoded("server_notice", { kind: "draining" }),
    delivery("chat:a", 200),
    encoded("typing_start", { channel: "chat:a", from: "ann" }),
  ];
  for (const message of messages) assert.equal(box.add(message, 1), true);
  assert.deepEqual(messages.map(() => box.take()?.message), messages);
  assert.deepEqual([box.length, box.bytes, log], [0, 0, []]);
});

Deno.test("outbox: at exactly its bounds nothing is dropped", () => {
  for (const [kind, bound] of [["add", 1000], ["push", 1250]] as const) {
    const { box, log } = outbox(1000);
    box.add(encoded("typing_start", { channel: "chat:a", from: "ann" }), 1);
    box[kind](delivery("chat:a", bound - box.bytes), 1);
    assert.deepEqual([box.bytes, box.length, log], [bound, 2, []]);
    box[kind](delivery("chat:a", 100), 1);
    assert.equal(log[0], "ephemeral 1");
  }
});

Deno.test("outbox: channels are stopped for replies that find no room, and the connection goes on", () => {
  const { box, log } = outbox(1000);
  box.add(delivery("chat:a", 600), 1);
  box.push(delivery("reply", 600), 0);
  assert.deepEqual(log, []);
  box.push(delivery("reply", 100), 0);
  assert.deepEqual([box.bytes, log], [700, ["stopped chat:a 1"]]);
});
