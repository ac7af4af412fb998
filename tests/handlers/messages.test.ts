/** Bytes and priorities of messages, through the handlers. */

import assert from "node:assert/strict";
import { BROADCAST_CHANNEL, type Payload, ProtocolError, type Right } from "../../src/protocol/mod.ts";
import { join, principal } from "../hub/support.ts";
import { Service } from "./support.ts";

const BYTES = Uint8Array.of(0, 1, 254, 255);
const TEXT = BYTES.toBase64();
const rights = { rights: new Set<Right>(["broadcast", "direct_message"]) };

async function people() {
  const service = new Service();
  const ann = await join(service.hub, "s1", principal("ann", rights));
  const bob = await join(service.hub, "s2", "bob");
  for (const one of [ann, bob]) await service.say(one, "subscribe", { channel: "chat:a" });
  return { service, ann, bob };
}

function last(payloads: readonly { payload: Payload }[]): Payload {
  const { channel: _c, from: _f, offset: _o, prev: _p, ...said } = payloads.at(-1)!.payload;
  return said;
}

Deno.test("messages: bytes come in either form and are delivered as bytes", async () => {
  const { service, ann, bob } = await people();
  for (const data of [BYTES, TEXT]) {
    await service.say(ann, "chat_message", { channel: "chat:a", data, bytes: true });
    assert.deepEqual(last(bob.of("chat_message")), { data: TEXT, bytes: true });
    await service.say(ann, "direct_message", { to: "bob", data, bytes: true });
    assert.deepEqual(last(bob.of("direct_message")), { to: "bob", data: TEXT, bytes: true });
    await service.say(ann, "broadcast", { data, bytes: true });
    assert.deepEqual(last(bob.of("broadcast")), { data: TEXT, bytes: true });
  }
  // A text that could be base64 is a text, unless it is said to be bytes.
  await service.say(ann, "chat_message", { channel: "chat:a", data: TEXT });
  assert.deepEqual(last(bob.of("chat_message")), { data: TEXT });
  // Bytes of MessagePack need not say so.
  await service.say(ann, "chat_message", { channel: "chat:a", data: BYTES });
  assert.deepEqual(last(bob.of("chat_message")), { data: TEXT, bytes: true });
});

Deno.test("messages: what is said to be bytes and is none is refused", async () => {
  const { service, ann } = await people();
  for (const data of ["no base64!", 5, { a: 1 }, null, [BYTES]]) {
    const payload = { channel: "chat:a", data, bytes: true };
    await assert.rejects(
      service.say(ann, "chat_message", payload),
      (error) => error instanceof ProtocolError && error.message === "data: bytes, base64 in JSON",
    );
  }
});

Deno.test("messages: the usual priority is not kept, others are delivered", async () => {
  const { service, ann, bob } = await people();
  await service.say(ann, "chat_message", { channel: "chat:a", text: "a", priority: "normal" });
  assert.deepEqual(last(bob.of("chat_message")), { text: "a" });
  await service.say(ann, "direct_message", { to: "bob", text: "b", priority: "low" });
  assert.deepEqual(last(bob.of("direct_message")), { to: "bob", text: "b", priority: "low" });
  await service.say(ann, "broadcast", { text: "c", priority: "high" });
  assert.deepEqual(last(bob.of("broadcast")), { text: "c", priority: "high" });
  for (const priority of ["urgent", 255, null, "toString"]) {
    await assert.rejects(
      service.say(ann, "chat_message", { channel: "chat:a", text: "a", priority }),
      (error) => error instanceof ProtocolError && error.message === "priority: one of high, normal, low",
    );
  }
});

Deno.test("messages: history has bytes as base64, says so, and has the priority", async () => {
  const { service, ann } = await people();
  await service.say(ann, "chat_message", { channel: "chat:a", data: BYTES, priority: "high" });
  const [answer] = await service.say(ann, "history", { channel: "chat:a" });
  const [message] = answer!.payload.messages as Payload[];
  assert.deepEqual([message!.data, message!.bytes, message!.priority], [TEXT, true, "high"]);
});

Deno.test("messages: an edit may make bytes of a text and keeps the priority, unless it names another", async () => {
  const { service, ann, bob } = await people();
  await service.say(ann, "chat_message", { channel: "chat:a", text: "a", priority: "high" });
  await service.say(ann, "chat_edit", { channel: "chat:a", target: 1, data: TEXT, bytes: true });
  assert.deepEqual(last(bob.of("chat_edit")), { target: 1, data: TEXT, bytes: true, priority: "high" });
  const kept = async () => {
    const [answer] = await service.say(ann, "history", { channel: "chat:a", limit: 1 });
    const [{ text, data, bytes, priority }] = answer!.payload.messages as [Payload];
    return { text, data, bytes, priority };
  };
  assert.deepEqual(await kept(), { text: undefined, data: TEXT, bytes: true, priority: "high" });
  await service.say(ann, "chat_edit", { channel: "chat:a", target: 1, text: "b", priority: "low" });
  assert.deepEqual(await kept(), { text: "b", data: undefined, bytes: undefined, priority: "low" });
  await service.say(ann, "chat_delete", { channel: "chat:a", target: 1 });
  assert.deepEqual(await kept(), { text: undefined, data: null, bytes: undefined, priority: undefined });
});

Deno.test("messages: a replay has bytes and the priority", async () => {
  const { service, ann } = await people();
  await service.say(ann, "broadcast", { data: BYTES, priority: "low" });
  const { epoch } = await service.hub.position(BROADCAST_CHANNEL);
  const replay = { channel: BROADCAST_CHANNEL, epoch, from: 0, to: 1, speed: 1000 };
  const ended = new Promise<void>((resolve) => {
    const { send } = ann;
    ann.send = (message, lane) => {
      send.call(ann, message, lane);
      if (message.message.type === "replay_ended") resolve();
    };
  });
  await service.say(ann, "replay", replay);
  await ended;
  const { payload } = ann.of("replay_message")[0]!;
  assert.deepEqual([payload.data, payload.bytes, payload.priority], [TEXT, true, "low"]);
});

Deno.test("messages: bytes count as base64 against the largest message", async () => {
  const { service, ann } = await people();
  const send = (size: number) =>
    service.say(ann, "chat_message", { channel: "chat:a", data: new Uint8Array(size) });
  await send(48_000);
  await assert.rejects(send(50_000), /takes more than 65536 bytes/);
});
