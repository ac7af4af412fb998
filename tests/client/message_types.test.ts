/** What the table of message types says, held to what the SDK sends. */

import assert from "node:assert/strict";
import {
  classOfType,
  clientRow,
  type ClientType,
  type Encoded,
  laneClass,
  type Payload,
} from "../../src/protocol/mod.ts";
import { isStored } from "../../src/client/outbox/storage.ts";
import type { SkeinClient } from "../../src/client/mod.ts";
import { clientTypes } from "../support/message_types.ts";
import { connected, inWorld } from "./in_world.ts";
import type { World } from "./support.ts";

const PAYLOAD: Payload = { channel: "chat:a", text: "hello" };

/** What the client's connection is given to send. */
function watch(world: World): { type: string; id: string; lane: number | "datagram" }[] {
  const sent: { type: string; id: string; lane: number | "datagram" }[] = [];
  const [link] = world.links;
  const note = ({ message: { type, id } }: Encoded, lane: number | "datagram") =>
    void sent.push({ type, id, lane });
  const { send, sendDatagram } = link!;
  link!.send = (message, lane) => {
    note(message, lane);
    send.call(link, message, lane);
  };
  link!.sendDatagram = (message) => {
    note(message, "datagram");
    return sendDatagram.call(link, message);
  };
  return sent;
}

function sendAny(client: SkeinClient, type: ClientType, payload: Payload, id: string): Promise<unknown> {
  return client.manager.send(type as "chat_message", payload, id);
}

Deno.test("message types: the SDK sends each on the lanes of its row, or as a datagram when it has no answer", () =>
  inWorld(async (world, make) => {
    const { client } = make("ann", { probing: false });
    await connected(world, client);
    const sent = watch(world);
    for (const type of clientTypes) {
      sendAny(client, type, PAYLOAD, `of-${type}`).catch(() => {});
      const { datagram, answer } = clientRow(type);
      const { lane } = sent.find(({ id }) => id === `of-${type}`)!;
      const way = lane === "datagram" ? lane : laneClass(lane);
      assert.equal(way, datagram && answer === undefined ? "datagram" : classOfType(type, "chat:a"), type);
    }
  }));

Deno.test("message types: the SDK keeps what is acknowledged, and waits for other answers", () =>
  inWorld(async (world, make) => {
    const { client } = make("ann", { probing: false });
    await connected(world, client);
    watch(world);
    for (const type of clientTypes) {
      const before = client.manager.pending;
      let done = false;
      sendAny(client, type, PAYLOAD, `of-${type}`).then(() => done = true, () => {});
      // What is sent once is done some microtasks later, before anything can have been answered.
      for (let i = 0; i < 3; i++) await Promise.resolve();
      const { answer } = clientRow(type);
      assert.equal(client.manager.pending - before, answer === "message_ack" ? 1 : 0, type);
      assert.equal(done, answer === undefined, `${type} is done when it was sent`);
    }
  }));

Deno.test("message types: the SDK asks again on another connection what has an answer", () =>
  inWorld(async (world, make) => {
    const { client } = make("ann", { probing: false });
    await connected(world, client);
    for (const type of clientTypes) sendAny(client, type, PAYLOAD, `of-${type}`).catch(() => {});
    for (const link of [...world.links]) link.cut();
    await world.until(() => client.manager.isConnected());
    await world.clock.advance(1000);
    const [link] = world.links;
    for (const type of clientTypes) {
      const again = link!.sentOn.some((sent) => sent.type === type && sent.channel === PAYLOAD.channel);
      assert.equal(again, clientRow(type).answer !== undefined, type);
    }
  }));

Deno.test("message types: a stored message is of a type that is acknowledged", () => {
  for (const type of [...clientTypes, "constructor", "unheard_of"]) {
    const stored = { id: "m", type, timestamp: 1, payload: PAYLOAD };
    assert.equal(isStored(stored), clientRow(type)?.answer === "message_ack", type);
  }
});
