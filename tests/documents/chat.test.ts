/** What a chat needs beside messages: edits, deletions, read positions, replays. */

import assert from "node:assert/strict";
import { systemClock } from "../../src/async/clock.ts";
import fc from "fast-check";
import { DEFAULT_NAMESPACE } from "../../src/hub/mod.ts";
import type { Payload } from "../../src/protocol/mod.ts";
import { type FakeClient, join, makeHub, principal, say } from "../hub/support.ts";
import { withDatabases } from "../engine/sqlite_support.ts";
import { Service } from "../handlers/support.ts";
import { only, refusal } from "./support.ts";

const ROOM = "chat:a";

async function history(service: Service, client: FakeClient): Promise<Payload[]> {
  return only(await service.say(client, "history", { channel: ROOM })).payload.messages as Payload[];
}

Deno.test("edits: an edit is a message of the channel, and history says what counts", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann"), bob = await join(service.hub, "s2", "bob");
  await service.say(bob, "subscribe", { channel: ROOM });
  await service.say(ann, "chat_message", { channel: ROOM, text: "helo" });
  const ack = only(
    await service.say(ann, "chat_edit", { channel: ROOM, target: 1, text: "hello" }, { id: "e1" }),
  );
  assert.deepEqual([ack.type, ack.payload.offset], ["message_ack", 2]);
  assert.deepEqual(bob.of("chat_edit")[0]!.payload, {
    channel: ROOM,
    from: "ann",
    target: 1,
    text: "hello",
    offset: 2,
    prev: 1,
  });
  const [first, edit] = await history(service, ann);
  assert.deepEqual([first!.type, first!.text, first!.edited], ["chat_message", "hello", 2]);
  assert.deepEqual([edit!.type, edit!.target, edit!.text], ["chat_edit", 1, "hello"]);
});

Deno.test("edits: what was edited or deleted stands nowhere in the history any more", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  await service.say(ann, "chat_message", { channel: ROOM, text: "secret one" });
  await service.say(ann, "chat_edit", { channel: ROOM, target: 1, text: "secret two" });
  await service.say(ann, "chat_edit", { channel: ROOM, target: 1, data: { said: "secret three" } });
  const edited = JSON.stringify(await history(service, ann));
  assert.ok(!/one|two/.test(edited) && /three/.test(edited));
  await service.say(ann, "chat_delete", { channel: ROOM, target: 1 });
  const records = await history(service, ann);
  assert.ok(!JSON.stringify(records).includes("secret"));
  assert.deepEqual([records[0]!.data, records[0]!.deleted], [null, 4]);
  assert.deepEqual(records[3], { ...records[3], type: "chat_delete", target: 1 });
  await assert.rejects(
    service.say(ann, "chat_edit", { channel: ROOM, target: 1, text: "again" }),
    refusal("unknown_message"),
  );
});

Deno.test("edits: what a deletion on another device meets on its way to being kept is taken back too", () =>
  withDatabases(async (databases) => {
    const service = new Service({}, makeHub({ engine: await databases.open() }));
    const phone = await join(service.hub, "s1", "ann"), laptop = await join(service.hub, "s2", "ann");
    await service.say(phone, "chat_message", { channel: ROOM, text: "first" });
    // All of it is one group: none sees the others in the history.
    await Promise.all([
      service.say(phone, "chat_edit", { channel: ROOM, target: 1, text: "secret one" }),
      service.say(laptop, "chat_edit", { channel: ROOM, target: 1, text: "secret two" }),
      service.say(phone, "chat_delete", { channel: ROOM, target: 1 }),
    ]);
    const records = await history(service, phone);
    assert.deepEqual(records.map(({ type }) => type), [
      "chat_message",
      "chat_edit",
      "chat_edit",
      "chat_delete",
    ]);
    assert.ok(!JSON.stringify(records).includes("secret"), JSON.stringify(records));
  }));

Deno.test("edits: an edit or a deletion sent again with its id has one effect", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  await service.say(ann, "chat_message", { channel: ROOM, text: "x" });
  for (const [type, payload] of [["chat_edit", { text: "y" }], ["chat_delete", {}]] as const) {
    const send = () => service.say(ann, type, { channel: ROOM, target: 1, ...payload }, { id: type });
    const first = only(await send()), second = only(await send());
    assert.deepEqual(second.payload, { ...first.payload, duplicate: true });
  }
  assert.equal((await history(service, ann)).length, 3);
});

