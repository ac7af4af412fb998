import assert from "node:assert/strict";
import { DEFAULT_NAMESPACE } from "../../src/hub/mod.ts";
import {
  BROADCAST_CHANNEL,
  type Message,
  parseServerPayload,
  type Principal,
  ProtocolError,
  type Right,
  type ServerType,
} from "../../src/protocol/mod.ts";
import { FakeClient, join, makeHub, principal } from "../hub/support.ts";
import { Service } from "./support.ts";
import { clientTypes } from "../support/message_types.ts";

function refusal(error: string) {
  return (thrown: unknown) => thrown instanceof ProtocolError && thrown.error === error;
}

function withRights(userId: string, ...rights: Right[]): Principal {
  return principal(userId, { rights: new Set(rights) });
}

/** Every message says what the protocol says it does. */
function assertSpoken(messages: readonly Message[]): void {
  for (const { type, payload } of messages) {
    // JSON, as a client gets it: nothing that only looks like a payload in memory.
    parseServerPayload(type as ServerType, JSON.parse(JSON.stringify(payload)));
  }
}

Deno.test("handlers: every type a client may send once authenticated has a route", () => {
  const { router } = new Service();
  const session = ["auth_request", "auth_refresh", "deflated"];
  assert.deepEqual(router.types.sort(), clientTypes.filter((type) => !session.includes(type)).sort());
});

Deno.test("handlers: a chat message is acknowledged with its place and reaches subscribers, its sender too", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  const bob = await join(service.hub, "s2", "bob");
  for (const client of [ann, bob]) await service.say(client, "subscribe", { channel: "chat:a" }, { lane: 4 });
  ann.clear();
  const [ack] = await service.say(ann, "chat_message", { channel: "chat:a", text: "hi", extra: 1 }, {
    id: "m1",
  });
  const { epoch } = ack!.payload;
  assert.deepEqual(ack!.payload, { channel: "chat:a", offset: 1, epoch, duplicate: false });
  for (const client of [ann, bob]) {
    const [message] = client.of("chat_message");
    assert.equal(message!.id, "m1");
    assert.deepEqual(message!.payload, { channel: "chat:a", from: "ann", text: "hi", offset: 1, prev: 0 });
    assert.equal(client.sent.find((sent) => sent.message.type === "chat_message")!.lane, 4);
    assertSpoken(client.of("chat_message"));
  }
  assertSpoken([ack!]);
});

Deno.test("handlers: a message sent again with its id has one effect, another user's with the same id its own", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  const bob = await join(service.hub, "s2", "bob");
  await service.say(bob, "subscribe", { channel: "chat:a" });
  const said = { channel: "chat:a", data: { n: 1 } };
  const [first] = await service.say(ann, "chat_message", said, { id: "m1" });
  const [again] = await service.say(ann, "chat_message", said, { id: "m1", early: true });
  const [other] = await service.say(bob, "chat_message", said, { id: "m1" });
  assert.deepEqual(again!.payload, { ...first!.payload, duplicate: true });
  assert.equal(other!.payload.duplicate, false);
  assert.deepEqual(bob.offsets("chat:a"), [1, 2]);
});

Deno.test("who may not publish is refused: by claims, in reserved and in unknown namespaces", async () => {
  const service = new Service(
    {},
    makeHub({
      namespace: (name) =>
        ({
          chat: DEFAULT_NAMESPACE,
          open: { ...DEFAULT_NAMESPACE, publish: "all" as const },
          shut: { ...DEFAULT_NAMESPACE, publish: "none" as const },
        })[name],
    }),
  );
  const ann = await join(service.hub, "s1", principal("ann", { publish: ["chat:a", "shut:*", "user:*"] }));
  const publish = (channel: string) => service.say(ann, "chat_message", { channel, text: "x" });
  await publish("chat:a");
  await publish("open:any");
  for (const channel of ["chat:b", "shut:a", "user:bob", "user:ann", BROADCAST_CHANNEL]) {
    await assert.rejects(publish(channel), refusal("permission_denied"));
  }
  await assert.rejects(publish("none:a"), refusal("unknown_channel"));
  await assert.rejects(publish("no channel"), refusal("bad_payload"));
});

