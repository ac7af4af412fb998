/** The first messages go out right behind the token: once, in order, and whatever a server makes of it. */

import assert from "node:assert/strict";
import type { Link } from "../../src/client/session/link.ts";
import { Requests } from "../../src/client/session/requests.ts";
import { Publisher } from "../../src/client/session/publisher.ts";
import type { Encoded } from "../../src/protocol/mod.ts";
import { connected, inWorld } from "./in_world.ts";
import { FakeClock } from "./support.ts";

Deno.test("early: what waits is acknowledged a round trip after the connection stands, not two", () =>
  inWorld(async (world, make) => {
    world.paths.quic.latency = 50;
    const { client } = make();
    const connecting = client.connect();
    const receipts = ["a", "b"].map((text) => client.channel("chat:x").publish(text));
    // A round trip for the handshake, one for the token and the messages.
    await world.clock.advance(200);
    await connecting;
    assert.deepEqual((await Promise.all(receipts)).map(({ offset }) => offset), [1, 2]);
    assert.equal(client.manager.pending, 0);
  }));

Deno.test("early: a message to a channel that is joined at the same time waits until it can be heard", () =>
  inWorld(async (world, make) => {
    const { client, got } = make();
    void client.channel("chat:x").subscribe();
    void client.channel("chat:x").publish("heard");
    await connected(world, client);
    await world.until(() => got.length === 1);
  }));

Deno.test("early: a session that comes back resumes its channels and speaks in the same breath, in order", () =>
  inWorld(async (world, make) => {
    const { client, got } = make();
    await connected(world, client);
    const joined = client.channel("chat:x").subscribe();
    await world.clock.advance(100);
    await joined;
    world.cut();
    const texts = Array.from({ length: 30 }, (_, i) => `message ${i}`);
    const receipts = texts.map((text) => client.channel("chat:x").publish(text));
    await world.until(() => got.length >= texts.length);
    await world.clock.advance(1000);
    assert.deepEqual(got, texts);
    assert.equal(new Set((await Promise.all(receipts)).map(({ offset }) => offset)).size, texts.length);
    const [link] = world.links;
    const said = link!.sentOn.filter(({ type }) => type === "chat_message");
    assert.equal(said.length, texts.length, "each is sent once");
    assert.deepEqual(new Set(said.map(({ lane }) => lane)), new Set([0, 1]));
  }));

/** A publisher, and links that keep what is sent on them. */
function publishing() {
  const rejected: string[] = [];
  const clock = new FakeClock();
  const publisher = new Publisher(clock, new Requests(clock, 1000), {}, {
    acknowledged: () => {},
    rejected: (id) => rejected.push(id),
    refused: () => {},
    changed: () => {},
    room: () => {},
    failed: () => {},
  });
  const link = () => {
    const sent: string[] = [], sizes: number[] = [];
    const fake = {
      response: { limits: { maxMessage: 65_536 }, resumed: true },
      laneOf: () => 1,
      sendEncoded: (encoded: Encoded, lane: number) => {
        const { payload } = encoded.message;
        sent.push(`${payload.text}/${lane}`);
        sizes.push(new TextEncoder().encode(encoded.text()).length);
      },
    };
    return { sent, sizes, link: fake as unknown as Link };
  };
  const publish = (text: string, id = text) =>
    void publisher.publish([{ type: "chat_message", payload: { channel: "chat:x", text }, id }]);
  const answer = (re: string, type: string, payload: Record<string, unknown>) =>
    publisher.take({ type, id: `answer to ${re}`, timestamp: 0, re, payload });
  const acknowledge = (re: string) =>
    answer(re, "message_ack", { channel: "chat:x", offset: 1, epoch: "e", duplicate: false });
  return { publisher, link, publish, answer, acknowledge, rejected };
}

