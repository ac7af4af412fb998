import assert from "node:assert/strict";
import { Coalescer, DeliveryRate } from "../../src/hub/coalescer.ts";
import { Service } from "../handlers/support.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { type FakeClient, join, makeHub, say } from "./support.ts";

const CHANNEL = "chat:a";

/** A hub whose node is under load, and somebody on the channel. */
async function loaded() {
  const clock = new FakeClock();
  const made = makeHub({ clock, coalescer: new Coalescer({ clock, busy: 0 }) });
  const ann = await join(made.hub, "ann", "ann");
  const joined = await made.hub.subscribe(ann, CHANNEL, 1);
  joined.start();
  return { clock, ann, ...made };
}

const ids = (client: FakeClient) => client.of("chat_message").map(({ id }) => id);

Deno.test("coalescer: load is a number of deliveries in a window, and lasts for one window more", () => {
  const rate = new DeliveryRate(1000);
  assert.equal(rate.add(999, 0), false);
  assert.equal(rate.add(1, 19), true);
  assert.equal(rate.add(1, 20), true, "the window before was one of load");
  assert.equal(rate.add(1, 40), false);
  assert.equal(rate.add(1000, 41), true);
  assert.equal(rate.add(1, 90), false, "nothing came for a whole window");
});

Deno.test("coalescer: a node with little to do sends at once", async () => {
  const clock = new FakeClock();
  const { hub } = makeHub({ clock });
  const ann = await join(hub, "ann", "ann");
  (await hub.subscribe(ann, CHANNEL, 1)).start();
  for (let i = 0; i < 100; i++) {
    say(hub, CHANNEL, `m${i}`);
    assert.equal(ids(ann).length, i + 1);
  }
  assert.equal(clock.pending, 0);
});

Deno.test("coalescer: at the default a thousand deliveries in 20 ms are load", async () => {
  const clock = new FakeClock();
  const { hub } = makeHub({ clock });
  const ann = await join(hub, "ann", "ann");
  (await hub.subscribe(ann, CHANNEL, 1)).start();
  for (let i = 1; i < 1000; i++) say(hub, CHANNEL, `m${i}`);
  assert.equal(ids(ann).length, 999);
  say(hub, CHANNEL, "m1000");
  assert.equal(ids(ann).length, 999);
  await clock.advance(40);
  assert.equal(ids(ann).length, 1000);
  say(hub, CHANNEL, "m1001");
  assert.equal(ids(ann).length, 1001);
});

Deno.test("coalescer: what comes in one turn leaves at its end as one, in order", async () => {
  const { hub, ann } = await loaded();
  for (const text of ["a", "b", "c"]) say(hub, CHANNEL, text);
  assert.deepEqual(ids(ann), []);
  await settle();
  assert.deepEqual(ids(ann), ["a", "b", "c"]);
  assert.equal(ann.encoded.filter((message) => message.parts?.length === 3).length, 1);
});

Deno.test("coalescer: what comes within a millisecond of the last flush waits for its end, and no longer", async () => {
  const { hub, ann, clock } = await loaded();
  say(hub, CHANNEL, "a");
  await settle();
  assert.deepEqual(ids(ann), ["a"]);
  await clock.advance(0.4);
  say(hub, CHANNEL, "b");
  await clock.advance(0.3);
  say(hub, CHANNEL, "c");
  await settle();
  assert.deepEqual(ids(ann), ["a"]);
  await clock.advance(0.3);
  assert.deepEqual(ids(ann), ["a", "b", "c"]);
  await clock.advance(1);
  say(hub, CHANNEL, "d");
  await settle();
  assert.deepEqual(ids(ann), ["a", "b", "c", "d"], "a millisecond has passed");
});

Deno.test("coalescer: an acknowledgement does not wait", async () => {
  const { hub, failures, ann } = await loaded();
  const service = new Service({}, { hub, failures });
  const [ack] = await service.say(ann, "chat_message", { channel: CHANNEL, text: "hello" }, { id: "one" });
  assert.equal(ack!.type, "message_ack");
  assert.deepEqual(ids(ann), []);
  await settle();
  assert.deepEqual(ids(ann), ["one"]);
});

Deno.test("coalescer: what is not kept does not overtake what is", async () => {
  const { hub, ann } = await loaded();
  say(hub, CHANNEL, "a");
  const typing = { type: "typing_stop", id: "t", from: "bob", sessionId: "bob", payload: {} };
  hub.publishEphemeral(CHANNEL, typing);
  assert.deepEqual(ann.sent.map(({ message }) => message.id).slice(-2), ["a", "t"]);
});

Deno.test("coalescer: who subscribes again has been sent all that the answer counts", async () => {
  const { hub, ann } = await loaded();
  say(hub, CHANNEL, "a");
  say(hub, CHANNEL, "b");
  const { state } = await hub.subscribe(ann, CHANNEL, 2);
  assert.equal(state.offset, 2);
  assert.deepEqual(ann.offsets(CHANNEL), [1, 2]);
});