Deno.test("handlers: subscribing replies before it replays, on the lane it came on", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  const [subscribed] = await service.say(ann, "subscribe", { channel: "chat:a" });
  assertSpoken([subscribed!]);
  await service.say(ann, "unsubscribe", { channel: "chat:a" });
  await service.say(ann, "chat_message", { channel: "chat:a", text: "missed" });
  const order: string[] = [];
  ann.onSend = ({ type }) => order.push(type);
  await service.router.dispatch({
    client: ann,
    message: {
      type: "subscribe",
      id: "again",
      timestamp: 0,
      payload: { channel: "chat:a", since: { epoch: subscribed!.payload.epoch, offset: 0 } },
    },
    lane: 6,
    datagram: false,
    early: false,
    reply: (type) => order.push(type),
  });
  assert.deepEqual(order, ["subscribed", "chat_message"]);
  assert.equal(ann.sent.at(-1)!.lane, 6);
});

Deno.test("handlers: unsubscribing ends deliveries and is refused for the inbox, broadcasts and channels one is not on", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  await service.say(ann, "subscribe", { channel: "chat:a" });
  const [left] = await service.say(ann, "unsubscribe", { channel: "chat:a" });
  assert.deepEqual([left!.type, left!.payload], ["unsubscribed", { channel: "chat:a" }]);
  await service.say(ann, "chat_message", { channel: "chat:a", text: "x" });
  assert.deepEqual(ann.of("chat_message"), []);
  await assert.rejects(service.say(ann, "unsubscribe", { channel: "chat:a" }), refusal("not_subscribed"));
  for (const channel of ["user:ann", BROADCAST_CHANNEL]) {
    await assert.rejects(service.say(ann, "unsubscribe", { channel }), refusal("permission_denied"));
  }
});

Deno.test("handlers: a direct message reaches all devices of its user and nobody else", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", withRights("ann", "direct_message"));
  const phone = await join(service.hub, "s2", "bob");
  const desk = await join(service.hub, "s3", "bob");
  const [ack] = await service.say(ann, "direct_message", { to: "bob", text: "psst" }, { id: "d1" });
  assert.equal(ack!.payload.channel, "user:bob");
  for (const client of [phone, desk]) {
    assertSpoken(client.of("direct_message"));
    assert.deepEqual(client.of("direct_message").map(({ payload }) => payload), [
      { channel: "user:bob", from: "ann", to: "bob", text: "psst", offset: 1, prev: 0 },
    ]);
  }
  assert.deepEqual(ann.of("direct_message"), []);
  await assert.rejects(
    service.say(phone, "direct_message", { to: "ann", text: "x" }),
    refusal("permission_denied"),
  );
  await assert.rejects(
    service.say(ann, "direct_message", { to: "no one", text: "x" }),
    refusal("bad_payload"),
  );
});

Deno.test("handlers: a broadcast reaches everybody and needs its right", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", withRights("ann", "broadcast"));
  const bob = await join(service.hub, "s2", "bob");
  const [ack] = await service.say(ann, "broadcast", { data: [1] });
  assert.equal(ack!.payload.channel, BROADCAST_CHANNEL);
  for (const client of [ann, bob]) {
    assertSpoken(client.of("broadcast"));
    assert.deepEqual(client.of("broadcast")[0]!.payload.data, [1]);
  }
  await assert.rejects(service.say(bob, "broadcast", { text: "x" }), refusal("permission_denied"));
});

Deno.test("handlers: typing reaches the other sessions on the channel as something that may be lost, and nothing is kept", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  const bob = await join(service.hub, "s2", principal("bob", { publish: [] }));
  for (const client of [ann, bob]) {
    await service.say(client, "subscribe", { channel: "chat:a" }, { lane: 2 });
  }
  for (const client of [ann, bob]) client.clear();
  for (const type of ["typing_start", "typing_stop"]) {
    assert.deepEqual(await service.say(ann, type, { channel: "chat:a" }, { datagram: true }), []);
    await assert.rejects(service.say(bob, type, { channel: "chat:a" }), refusal("permission_denied"));
    await assert.rejects(service.say(ann, type, { channel: "chat:b" }), refusal("not_subscribed"));
  }
  assert.equal(ann.sent.length, 0);
  assert.deepEqual(
    bob.sent.map(({ message, lane }) => [message.type, message.payload, lane]),
    [
      ["typing_start", { channel: "chat:a", from: "ann" }, 2],
      ["typing_stop", { channel: "chat:a", from: "ann" }, 2],
    ],
  );
  const [history] = await service.say(ann, "history", { channel: "chat:a" });
  assert.equal(history!.payload.offset, 0);
});