Deno.test("edits: an offset of another epoch edits and deletes nothing", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  await service.say(ann, "chat_message", { channel: ROOM, text: "of this epoch" });
  const { epoch } = await service.hub.position(ROOM);
  for (const [type, content] of [["chat_edit", { text: "new" }], ["chat_delete", {}]] as const) {
    const say = (epoch: string) => service.say(ann, type, { channel: ROOM, target: 1, epoch, ...content });
    await assert.rejects(say("another"), refusal("wrong_epoch"));
    assert.equal(only(await say(epoch)).type, "message_ack");
  }
});

Deno.test("edits: nobody edits or deletes what another one said, or what is no message", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann"), bob = await join(service.hub, "s2", "bob");
  await service.say(ann, "chat_message", { channel: ROOM, text: "mine" });
  await service.say(ann, "chat_edit", { channel: ROOM, target: 1, text: "still mine" });
  for (const [type, content] of [["chat_edit", { text: "yours" }], ["chat_delete", {}]] as const) {
    const about = (target: number, client = bob) =>
      service.say(client, type, { channel: ROOM, target, ...content });
    await assert.rejects(about(1), refusal("foreign_message"));
    await assert.rejects(about(2, ann), refusal("unknown_message"));
    await assert.rejects(about(9, ann), refusal("unknown_message"));
    await assert.rejects(about(0, ann), refusal("bad_payload"));
  }
  const reader = await join(service.hub, "s3", principal("ann", { publish: [] }));
  await assert.rejects(
    service.say(reader, "chat_delete", { channel: ROOM, target: 1 }),
    refusal("permission_denied"),
  );
  assert.equal((await history(service, ann))[0]!.text, "still mine");
});

Deno.test("edits: in a channel that keeps nothing there is nothing to edit, and messages are delivered all the same", async () => {
  const namespace = () => ({ ...DEFAULT_NAMESPACE, retention: { size: 0, age: 1000 } });
  const service = new Service({}, makeHub({ namespace }));
  const ann = await join(service.hub, "s1", "ann"), bob = await join(service.hub, "s2", "bob");
  await service.say(bob, "subscribe", { channel: ROOM });
  await service.say(ann, "chat_message", { channel: ROOM, text: "gone" });
  assert.equal(bob.of("chat_message").length, 1);
  assert.deepEqual(await history(service, ann), []);
  await assert.rejects(
    service.say(ann, "chat_edit", { channel: ROOM, target: 1, text: "x" }),
    refusal("unknown_message"),
  );
});

Deno.test("unread: a read position never goes back and is told to the user's other sessions", async () => {
  const service = new Service();
  const phone = await join(service.hub, "s1", "ann"), desk = await join(service.hub, "s2", "ann");
  const bob = await join(service.hub, "s3", "bob");
  for (const text of ["a", "b", "c"]) say(service.hub, ROOM, text);
  const { epoch } = only(await service.say(phone, "history", { channel: ROOM })).payload;
  const readUpTo = async (offset: number, client = phone) =>
    only(await service.say(client, "read_up_to", { channel: ROOM, epoch, offset })).payload.offset;
  assert.equal(await readUpTo(0), 0);
  assert.equal(await readUpTo(2), 2);
  assert.equal(await readUpTo(1), 2);
  assert.equal(await readUpTo(0, desk), 2);
  const told = desk.of("read_position").map(({ payload }) => payload);
  assert.deepEqual(told, [{ channel: ROOM, from: "ann", epoch, offset: 2 }]);
  assert.deepEqual([phone.of("read_position").length, bob.of("read_position").length], [0, 0]);
  assert.equal(await readUpTo(0, bob), 0);
  await assert.rejects(readUpTo(4), refusal("unknown_offset"));
  await assert.rejects(
    service.say(phone, "read_up_to", { channel: ROOM, epoch: "other", offset: 1 }),
    refusal("wrong_epoch"),
  );
  const stranger = await join(service.hub, "s4", principal("eve", { subscribe: [] }));
  await assert.rejects(readUpTo(1, stranger), refusal("permission_denied"));
});

