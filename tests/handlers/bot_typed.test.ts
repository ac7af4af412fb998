/** Commands that are typed, what bots register, and what the service says of them. */

import assert from "node:assert/strict";
import type { Payload } from "../../src/protocol/mod.ts";
import { join, principal } from "../hub/support.ts";
import { POLL, withPoll } from "./bots_support.ts";

Deno.test("bots: a typed command is not published, and comes to the bot with its arguments by name", async () => {
  const { service, ann, poll, type, told } = await withPoll();
  await service.say(ann, "subscribe", { channel: "chat:a" });
  const [ack] = await type('/poll start "Lunch at noon?" tea coffee', "m1");
  assert.equal(ack!.type, "message_ack");
  assert.deepEqual(ack!.payload.command, { bot: "poll", command: "start" });
  assert.equal(ack!.payload.offset, 0);
  const [command] = poll.of("bot_command");
  assert.deepEqual(command!.payload, {
    bot: "poll",
    command: "start",
    args: { question: "Lunch at noon?", options: ["tea", "coffee"] },
    channel: "chat:a",
    from: "ann",
    session: "ann",
  });
  // An acknowledgement may be lost: the same message is the same command.
  assert.deepEqual((await type('/poll start "Lunch at noon?" tea coffee', "m1"))[0]!.payload, ack!.payload);
  assert.equal(poll.of("bot_command").length, 1);
  await service.say(poll, "bot_response", { to: "ann", text: "begun" }, { re: "m1" });
  assert.equal(told()[0]!.text, "begun");
  assert.deepEqual(ann.of("chat_message"), []);
  await type("/STOP 3");
  assert.deepEqual(poll.of("bot_command")[1]!.payload.args, { poll: 3 });
});

Deno.test("bots: a slash more says the text, and what is no command is said as it is", async () => {
  const { service, ann, poll, type } = await withPoll();
  await service.say(ann, "subscribe", { channel: "chat:a" });
  for (const text of ["//poll start", "///poll", "// a comment", "/etc/passwd", "/", "a /poll", "/-1"]) {
    await type(text);
  }
  const said = ann.of("chat_message").map(({ payload }) => payload.text);
  assert.deepEqual(said, ["/poll start", "//poll", "// a comment", "/etc/passwd", "/", "a /poll", "/-1"]);
  assert.deepEqual(poll.of("bot_command"), []);
});

Deno.test("bots: a mistyped command is refused with what may have been meant, and not published", async () => {
  const { service, ann, type } = await withPoll();
  await service.say(ann, "subscribe", { channel: "chat:a" });
  await assert.rejects(type("/pol start x y"), {
    error: "unknown_command",
    message: "no such command: did you mean /poll stop or /poll start?",
    suggestions: ["/poll stop", "/poll start"],
  });
  await assert.rejects(type("/poll strat x y"), {
    error: "unknown_command",
    suggestions: ["/poll start", "/poll stop"],
  });
  await assert.rejects(type("/poll start lunch"), {
    error: "bad_arguments",
    message: "options: missing. Usage: /poll start <question> <options...>",
  });
  await assert.rejects(type("/poll stop x"), { message: "poll: a whole number. Usage: /poll stop [poll]" });
  await assert.rejects(type('/poll start "lunch'), { error: "bad_arguments" });
  await assert.rejects(service.say(ann, "bot_command", { bot: "poll", command: "strat" }), {
    error: "unknown_command",
    suggestions: ["start"],
  });
  await assert.rejects(service.say(ann, "bot_command", { bot: "pol", command: "start" }), {
    error: "unknown_bot",
    suggestions: ["poll"],
  });
  const args = { question: "a", options: ["b"], more: 1 };
  await assert.rejects(service.say(ann, "bot_command", { bot: "poll", command: "start", args }), {
    error: "bad_arguments",
  });
  assert.deepEqual(ann.of("chat_message"), []);
});

Deno.test("bots: a typed command to a bot that is away is answered at once", async () => {
  const { service, poll, type, told } = await withPoll();
  service.hub.detach(poll);
  assert.equal((await type("/poll stop", "m1"))[0]!.type, "message_ack");
  assert.deepEqual([told()[0]!.kind, told()[0]!.reason], ["failed", "bot_gone"]);
  service.hub.leave(poll);
  await assert.rejects(type("/poll stop"), { error: "unknown_command" });
});

Deno.test("bots: early data gives no commands, because it may come twice", async () => {
  const { service, ann, poll } = await withPoll();
  const said = { channel: "chat:a", text: "/poll stop" };
  await assert.rejects(service.say(ann, "chat_message", said, { early: true }), { error: "too_early" });
  assert.deepEqual(poll.of("bot_command"), []);
});