Deno.test("handlers: history is given in either direction from any place, and says when there is more", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  for (let i = 1; i <= 5; i++) await service.say(ann, "chat_message", { channel: "chat:a", text: `${i}` });
  const ask = async (payload: Record<string, unknown>) => {
    const [answer] = await service.say(ann, "history", { channel: "chat:a", ...payload });
    assertSpoken([answer!]);
    const { messages, more, complete, offset } = answer!.payload;
    assert.equal(offset, 5);
    return [(messages as { text: string }[]).map(({ text }) => text).join(""), more, complete];
  };
  assert.deepEqual(await ask({}), ["12345", false, true]);
  assert.deepEqual(await ask({ limit: 2 }), ["12", true, true]);
  assert.deepEqual(await ask({ since: 3, limit: 2 }), ["45", false, true]);
  assert.deepEqual(await ask({ reverse: true, limit: 2 }), ["54", true, true]);
  assert.deepEqual(await ask({ reverse: true, since: 3 }), ["21", false, true]);
  assert.deepEqual(await ask({ since: 5 }), ["", false, true]);
  const [own] = await service.say(ann, "history", { channel: "user:ann" });
  assert.deepEqual(own!.payload.messages, []);
  await assert.rejects(service.say(ann, "history", { channel: "user:bob" }), refusal("permission_denied"));
  for (const bad of [{ limit: 0 }, { limit: 1001 }, { since: -1 }, { reverse: 1 }]) {
    await assert.rejects(
      service.say(ann, "history", { channel: "chat:a", ...bad }),
      refusal("bad_payload"),
    );
  }
});

Deno.test("handlers: a history that does not fit a message is cut, and read to its end in parts", async () => {
  const room = 4_096;
  const service = new Service({ maxMessage: room });
  const ann = await join(service.hub, "s1", "ann");
  const texts = Array.from({ length: 40 }, (_, i) => `${i} ${'x€😀"'.repeat(i * 3)}`);
  for (const text of texts) await service.say(ann, "chat_message", { channel: "chat:a", text });
  const got: string[] = [];
  for (let since = 0, more = true; more;) {
    const [answer] = await service.say(ann, "history", { channel: "chat:a", since });
    const bytes = new TextEncoder().encode(JSON.stringify(answer)).length;
    const messages = answer!.payload.messages as { text: string; offset: number }[];
    assert.ok(messages.length > 0);
    assert.ok(bytes <= room, `${bytes} bytes`);
    got.push(...messages.map(({ text }) => text));
    since = messages.at(-1)!.offset;
    more = answer!.payload.more as boolean;
  }
  assert.deepEqual(got, texts);
});

Deno.test("handlers: presence tells users, their sessions and info, of channels one may read and only there", async () => {
  const service = new Service(
    {},
    makeHub({
      namespace: (name) =>
        name === "chat"
          ? DEFAULT_NAMESPACE
          : name === "still"
          ? { ...DEFAULT_NAMESPACE, presence: false }
          : undefined,
    }),
  );
  const ann = await join(
    service.hub,
    "s1",
    principal("ann", { info: { name: "Ann" }, subscribe: ["chat:a", "still:*"] }),
  );
  const two = await join(service.hub, "s2", "bob");
  const three = await join(service.hub, "s3", "bob");
  for (const client of [ann, two, three]) await service.say(client, "subscribe", { channel: "chat:a" });
  const [answer] = await service.say(ann, "presence", { channel: "chat:a" });
  assertSpoken([answer!]);
  assert.deepEqual(answer!.payload, {
    channel: "chat:a",
    users: [{ userId: "ann", sessions: 1, info: { name: "Ann" } }, { userId: "bob", sessions: 2 }],
    total: 2,
  });
  for (const channel of ["chat:b", "still:a", "user:ann", BROADCAST_CHANNEL]) {
    await assert.rejects(service.say(ann, "presence", { channel }), refusal("permission_denied"));
  }
});