Deno.test("early: what follows waits for what is on its way on the control lane", () => {
  const { publisher, link, publish, acknowledge } = publishing();
  publish("a");
  publish("b");
  const first = link();
  publisher.early(first.link, "token", () => false);
  assert.deepEqual(first.sent, ["a/0", "b/0"]);
  publish("c");
  publisher.attach(first.link);
  acknowledge("a");
  assert.deepEqual(first.sent, ["a/0", "b/0"]);
  acknowledge("b");
  assert.deepEqual(first.sent, ["a/0", "b/0", "c/1"]);
});

Deno.test("early: a server that refuses what comes before its answer gets it again, in order, once", () => {
  const { publisher, link, publish, answer, acknowledge, rejected } = publishing();
  for (const text of ["a", "b", "c"]) publish(text);
  const first = link();
  publisher.early(first.link, "token", () => false);
  publisher.attach(first.link);
  const refusal = { code: 101, name: "unauthorized", message: "not yet", temporary: false };
  for (const id of ["a", "b", "c"]) assert.ok(answer(id, "error", refusal));
  assert.deepEqual(first.sent, ["a/0", "b/0", "c/0", "a/1", "b/1", "c/1"]);
  for (const id of ["a", "b", "c"]) acknowledge(id);
  assert.deepEqual(rejected, []);
  assert.equal(publisher.pending, 0);
});

Deno.test("early: when another link wins, everything is said on it from the beginning", () => {
  const { publisher, link, publish } = publishing();
  publish("a");
  publish("long ".repeat(200), "b");
  publish("c");
  const lost = link(), won = link();
  publisher.early(lost.link, "token", () => false);
  assert.deepEqual(
    lost.sent,
    ["a/0"],
    "what a server may not take before it knows who speaks waits, and all behind it",
  );
  publisher.attach(won.link);
  assert.deepEqual(won.sent.map((text) => text.slice(-3)), ["a/1", " /1", "c/1"]);
});

Deno.test("early: messages of up to 512 bytes go out, however many characters these are, and a larger one stops all behind it", () => {
  const least = publishing(), known = least.link();
  least.publish("", "id");
  least.publisher.early(known.link, "token", () => false);
  const room = 512 - known.sizes[0]!;
  for (const [letter, bytes] of [["x", 1], ["\u00fc", 2]] as const) {
    const fitting = letter.repeat(Math.floor(room / bytes)) + "x".repeat(room % bytes);
    const { publisher, link, publish } = publishing();
    publish(fitting, "i1");
    publish(`${fitting}x`, "i2");
    publish("small", "i3");
    const first = link();
    publisher.early(first.link, "token", () => false);
    assert.deepEqual([first.sent, first.sizes], [[`${fitting}/0`], [512]]);
    publisher.attach(first.link);
    assert.equal(first.sent.length, 1, "the control lane is read first");
  }
});

Deno.test("early: eight messages go out before the answer, the others after what they follow was acknowledged", () => {
  const { publisher, link, publish, acknowledge } = publishing();
  const texts = Array.from({ length: 12 }, (_, i) => `m${i}`);
  for (const text of texts) publish(text);
  const first = link();
  publisher.early(first.link, "token", () => false);
  assert.deepEqual(first.sent, texts.slice(0, 8).map((text) => `${text}/0`));
  publisher.attach(first.link);
  for (const text of texts.slice(0, 8)) acknowledge(text);
  assert.deepEqual(first.sent.slice(8), texts.slice(8).map((text) => `${text}/1`));
});

Deno.test("early: operations of documents and messages to channels that are being joined stop all behind them", () => {
  for (const waiting of ["doc:a", "chat:joining"]) {
    const { publisher, link, publish } = publishing();
    publish("before");
    void publisher.publish([
      waiting === "doc:a"
        ? { type: "doc_op", payload: { channel: waiting, op: "AAA=" }, id: "waiting" }
        : { type: "chat_message", payload: { channel: waiting, text: "waiting" }, id: "waiting" },
    ]);
    publish("behind");
    const first = link();
    publisher.early(first.link, "token", (channel) => channel === "chat:joining");
    assert.deepEqual(first.sent, ["before/0"]);
  }
});
