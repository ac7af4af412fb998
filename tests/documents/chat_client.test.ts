/** Read positions and replays in the SDK. */

import assert from "node:assert/strict";
import type { Message } from "../../src/protocol/mod.ts";
import { connected, inWorld } from "../client/in_world.ts";

const ROOM = "chat:a";

Deno.test("what a user has read is known on all devices, and what is left is counted", () =>
  inWorld(async (world, open) => {
    const phone = open("ann").client, desk = open("ann").client, bob = open("bob").client;
    for (const client of [phone, desk, bob]) await connected(world, client);
    const settled = async <T>(promise: Promise<T>): Promise<T> => {
      promise.catch(() => {});
      await world.clock.advance(200);
      return await promise;
    };
    await assert.rejects(phone.channel(ROOM).readUpTo(1), { error: "bad_argument" });
    await settled(Promise.all([phone, desk].map((client) => client.channel(ROOM).subscribe())));
    for (const text of ["a", "b", "c"]) await settled(bob.channel(ROOM).publish(text));
    const told: number[] = [];
    desk.channel(ROOM).on("read", ({ offset }) => told.push(offset));
    assert.equal((await settled(phone.channel(ROOM).readUpTo(2))).offset, 2);
    assert.equal((await settled(phone.channel(ROOM).readUpTo(1))).offset, 2);
    assert.deepEqual(told, [2]);
    const { channels, refused } = await settled(desk.unread([ROOM, "chat:none"]));
    assert.deepEqual([channels[ROOM]!.unread, channels["chat:none"]!.unread, refused], [1, 0, {}]);
    await assert.rejects(settled(phone.channel(ROOM).readUpTo(9)), { error: "unknown_offset" });
  }));

Deno.test("a replay is told beside the channel's messages and is none of them", () =>
  inWorld(async (world, open) => {
    const { client, got } = open("ann");
    await connected(world, client);
    const channel = client.channel(ROOM);
    const wait = async <T>(promise: Promise<T>): Promise<T> => {
      await world.clock.advance(200);
      return await promise;
    };
    await wait(channel.subscribe());
    for (const text of ["a", "b", "c"]) await wait(channel.publish(text));
    const replayed: Message[] = [];
    const ended = Promise.withResolvers<Message>();
    client.on("message", (message) => {
      if (message.type === "replay_message") replayed.push(message);
      if (message.type === "replay_ended") ended.resolve(message);
    });
    // The server's own clock paces it.
    const { replay } = await wait(channel.replay({ from: 1, to: 3, speed: 1000 }));
    await world.until(() => replayed.length === 2);
    await world.clock.advance(200);
    assert.equal((await ended.promise).payload.reason, "done");
    assert.deepEqual(replayed.map(({ payload }) => [payload.replay, payload.text]), [[replay, "b"], [
      replay,
      "c",
    ]]);
    assert.deepEqual(got, ["a", "b", "c"]);
  }));
