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
  coalescer.wait({ flush: () => void sent++ });
  assert.throws(() => turns.shift()!(), /cannot send/);
  await settle();
  turns.shift()!();
  await clock.advance(2);
  for (const turn of turns.splice(0)) turn();
  assert.equal(sent, 1);
});
