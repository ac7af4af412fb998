/** Read positions and replays in the SDK. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import type { Message } from "../../src/protocol/mod.ts";
import { connected, inWorld } from "../client/in_world.ts";

const ROOM = "chat:a";

Deno.test("chat client: what a user has read is known on all devices, and what is left is counted", () =>
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

Deno.test("chat client: an edit that waited while the history was lost does not hit what stands in its place now", () =>
  inWorld(async (world, open) => {
    const { client: ann } = open("ann");
    await connected(world, ann);
    const settled = async <T>(promise: Promise<T>): Promise<T> => {
      promise.catch(() => {});
      await world.clock.advance(200);
      return await promise;
    };
    const room = ann.channel(ROOM);
    await settled(room.subscribe());
    const { offset } = await settled(room.publish("before"));
    world.kill();
    await world.clock.advance(200);
    const edit = room.edit(offset, "before, said better");
    const answered = edit.then(() => undefined, (error: unknown) => error);
    Object.assign(world, { engine: new MemoryEngine() });
    world.start();
    const record = {
      type: "chat_message",
      id: "m",
      from: "ann",
      timestamp: Date.now(),
      payload: { text: "after" },
    };
    world.engine.log.publish(ROOM, record, { retention: { size: 10, age: 1e15 } });
    let answer: unknown;
    void answered.then((error) => answer = error ?? "kept");
    await world.until(() => answer !== undefined);
    assert.equal((answer as { error?: unknown }).error, "wrong_epoch");
    assert.deepEqual(world.engine.log.read(ROOM).records.map(({ payload }) => payload), [{ text: "after" }]);
  }));

Deno.test("chat client: a replay is told beside the channel's messages and is none of them", () =>
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