Deno.test("bots: help says which commands there are, and how one is used", async () => {
  const { type, told } = await withPoll();
  await type("/help");
  assert.equal(
    told()[0]!.text,
    "Commands:\n" +
      "/help [command] - Says which commands there are, or how one is used\n" +
      "/poll start <question> <options...> - Begins a poll\n" +
      "/poll stop [poll]\n" +
      "/help COMMAND says more; // at the beginning sends a slash.",
  );
  await type("/help poll stop");
  assert.equal(told()[1]!.text, "/poll stop [poll]\n  poll (integer, optional, else 1)");
  await type("/poll");
  assert.match(
    told()[2]!.text as string,
    /^Asks the room\n\/poll start .*\n {2}question\n {2}options\n\/poll stop/,
  );
  await type("/help pol");
  assert.equal(told()[3]!.text, "There is no such command. Did you mean /poll stop or /poll start?");
  assert.deepEqual(told().map(({ bot, kind }) => `${bot} ${kind}`), Array(4).fill("help answer"));
});

Deno.test("bots: commands are listed for completion by what was typed of them", async () => {
  const { service, ann } = await withPoll();
  const list = async (asked: Payload) => {
    const [answer] = await service.say(ann, "bot_commands", asked);
    return [
      (answer!.payload.commands as { usage: string }[]).map(({ usage }) => usage),
      answer!.payload.more,
    ];
  };
  const start = "/poll start <question> <options...>";
  assert.deepEqual(await list({}), [["/help [command]", start, "/poll stop [poll]"], false]);
  assert.deepEqual(await list({ prefix: "/poll sta" }), [[start], false]);
  assert.deepEqual(await list({ prefix: "STO" }), [["/poll stop [poll]"], false]);
  assert.deepEqual(await list({ bot: "poll", limit: 1 }), [[start], true]);
  assert.deepEqual(await list({ prefix: "x" }), [[], false]);
});

Deno.test("bots: what a bot registers is bounded, and only a bot registers", async () => {
  const { service, ann, poll } = await withPoll();
  await assert.rejects(service.say(ann, "bot_register", POLL), { error: "permission_denied" });
  const command = (more: Payload) => ({ commands: [{ name: "c", ...more }] });
  const arg = (more: Payload) => command({ args: [{ name: "a", type: "string", ...more }] });
  const bad: Payload[] = [
    {},
    { commands: Array.from({ length: 65 }, (_, i) => ({ name: `c${i}` })) },
    { commands: [{ name: "c" }, { name: "c" }] },
    command({ name: "C" }),
    command({ description: "x".repeat(201) }),
    command({ args: Array.from({ length: 17 }, (_, i) => ({ name: `a${i}`, type: "string" })) }),
    arg({ type: "date" }),
    arg({ choices: [] }),
    arg({ rest: true, type: "number" }),
    arg({ rest: true, list: true }),
    arg({ min: 2, max: 1 }),
    command({ args: [{ name: "a", type: "string", optional: true }, { name: "b", type: "string" }] }),
    command({
      args: [{ name: "a", type: "string", rest: true }, { name: "b", type: "string", optional: true }],
    }),
  ];
  for (const payload of bad) {
    await assert.rejects(
      service.say(poll, "bot_register", payload),
      { error: "bad_payload" },
      JSON.stringify(payload),
    );
  }
  const long = "x".repeat(200);
  const args = Array.from({ length: 8 }, (_, i) => ({ name: `a${i}`, type: "string", description: long }));
  const many = { commands: Array.from({ length: 12 }, (_, i) => ({ name: `c${i}`, args })) };
  await assert.rejects(service.say(poll, "bot_register", many), { error: "limit_exceeded" });
  // What was refused has changed nothing.
  assert.equal((await service.hub.commands.directory.find("poll"))!.commands.length, 2);
  const help = await join(service.hub, "h1", principal("h", { bot: "help" }));
  await assert.rejects(service.say(help, "bot_register", POLL), { error: "permission_denied" });
});

Deno.test("bots: commands are known until the last session that registered them is over", async () => {
  const { service, poll } = await withPoll();
  const second = await join(service.hub, "p2", principal("poll-user", { bot: "poll" }));
  await service.say(second, "bot_register", { commands: [{ name: "other" }] });
  const names = async () =>
    (await service.hub.commands.directory.find("poll"))?.commands.map(({ name }) => name);
  assert.deepEqual(await names(), ["other"]);
  service.hub.leave(second);
  assert.deepEqual(await names(), ["start", "stop"]);
  service.hub.leave(poll);
  assert.equal(await names(), undefined);
});