Deno.test("coalescer: large messages leave alone and keep their place", async () => {
  const { hub, ann } = await loaded();
  const large = "x".repeat(20_000), half = "y".repeat(10_000);
  for (const text of ["a", large, "b", half, `${half}z`, "c"]) {
    hub.publish({
      origin: "api",
      channel: CHANNEL,
      id: `i${text.length}${text[0]}`,
      from: "bob",
      payload: { text },
    });
  }
  await settle();
  assert.deepEqual(ann.offsets(CHANNEL), [1, 2, 3, 4, 5, 6]);
  const sizes = ann.encoded.map((message) => message.size("json"));
  assert.ok(Math.max(...sizes) < 21_000, `${sizes}`);
  assert.ok(ann.encoded.some(({ parts }) => parts?.length === 2));
});

Deno.test("coalescer: who unsubscribes is sent nothing more", async () => {
  const { hub, ann } = await loaded();
  say(hub, CHANNEL, "a");
  hub.unsubscribe(ann, CHANNEL);
  await settle();
  assert.deepEqual(ids(ann), []);
});

Deno.test("coalescer: a channel that cannot send keeps no other waiting", async () => {
  const clock = new FakeClock();
  const turns: (() => void)[] = [];
  const coalescer = new Coalescer({ clock, turn: (fn) => void turns.push(fn) });
  let sent = 0;
  coalescer.wait({
    flush() {
      throw new Error("cannot send");
    },
  });
  coalescer.wait({ flush: () => ++sent });
  assert.throws(() => turns.shift()!(), /cannot send/);
  for (let i = 0; i < 3; i++) {
    for (const turn of turns.splice(0)) turn();
    await clock.advance(2);
  }
  assert.equal(sent, 1);
});

Deno.test("coalescer: a flush to many has left only after as many turns as their packets take", async () => {
  const clock = new FakeClock();
  const turns: (() => void)[] = [];
  const coalescer = new Coalescer({ clock, turn: (fn) => void turns.push(fn) });
  let flushes = 0;
  const source = { flush: () => (flushes++, 150) };
  const turn = () => {
    for (const turn of turns.splice(0)) turn();
  };
  coalescer.wait(source);
  turn();
  assert.equal(flushes, 1);
  coalescer.wait(source);
  await clock.advance(5);
  turn();
  turn();
  await clock.advance(5);
  assert.equal(flushes, 1, "61 connections a turn: a third turn is needed");
  turn();
  turn();
  await clock.advance(0.9);
  turn();
  assert.equal(flushes, 1, "the millisecond begins when all has left");
  await clock.advance(0.1);
  turn();
  assert.equal(flushes, 2);
  for (let i = 0; i < 10; i++) turn();
  assert.equal(turns.length, 0, "nothing goes on turning when nothing waits");
});

Deno.test("coalescer: however many a flush goes to, the next one is at most 16 turns and a millisecond away", async () => {
  const clock = new FakeClock();
  const turns: (() => void)[] = [];
  const coalescer = new Coalescer({ clock, turn: (fn) => void turns.push(fn) });
  let flushes = 0;
  const source = { flush: () => (flushes++, 1_000_000) };
  coalescer.wait(source);
  turns.shift()!();
  for (let i = 0; i < 16; i++) turns.shift()!();
  assert.equal(turns.length, 0);
  await clock.advance(1);
  coalescer.wait(source);
  turns.shift()!();
  assert.equal(flushes, 2);
});

Deno.test("coalescer: a delivery by QUIC counts twice, and one who has left no more", async () => {
  const clock = new FakeClock();
  const { hub } = makeHub({ clock, coalescer: new Coalescer({ clock, busy: 6 }) });
  const [ann, bob] = [await join(hub, "ann", "ann"), await join(hub, "bob", "bob")];
  Object.assign(ann, { transport: "quic" });
  Object.assign(bob, { transport: "websocket" });
  for (const client of [ann, bob]) (await hub.subscribe(client, CHANNEL, 1)).start();
  say(hub, CHANNEL, "a");
  assert.deepEqual(ids(bob), ["a"]);
  say(hub, CHANNEL, "b");
  assert.deepEqual(ids(bob), ["a"], "2 + 1 a message: with the second it is load");
  await clock.advance(100);
  hub.unsubscribe(ann, CHANNEL);
  for (const text of ["c", "d", "e", "f", "g"]) say(hub, CHANNEL, text);
  assert.deepEqual(ids(bob), ["a", "b", "c", "d", "e", "f", "g"]);
  say(hub, CHANNEL, "h");
  assert.deepEqual(ids(bob).length, 7);
  await clock.advance(100);
});
