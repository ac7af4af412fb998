/** Channels that are joined, left and stopped while the server is still being asked. */

import assert from "node:assert/strict";
import type { Message } from "../../src/protocol/mod.ts";
import { connected, inWorld } from "./in_world.ts";

Deno.test("subscribe: joined, left and joined again in one turn, a channel is joined and heard", () =>
  inWorld(async (world, make) => {
    const ann = make("ann"), bob = make("bob");
    await connected(world, ann.client);
    await connected(world, bob.client);
    const channel = ann.client.channel("chat:x");
    const first = channel.subscribe();
    const left = channel.unsubscribe();
    const second = channel.subscribe();
    const outcomes = Promise.allSettled([first, left, second]);
    await world.clock.advance(200);
    assert.deepEqual((await outcomes).map(({ status }) => status), ["rejected", "fulfilled", "fulfilled"]);
    assert.deepEqual(ann.client.manager.channels, ["chat:x"]);
    const receipt = bob.client.channel("chat:x").publish("hello");
    await world.clock.advance(200);
    await receipt;
    assert.deepEqual(ann.got, ["hello"]);
  }));

Deno.test("subscribe: a channel that is joined, left and joined again in one turn, is heard", () =>
  inWorld(async (world, make) => {
    const ann = make("ann"), bob = make("bob");
    await connected(world, ann.client);
    await connected(world, bob.client);
    const channel = ann.client.channel("chat:x");
    const joined = channel.subscribe();
    await world.clock.advance(200);
    await joined;
    const outcomes = Promise.allSettled([channel.unsubscribe(), channel.subscribe()]);
    await world.clock.advance(200);
    assert.deepEqual((await outcomes).map(({ status }) => status), ["fulfilled", "fulfilled"]);
    assert.deepEqual(ann.client.manager.channels, ["chat:x"]);
    const receipt = bob.client.channel("chat:x").publish("hello");
    await world.clock.advance(200);
    await receipt;
    assert.deepEqual(ann.got, ["hello"]);
  }));

Deno.test("subscribe: a channel that is left before the answer is left at the server too", () =>
  inWorld(async (world, make) => {
    const ann = make("ann");
    await connected(world, ann.client);
    const channel = ann.client.channel("chat:x");
    const joined = channel.subscribe();
    const left = channel.unsubscribe();
    const outcomes = Promise.allSettled([joined, left]);
    await world.clock.advance(200);
    assert.deepEqual((await outcomes).map(({ status }) => status), ["rejected", "fulfilled"]);
    assert.deepEqual(ann.client.manager.channels, []);
    const users = ann.client.channel("chat:x").presence();
    await world.clock.advance(200);
    assert.deepEqual(await users, []);
  }));

Deno.test("subscribe: a disconnect keeps the channels, whatever was being asked about them", () =>
  inWorld(async (world, make) => {
    const ann = make("ann");
    await connected(world, ann.client);
    const joined = ann.client.channel("chat:x").subscribe();
    await world.clock.advance(200);
    await joined;
    // The answer to the second question, which follows the cut, never comes.
    world.swallow = ({ type }) => type === "subscribed";
    await ann.client.disconnect();
    const connecting = connected(world, ann.client);
    await connecting;
    await ann.client.disconnect();
    world.swallow = () => false;
    await connected(world, ann.client);
    assert.deepEqual(ann.client.manager.channels, ["chat:x"]);
    const receipt = ann.client.channel("chat:x").publish("still here");
    await world.clock.advance(500);
    await receipt;
    assert.deepEqual(ann.got, ["still here"]);
  }));

Deno.test("subscribe: a discontinuity that comes before the answer is acted upon after it", () =>
  inWorld(async (world, make) => {
    const ann = make("ann"), bob = make("bob");
    await connected(world, ann.client);
    await connected(world, bob.client);
    const [link] = [...world.links].filter(({ owner }) => owner === "ann");
    // The server stops the channel as soon as it has answered; on another lane that is read first.
    let held: Message | undefined;
    const take = link!.onMessage;
    link!.onMessage = (message, lane, datagram) => {
      if (held !== undefined || message.type !== "subscribed") return take(message, lane, datagram);
      held = message;
      const notice = { kind: "discontinuity", channel: "chat:x", dropped: 1, reason: "slow_consumer" };
      take({ type: "server_notice", id: "n1", timestamp: 0, payload: notice }, 0, false);
      world.clock.after(50, () => take(held!, lane, datagram));
    };
    const joined = ann.client.channel("chat:x").subscribe();
    await world.clock.advance(20);
    const sent = () => link!.sentOn.filter(({ type }) => type === "subscribe").length;
    assert.equal(sent(), 1);
    await world.clock.advance(200);
    await joined;
    assert.equal(sent(), 2, "what was dropped is asked for once the first answer is there");
    const receipt = bob.client.channel("chat:x").publish("hello");
    await world.clock.advance(200);
    await receipt;
    assert.deepEqual(ann.got, ["hello"]);
  }));

Deno.test("subscribe: what the server leaves out for its size is told, and not asked for again", () =>
  inWorld(async (world, make) => {
    const ann = make("ann"), bob = make("bob");
    await connected(world, ann.client);
    await connected(world, bob.client);
    const gaps: number[][] = [];
    ann.client.on("discontinuity", ({ from, to }) => gaps.push([from.offset, to.offset]));
    const joined = ann.client.channel("chat:x").subscribe();
    await world.clock.advance(200);
    await joined;
    const [link] = [...world.links].filter(({ owner }) => owner === "ann");
    const take = link!.onMessage;
    let epoch = "";
    link!.onMessage = (message, lane, datagram) => {
      if (message.payload.text !== "large") return take(message, lane, datagram);
      const left = { dropped: 1, reason: "message_too_large", epoch, offset: message.payload.offset };
      const notice = { kind: "discontinuity", channel: "chat:x", ...left };
      take({ type: "server_notice", id: "n1", timestamp: 0, payload: notice }, lane, false);
    };
    for (const text of ["small", "large", "last"]) {
      const receipt = bob.client.channel("chat:x").publish(text);
      await world.clock.advance(200);
      epoch = (await receipt).epoch;
    }
    await world.clock.advance(60_000);
    assert.deepEqual(ann.got, ["small", "last"]);
    assert.deepEqual(gaps, [[1, 2]]);
    assert.equal(link!.sentOn.filter(({ type }) => type === "subscribe").length, 1);
  }));

Deno.test("subscribe: a refusal rejects and says `left`, and the channel can be tried again", () =>
  inWorld(async (world, make) => {
    const ann = make("ann");
    await connected(world, ann.client);
    const left: string[] = [];
    ann.client.on("left", ({ channel, error }) => left.push(`${channel} ${error.error}`));
    for (let i = 0; i < 2; i++) {
      const outcome = assert.rejects(ann.client.channel("user:bob").subscribe(), {
        error: "permission_denied",
      });
      await world.clock.advance(200);
      await outcome;
    }
    assert.deepEqual(left, ["user:bob permission_denied", "user:bob permission_denied"]);
    assert.deepEqual(ann.client.manager.channels, []);
  }));
