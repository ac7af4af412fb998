/** Commands to bots: refusals, answers of every kind, and bots and askers that misbehave. */

import assert from "node:assert/strict";
import { settle } from "../support/clock.ts";
import { FakeClient, join, principal } from "../hub/support.ts";
import { withBots } from "./bots_support.ts";

const COMMAND = { bot: "echo", command: "say" };
const never = () => new Promise<void>(() => {});

Deno.test("bots: a command to a bot whose outbox is full is refused for now, and not sent", async () => {
  const { service, ann, bots: [bot] } = await withBots();
  bot!.ready = never;
  await assert.rejects(service.say(ann, "bot_command", COMMAND, { id: "c1" }), {
    error: "not_available",
    retryAfter: 1000,
  });
  assert.deepEqual(bot!.of("bot_command"), []);
  bot!.ready = () => undefined;
  await service.say(ann, "bot_command", COMMAND, { id: "c1" });
  assert.equal(bot!.of("bot_command").length, 1);
});

Deno.test("bots: commands go to the connections of a bot that have room", async () => {
  const { service, ann, bots: [full, free] } = await withBots(2);
  full!.ready = never;
  for (let i = 0; i < 4; i++) await service.say(ann, "bot_command", COMMAND);
  assert.deepEqual([full!.of("bot_command").length, free!.of("bot_command").length], [0, 4]);
});

Deno.test("bots: an asker without room gets what was said in the meantime as one piece", async () => {
  const { service, ann, respond, told } = await withBots();
  await service.say(ann, "bot_command", COMMAND, { id: "c1" });
  await respond({ kind: "piece", at: 0, text: "a" });
  let makeRoom = () => {};
  const room = new Promise<void>((resolve) => makeRoom = resolve);
  ann.ready = () => room;
  for (const [at, text] of ["b", "c", "d"].entries()) await respond({ kind: "piece", at: at + 1, text });
  await respond({ kind: "piece", at: 4, text: "", final: "ended" });
  assert.equal(told().length, 1);
  ann.ready = () => undefined;
  makeRoom();
  await settle();
  assert.deepEqual(told().map(({ at, text, final }) => [at, text, final]), [
    [0, "a", undefined],
    [1, "b", undefined],
    [2, "cd", "ended"],
  ]);
});

Deno.test("bots: a command that a bot never answers ends with a timeout, and a late answer is refused", async () => {
  const { clock, service, ann, respond, told } = await withBots();
  await service.say(ann, "bot_command", COMMAND, { id: "c1" });
  await clock.advance(29_999);
  assert.deepEqual(told(), []);
  await clock.advance(1);
  assert.deepEqual(told(), [{
    bot: "echo",
    from: "echo",
    command: "say",
    kind: "failed",
    reason: "timeout",
    text: "the bot did not answer within 30 s",
  }]);
  await assert.rejects(respond({ text: "late" }), { error: "command_over" });
  assert.equal(told().length, 1);
});

Deno.test("bots: progress gives more time, but not for ever", async () => {
  const { clock, service, ann, respond, told } = await withBots();
  await service.say(ann, "bot_command", COMMAND, { id: "c1" });
  for (let n = 1; n < 30; n++) {
    await clock.advance(20_000);
    await respond({ kind: "progress", done: n / 30, text: "working" });
  }
  assert.equal(told().length, 29);
  assert.deepEqual(told()[28], {
    bot: "echo",
    from: "echo-user",
    command: "say",
    kind: "progress",
    done: 29 / 30,
    text: "working",
  });
  await clock.advance(20_000);
  assert.equal(told().at(-1)!.reason, "timeout");
  assert.equal(clock.pending, 0);
});

Deno.test("bots: a second answer is refused, and the same one said again is not", async () => {
  const { service, ann, respond, told } = await withBots();
  await service.say(ann, "bot_command", COMMAND, { id: "c1" });
  await respond({ text: "one" }, "c1", "r1");
  assert.equal((await respond({ text: "one" }, "c1", "r1"))[0]!.type, "bot_taken");
  await assert.rejects(respond({ text: "two" }, "c1", "r2"), { error: "command_over" });
  assert.deepEqual(told().map(({ text }) => text), ["one"]);
});

Deno.test("bots: the command of another bot, or of nobody, cannot be answered", async () => {
  const { service, ann, respond, told } = await withBots();
  const other = await join(service.hub, "o1", principal("other-user", { bot: "other" }));
  await service.say(ann, "bot_command", COMMAND, { id: "c1" });
  const mine = { to: "ann", text: "mine" };
  await assert.rejects(service.say(other, "bot_response", mine, { re: "c1" }), { error: "command_over" });
  await assert.rejects(service.say(ann, "bot_response", mine, { re: "c1" }), { error: "permission_denied" });
  await assert.rejects(respond({ text: "x" }, "c2"), { error: "command_over" });
  await assert.rejects(service.say(other, "bot_response", mine), { error: "bad_request" });
  await respond({ text: "x" });
  assert.deepEqual(told().map(({ text }) => text), ["x"]);
});

