/** What an outbox does when lanes or the connection go, and whom it tells that there is room. */

import assert from "node:assert/strict";
import { Encoded, type Payload } from "../../src/protocol/mod.ts";
import { Outbox } from "../../src/session/outbox.ts";

function encoded(type: string, payload: Payload): Encoded {
  return new Encoded({ type, id: "id", timestamp: 1, payload });
}

/** A delivery of exactly `size` bytes. */
function delivery(channel: string, size = 200): Encoded {
  const empty = encoded("chat_message", { channel, text: "" }).size("json");
  return encoded("chat_message", { channel, text: "x".repeat(size - empty) });
}

const typing = () => encoded("typing_start", { channel: "chat:a", from: "ann" });

function outbox(max: number) {
  const log: string[] = [];
  const box = new Outbox(max, () => "json", {
    stopped: (channel, dropped, reason) => void log.push(`${reason} ${channel} ${dropped}`),
    dropped: (grade, count) => void log.push(`${grade} ${count}`),
    overflow: () => void log.push("overflow"),
  });
  return { box, log };
}

/** Whether what was waited for has come, for each of them. */
async function states(waits: (Promise<void> | undefined)[]): Promise<boolean[]> {
  const done = waits.map((wait) => wait === undefined);
  waits.forEach((wait, i) => void wait?.then(() => done[i] = true));
  await new Promise((resolve) => setTimeout(resolve, 0));
  return done;
}

Deno.test("outbox: room is given at exactly a quarter of the bound, once, and is waited for again when it fills up", async () => {
  const { box } = outbox(1000);
  for (const size of [350, 250, 250]) box.push(delivery("chat:a", size), 1);
  const first = box.whenRoom();
  assert.equal(box.whenRoom(), first);
  box.take();
  assert.deepEqual(await states([first]), [false]);
  box.take();
  assert.equal(box.bytes, 250);
  assert.deepEqual(await states([first]), [true]);
  box.push(delivery("chat:a", 300), 1);
  assert.deepEqual(await states([box.whenRoom()]), [false]);
});

Deno.test("outbox: whoever waits for one lane goes on when that one is empty or gone, and no other", async () => {
  for (const [name, act] of [["empty", "take"], ["gone", "reroute"]] as const) {
    const { box } = outbox(1000);
    for (const lane of [1, 2]) box.push(delivery("chat:a", 400), lane);
    const waits = [box.whenRoom(1), box.whenRoom(2), box.whenRoom()];
    box[act](1);
    assert.deepEqual(await states(waits), [true, false, false], name);
  }
});

Deno.test("outbox: what waits for a lane that is gone is on lane 0 afterwards, also what may be dropped", () => {
  for (const lane of [1, 5]) {
    const { box } = outbox(10_000);
    box.push(delivery("chat:a"), lane);
    box.add(typing(), lane);
    box.push(delivery("chat:b"), lane + 1);
    box.reroute(lane);
    assert.deepEqual([box.take(lane), box.take(lane)], [undefined, undefined]);
    assert.deepEqual([box.take(0)?.lane, box.take(0)?.lane], [0, 0]);
    assert.equal(box.take(lane + 1)?.lane, lane + 1);
    assert.deepEqual([box.length, box.bytes], [0, 0]);
  }
});

Deno.test("outbox: the control lane is never gone", () => {
  const { box } = outbox(10_000);
  const messages = [delivery("chat:a"), delivery("chat:b")];
  for (const message of messages) box.push(message, 0);
  box.reroute(0);
  assert.deepEqual([box.take(0)?.message, box.take(0)?.message], messages);
});

Deno.test("outbox: of what was under way on a lost lane deliveries stop their channel, replies are sent again and the rest is gone", () => {
  const { box, log } = outbox(10_000);
  const acknowledged = encoded("message_ack", { n: 1 }), subscribed = encoded("pong", {});
  box.laneLost(5, {
    inFlight: [delivery("chat:a"), acknowledged, typing()],
    waiting: [delivery("chat:a"), delivery("chat:b"), subscribed],
  });
  assert.deepEqual(log, ["lane_lost chat:a 2"]);
  const left = [box.take(0), box.take(0), box.take(0)].map((item) => item?.message);
  assert.deepEqual([left[0], left[2]], [acknowledged, subscribed]);
  assert.equal(left[1]?.message.payload.channel, "chat:b");
  assert.deepEqual([box.take(), box.length, box.bytes], [undefined, 0, 0]);
});

Deno.test("outbox: at the end of the connection nothing is left in it, and nobody waits", async () => {
  const { box, log } = outbox(1000);
  box.add(typing(), 1);
  for (const lane of [0, 1]) box.push(delivery("chat:a", 400), lane);
  const waits = [box.whenRoom(), box.whenRoom(1)];
  assert.deepEqual(await states(waits), [false, false]);
  box.clear();
  assert.deepEqual(await states(waits), [true, true]);
  assert.deepEqual([box.length, box.bytes], [0, 0]);
  assert.deepEqual([box.take(), box.take(0), box.take(1)], [undefined, undefined, undefined]);
  assert.deepEqual(log, []);
});