Deno.test("unread: others' messages are counted after the read position, up to a limit", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", principal("ann", { subscribe: ["chat:*"] }));
  const bob = await join(service.hub, "s2", "bob");
  for (let i = 0; i < 6; i++) await service.say(bob, "chat_message", { channel: ROOM, text: `${i}` });
  await service.say(ann, "chat_message", { channel: ROOM, text: "my own" });
  await service.say(bob, "chat_edit", { channel: ROOM, target: 6, text: "six" });
  await service.say(bob, "chat_delete", { channel: ROOM, target: 5 });
  const { epoch } = only(await service.say(ann, "history", { channel: ROOM })).payload;
  await service.say(ann, "read_up_to", { channel: ROOM, epoch, offset: 2 });
  const ask = async (limit?: number) => {
    const channels = [ROOM, "chat:empty", "doc:x"];
    return only(await service.say(ann, "unread", limit === undefined ? { channels } : { channels, limit }))
      .payload;
  };
  const { channels, refused } = await ask() as { channels: Record<string, Payload>; refused: unknown };
  assert.deepEqual(channels[ROOM], { epoch, offset: 2, unread: 3, more: false });
  assert.equal(channels["chat:empty"]!.unread, 0);
  assert.deepEqual(refused, { "doc:x": "permission_denied" });
  const { [ROOM]: counted } = (await ask(2)).channels as Record<string, Payload>;
  assert.deepEqual([counted!.unread, counted!.more], [2, true]);
});

Deno.test("unread: a read position that is older than the history counts what is kept and says there is more", async () => {
  const namespace = () => ({ ...DEFAULT_NAMESPACE, retention: { size: 3, age: 1e9 } });
  const service = new Service({}, makeHub({ namespace }));
  const ann = await join(service.hub, "s1", "ann");
  for (let i = 0; i < 8; i++) say(service.hub, ROOM, `${i}`);
  const { channels } = only(await service.say(ann, "unread", { channels: [ROOM] })).payload;
  const counted = (channels as Record<string, Payload>)[ROOM]!;
  assert.deepEqual([counted.unread, counted.more], [3, true]);
});

/** A clock that jumps to whatever is waited for. */
class JumpClock {
  time = 0;
  readonly slept: number[] = [];
  now = () => this.time;
  wall = () => 1_700_000_000_000 - this.time;
  after = (ms: number, fn: () => void): () => void => {
    this.time += ms;
    queueMicrotask(fn);
    return () => {};
  };
}

/** A channel with messages at these times, and a subscriber. */
async function played(times: readonly number[]) {
  const clock = new JumpClock();
  let now = 0;
  const service = new Service({ clock }, makeHub({ clock: { ...systemClock, wall: () => now } }));
  const ann = await join(service.hub, "s1", "ann");
  await service.say(ann, "subscribe", { channel: ROOM });
  for (const [i, time] of times.entries()) {
    now = time;
    say(service.hub, ROOM, `m${i}`);
  }
  const { epoch } = only(await service.say(ann, "history", { channel: ROOM })).payload;
  ann.clear();
  const seen: [unknown, number][] = [];
  const ended = new Promise<Payload>((resolve) => {
    ann.onSend = ({ type, payload }) => {
      if (type === "replay_message") seen.push([payload.text, clock.time]);
      if (type === "replay_ended") resolve(payload);
    };
  });
  const replay = (payload: Payload) =>
    service.say(ann, "replay", { channel: ROOM, epoch, ...payload }, { lane: 3 });
  return { service, ann, clock, epoch, seen, ended, replay };
}

Deno.test("unread: large messages are counted and read to the last one, though few are read at once", () =>
  withDatabases(async (databases) => {
    const service = new Service({}, makeHub({ engine: await databases.open({ cache: 0 }) }));
    const ann = await join(service.hub, "s1", "ann");
    const text = "x".repeat(30_000);
    const said = Array.from(
      { length: 120 },
      (_, i) =>
        service.hub.publish({ origin: "api", channel: ROOM, id: `m${i}`, from: "bob", payload: { text } }),
    );
    await Promise.all(said);
    const { channels } = only(await service.say(ann, "unread", { channels: [ROOM], limit: 500 })).payload;
    assert.equal((channels as Record<string, Payload>)[ROOM]!.unread, 120);
    for (const reverse of [false, true]) {
      const got: number[] = [];
      for (let more = true; more;) {
        const since = got.length === 0 ? {} : { since: got.at(-1)! };
        const asked = { channel: ROOM, limit: 1000, reverse, ...since };
        const answer = only(await service.say(ann, "history", asked)).payload;
        got.push(...(answer.messages as Payload[]).map(({ offset }) => offset as number));
        more = answer.more as boolean;
      }
      assert.deepEqual(got, Array.from({ length: 120 }, (_, i) => reverse ? 120 - i : i + 1));
    }
    // A client that missed all of it gets all of it.
    await service.say(ann, "subscribe", {
      channel: ROOM,
      since: { epoch: (await service.hub.position(ROOM)).epoch, offset: 0 },
    });
    assert.deepEqual(ann.offsets(ROOM), Array.from({ length: 120 }, (_, i) => i + 1));
  }));