Deno.test("bots: pieces come once and in order, and a gap is refused", async () => {
  const { service, ann, respond, told } = await withBots();
  await service.say(ann, "bot_command", COMMAND, { id: "c1" });
  const [first] = await respond({ kind: "piece", at: 0, text: "hello" });
  assert.deepEqual(first!.payload, { length: 5 });
  await assert.rejects(respond({ kind: "piece", at: 6, text: "x" }), { error: "stream_gap" });
  const [again] = await respond({ kind: "piece", at: 0, text: "hello world" });
  assert.deepEqual(again!.payload, { length: 11 });
  await respond({ kind: "piece", at: 11, text: "", final: "failed" });
  assert.deepEqual(told().map(({ at, text, final }) => [at, text, final]), [
    [0, "hello", undefined],
    [5, " world", undefined],
    [11, "", "failed"],
  ]);
});

Deno.test("bots: an answer that is too long ends the command, and the bot is told", async () => {
  const { service, ann, respond, told } = await withBots();
  await service.say(ann, "bot_command", COMMAND, { id: "c1" });
  await respond({ kind: "piece", at: 0, text: "x".repeat(60_000) });
  await assert.rejects(respond({ kind: "piece", at: 60_000, text: "x".repeat(10_000) }), {
    error: "message_too_large",
  });
  assert.equal(told().at(-1)!.reason, "too_large");
  await assert.rejects(respond({ kind: "piece", at: 60_000, text: "x" }), { error: "command_over" });
});

Deno.test("bots: a whole answer that fits no message of the asker ends the command, and the bot is told", async () => {
  const { service, ann, respond, told } = await withBots();
  // Six bytes each in JSON: a bot that speaks MessagePack has room for them.
  for (
    const [index, said] of [
      { text: "\u0001".repeat(20_000) },
      { kind: "answer", data: { list: ["\u0001".repeat(20_000)] } },
    ].entries()
  ) {
    const id = `c${index}`;
    await service.say(ann, "bot_command", COMMAND, { id });
    await assert.rejects(respond(said, id), { error: "message_too_large" });
    const { kind, reason } = told().at(-1)!;
    assert.deepEqual([kind, reason], ["failed", "too_large"]);
    await assert.rejects(respond({ text: "short" }, id), { error: "command_over" });
  }
  assert.equal(service.hub.commands.open, 0);
});

Deno.test("bots: where hooks decide about a channel, only subscribers give commands about it", async () => {
  const { service, ann, bots: [bot] } = await withBots();
  service.hub.admissions.add({ name: "a", channels: ["chat:a"], subscribe: () => {} });
  const command = { ...COMMAND, channel: "chat:a" };
  await assert.rejects(service.say(ann, "bot_command", command), { error: "not_subscribed" });
  assert.deepEqual(bot!.of("bot_command"), []);
  await service.say(ann, "bot_command", { ...COMMAND, channel: "chat:b" });
  await service.say(ann, "subscribe", { channel: "chat:a" });
  await service.say(ann, "bot_command", command);
  assert.deepEqual(bot!.of("bot_command").map(({ payload }) => payload.channel), ["chat:b", "chat:a"]);
});

Deno.test("bots: a long answer goes out in pieces that are no half of a character", async () => {
  const { service, ann, respond, told } = await withBots();
  await service.say(ann, "bot_command", COMMAND, { id: "c1" });
  const said = "x" + "\u{1f600}".repeat(10_000);
  ann.ready = never;
  await respond({ kind: "piece", at: 0, text: said, final: "ended" });
  ann.ready = () => undefined;
  await service.say(ann, "bot_command", { ...COMMAND, since: 0 }, { id: "c1" });
  await settle();
  assert.equal(told().map(({ text }) => text).join(""), said);
  for (const { text } of told()) assert.ok((text as string).isWellFormed());
  assert.equal(told().at(-1)!.final, "ended");
});

Deno.test("bots: a bot that ends in the middle of its answer ends the command", async () => {
  const { service, ann, bots: [bot], respond, told } = await withBots();
  await service.say(ann, "bot_command", COMMAND, { id: "c1" });
  await respond({ kind: "piece", at: 0, text: "hel" });
  // A connection that is lost may come back.
  service.hub.detach(bot!);
  assert.equal(told().length, 1);
  service.hub.leave(bot!);
  assert.deepEqual(told()[1], {
    bot: "echo",
    from: "echo-user",
    command: "say",
    kind: "failed",
    reason: "bot_gone",
    text: "the bot has gone",
  });
});