Deno.test("handlers: the list of clients needs its right and is cut to fit a message", async () => {
  const service = new Service({ maxMessage: 2_048 });
  const ann = await join(service.hub, "s1", withRights("ann", "client_list"));
  for (let i = 0; i < 100; i++) await join(service.hub, `x${i}`, `user${i}`);
  const [answer] = await service.say(ann, "client_list", {});
  assertSpoken([answer!]);
  assert.equal(answer!.payload.total, 101);
  assert.ok((answer!.payload.users as unknown[]).length > 5);
  assert.ok(JSON.stringify(answer).length <= 2_048);
  const bob = await join(service.hub, "s2", "bob");
  await assert.rejects(service.say(bob, "client_list", {}), refusal("permission_denied"));
});

Deno.test("handlers: a command goes to one connection of the bot in turn, its answer to the session that asked", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  const bots: FakeClient[] = [];
  for (const id of ["b1", "b2"]) {
    bots.push(await join(service.hub, id, principal("robot", { bot: "echo" })));
  }
  const command = { bot: "echo", command: "say", args: ["x"], channel: "chat:a" };
  assert.deepEqual(await service.say(ann, "bot_command", command, { id: "c1", lane: 207 }), []);
  await service.say(ann, "bot_command", { bot: "echo", command: "say" }, { id: "c2", lane: 207 });
  const [got] = bots[0]!.of("bot_command");
  assertSpoken([got!]);
  assert.equal(got!.id, "c1");
  assert.deepEqual(got!.payload, { ...command, from: "ann", session: "s1" });
  assert.equal(bots[1]!.of("bot_command").length, 1);
  const [taken] = await service.say(bots[0]!, "bot_response", { to: "s1", text: "x" }, { re: "c1" });
  assert.deepEqual([taken!.type, taken!.payload], ["bot_taken", {}]);
  const answer = ann.sent.find(({ message }) => message.type === "bot_response")!;
  assertSpoken([answer.message]);
  assert.equal(answer.message.re, "c1");
  assert.equal(answer.lane, 207);
  assert.deepEqual(answer.message.payload, {
    bot: "echo",
    from: "robot",
    command: "say",
    kind: "answer",
    text: "x",
  });
  await assert.rejects(
    service.say(ann, "bot_command", { bot: "none", command: "say" }),
    refusal("unknown_bot"),
  );
  await assert.rejects(
    service.say(ann, "bot_response", { to: "s1", text: "x" }, { re: "c2" }),
    refusal("permission_denied"),
  );
  await assert.rejects(
    service.say(bots[0]!, "bot_response", { to: "gone", text: "x" }, { re: "c2" }),
    refusal("command_over"),
  );
  service.hub.leave(ann);
});

Deno.test("handlers: a ping is answered, as a datagram and early too, and what a client reports is passed on", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  const [pong] = await service.say(ann, "ping", { rtt: 12.5 }, { datagram: true, early: true });
  assert.deepEqual([pong!.type, pong!.payload, pong!.re], ["pong", {}, "i1"]);
  assert.equal((await service.say(ann, "ping", {})).length, 1);
  assert.deepEqual(await service.say(ann, "client_report", { reconnects: 2, loss: 0.5 }), []);
  assert.deepEqual(ann.reports, [{ rtt: 12.5 }, { reconnects: 2, loss: 0.5 }]);
});

Deno.test("handlers: early data that cannot be acted on twice is refused", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  for (const type of ["bot_command", "client_report"]) {
    await assert.rejects(service.say(ann, type, {}, { early: true }), refusal("too_early"));
  }
});

Deno.test("handlers: a connection that was replaced can do nothing on channels any more", async () => {
  const service = new Service();
  const old = await join(service.hub, "s1", "ann");
  await service.say(old, "subscribe", { channel: "chat:a" });
  const next = new FakeClient("s1", principal("ann"), "s1-2");
  (await service.hub.attach(next, undefined)).start();
  for (const type of ["subscribe", "unsubscribe"]) {
    await assert.rejects(service.say(old, type, { channel: "chat:a" }), refusal("unauthorized"));
  }
  await assert.rejects(service.say(old, "typing_start", { channel: "chat:a" }), refusal("not_subscribed"));
});