Deno.test("replay: a replay sends the messages between two offsets again, marked, at the pace they had", async () => {
  const { ann, seen, ended, replay } = await played([0, 1000, 1500, 4500, 9000]);
  const started = only(await replay({ from: 1, to: 4 })).payload;
  assert.deepEqual(await ended, { channel: ROOM, replay: started.replay, offset: 4, reason: "done" });
  assert.deepEqual(seen, [["m1", 0], ["m2", 500], ["m3", 3500]]);
  const [message] = ann.of("replay_message");
  assert.deepEqual([message!.id, message!.timestamp, message!.payload.kind], ["m1", 1000, "chat_message"]);
  assert.equal(ann.of("chat_message").length, 0);
  assert.equal(ann.sent[0]!.lane, 3);
});

/** Validates: the times of a replay are those of the messages, divided by its speed and bounded. */
Deno.test("Feature: quic-transport, Property 41: a replay is as fast as its speed says, and no pause is longer than allowed", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 12 }),
      fc.constantFrom(0.5, 1, 2, 10, 100),
      async (gaps, speed) => {
        let time = 0;
        const times = gaps.map((gap) => time += gap);
        const { seen, ended, replay } = await played(times);
        await replay({ from: 0, to: 1000, speed });
        assert.equal((await ended).reason, "done");
        assert.deepEqual(seen.map(([text]) => text), gaps.map((_, i) => `m${i}`));
        for (let i = 1; i < gaps.length; i++) {
          const pause = seen[i]![1] - seen[i - 1]![1];
          assert.ok(Math.abs(pause - Math.min(10_000, gaps[i]! / speed)) < 1e-6, `${pause}`);
        }
      },
    ),
    { numRuns: 120 },
  );
});

Deno.test("replay: a replay ends at once when it is stopped, and in silence when the client leaves or has gone", async () => {
  for (const how of ["stop", "leave", "end"]) {
    const { service, ann, clock, seen, ended, replay } = await played([0, 5000, 10_000]);
    const asleep = Promise.withResolvers<void>();
    clock.after = () => {
      asleep.resolve();
      return () => {};
    };
    const started = only(await replay({ from: 0, to: 3 })).payload;
    await asleep.promise;
    if (how === "stop") await service.say(ann, "replay_stop", { channel: ROOM, replay: started.replay });
    else if (how === "leave") await service.say(ann, "unsubscribe", { channel: ROOM });
    else ann.end();
    if (how === "stop") assert.deepEqual([(await ended).reason, (await ended).offset], ["stopped", 1]);
    else {
      for (let i = 0; i < 20; i++) await Promise.resolve();
      assert.equal(ann.of("replay_ended").length, 0);
    }
    assert.equal(seen.length, 1);
  }
});

Deno.test("replay: what cannot be replayed gets its own error", async () => {
  const { service, ann, replay, epoch } = await played([0, 1]);
  await assert.rejects(replay({ from: 0, to: 2, epoch: "other" }), refusal("wrong_epoch"));
  await assert.rejects(replay({ from: 2, to: 9 }), refusal("unknown_offset"));
  await assert.rejects(replay({ from: 2, to: 2 }), refusal("bad_payload"));
  await assert.rejects(replay({ from: 0, to: 2, speed: 0 }), refusal("bad_payload"));
  await assert.rejects(
    service.say(ann, "replay_stop", { channel: ROOM, replay: "none" }),
    refusal("unknown_replay"),
  );
  await service.say(ann, "unsubscribe", { channel: ROOM });
  await assert.rejects(replay({ from: 0, to: 2, epoch }), refusal("not_subscribed"));
});

Deno.test("replay: a connection has four replays at once", async () => {
  const { clock, replay } = await played([0, 5000]);
  clock.after = () => () => {};
  for (let i = 0; i < 4; i++) await replay({ from: 0, to: 2 });
  await assert.rejects(replay({ from: 0, to: 2 }), refusal("limit_exceeded"));
});