Deno.test("bots: a command said again is the same command, and its answer comes from where the asker stood", async () => {
  const { service, ann, bots: [bot], respond, told } = await withBots();
  await service.say(ann, "bot_command", COMMAND, { id: "c1" });
  await respond({ kind: "piece", at: 0, text: "one " });
  service.hub.detach(ann);
  ann.end();
  await respond({ kind: "piece", at: 4, text: "two " });
  const back = new FakeClient("ann", principal("ann"), "ann-2");
  (await service.hub.attach(back, undefined)).start();
  assert.deepEqual(back.of("bot_response"), []);
  await service.say(back, "bot_command", { ...COMMAND, since: 4 }, { id: "c1" });
  await respond({ kind: "piece", at: 8, text: "three", final: "ended" });
  assert.deepEqual(back.of("bot_response").map(({ payload: { at, text } }) => [at, text]), [
    [4, "two "],
    [8, "three"],
  ]);
  assert.equal(bot!.of("bot_command").length, 1);
  assert.equal(told().length, 1);
  // After its end too.
  back.clear();
  await service.say(back, "bot_command", COMMAND, { id: "c1" });
  assert.deepEqual(back.of("bot_response").map(({ payload: { text, final } }) => [text, final]), [
    ["one two three", "ended"],
  ]);
});

Deno.test("bots: a command said again is not answered to one who may not read its channel any more", async () => {
  const { service, ann, respond } = await withBots();
  await service.say(ann, "bot_command", { ...COMMAND, channel: "chat:a" }, { id: "c1" });
  await respond({ text: "for members" });
  ann.clear();
  ann.principal = principal("ann", { subscribe: ["chat:b"] });
  for (const about of [{ channel: "chat:a" }, {}]) {
    const again = service.say(ann, "bot_command", { ...COMMAND, ...about }, { id: "c1" });
    await assert.rejects(again, { error: "permission_denied" });
  }
  assert.deepEqual(ann.of("bot_response"), []);
});

Deno.test("bots: one user has 64 open commands at most, and those of a session that ends are over", async () => {
  const { clock, service, ann } = await withBots();
  for (let i = 0; i < 64; i++) await service.say(ann, "bot_command", COMMAND);
  assert.equal(service.hub.commands.open, 64);
  await assert.rejects(service.say(ann, "bot_command", COMMAND), { error: "limit_exceeded" });
  const bob = await join(service.hub, "bob", "bob");
  await service.say(bob, "bot_command", COMMAND);
  service.hub.leave(ann);
  assert.equal(service.hub.commands.open, 1);
  service.hub.leave(bob);
  assert.equal(clock.pending, 0);
});

Deno.test("bots: an answer in the channel is a kept message of the bot, and its asker is told where", async () => {
  const { service, ann, respond, told } = await withBots();
  await service.say(ann, "subscribe", { channel: "chat:a" });
  await service.say(ann, "bot_command", { ...COMMAND, channel: "chat:a" }, { id: "c1" });
  const [taken] = await respond({ kind: "channel", text: "for all" }, "c1", "r1");
  const [said] = ann.of("chat_message");
  assert.deepEqual([said!.id, said!.payload.from, said!.payload.text], ["r1", "echo-user", "for all"]);
  assert.deepEqual(taken!.payload, { offset: said!.payload.offset });
  assert.deepEqual(told(), [{
    bot: "echo",
    from: "echo-user",
    command: "say",
    kind: "channel",
    channel: "chat:a",
    offset: said!.payload.offset,
  }]);
  // Its acknowledgement may be lost.
  const [again] = await respond({ kind: "channel", text: "for all" }, "c1", "r1");
  assert.deepEqual(again!.payload, taken!.payload);
  await assert.rejects(respond({ kind: "channel", text: "for all" }, "c1", "r2"), { error: "command_over" });
  assert.deepEqual([ann.of("chat_message").length, told().length], [1, 1]);
});

Deno.test("bots: an answer that names an offset names a message that the bot said in that channel", async () => {
  const { service, ann, bots, respond, told } = await withBots();
  await service.say(ann, "chat_message", { channel: "chat:a", text: "of ann" });
  await service.say(bots[0]!, "chat_message", { channel: "chat:a", text: "of the bot" });
  await service.say(ann, "bot_command", { ...COMMAND, channel: "chat:a" }, { id: "c1" });
  await assert.rejects(respond({ kind: "channel", offset: 1 }), { error: "foreign_message" });
  await assert.rejects(respond({ kind: "channel", offset: 3 }), { error: "unknown_message" });
  assert.deepEqual(told(), []);
  await respond({ kind: "channel", offset: 2 });
  assert.deepEqual(told().map(({ kind, offset }) => [kind, offset]), [["channel", 2]]);
});

Deno.test("bots: a bot says nothing in a channel for one who may not, or about none", async () => {
  const { service, ann, respond } = await withBots(1, { publish: [], subscribe: ["chat:a"] });
  await service.say(ann, "bot_command", { ...COMMAND, channel: "chat:a" }, { id: "c1" });
  await assert.rejects(respond({ kind: "channel", text: "x" }), { error: "permission_denied" });
  await service.say(ann, "bot_command", COMMAND, { id: "c2" });
  await assert.rejects(respond({ kind: "channel", text: "x" }, "c2"), { error: "bad_request" });
  await assert.rejects(service.say(ann, "bot_command", { ...COMMAND, channel: "chat:b" }), {
    error: "permission_denied",
  });
});
