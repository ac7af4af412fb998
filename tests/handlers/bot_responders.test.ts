/** Bots that are no connections: what answers commands on this node. */

import assert from "node:assert/strict";
import type { Answering, Command, CommandResponder } from "../../src/hub/mod.ts";
import { type Principal, ProtocolError } from "../../src/protocol/mod.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { join, makeHub, principal } from "../hub/support.ts";
import { Service } from "./support.ts";

/** A service with a responder `calc` and a user who asks it. */
async function withResponder(
  answer: CommandResponder["answer"],
  who: Partial<Principal> = {},
  own: Partial<CommandResponder> = {},
) {
  const clock = new FakeClock();
  const made = makeHub({ clock });
  const service = new Service({ clock }, made);
  const commands = [{ name: "add", args: [{ name: "numbers", type: "number" as const, list: true }] }];
  const remove = service.hub.commands.directory.add({ name: "calc", commands, answer, ...own });
  const ann = await join(service.hub, "ann", principal("ann", who));
  await service.say(ann, "subscribe", { channel: "chat:a" });
  const told = () =>
    ann.of("bot_response").map(({ payload: { bot: _, from: __, command: ___, ...said } }) => said);
  const type = async (text = "/add 1 2", id = "c1") => {
    const answers = await service.say(ann, "chat_message", { channel: "chat:a", text }, { id });
    await settle();
    return answers;
  };
  return { clock, service, failures: made.failures, ann, told, type, remove };
}

Deno.test("bot responders: what is answered whole comes to the asker alone", async () => {
  let got: Command | undefined;
  const { ann, told, type, service } = await withResponder((command, answering) => {
    got = command;
    const { numbers } = command.args as { numbers: number[] };
    answering.progress(0.5, "adding");
    answering.reply({ text: String(numbers.reduce((a, b) => a + b)) });
  });
  const bob = await join(service.hub, "bob", "bob");
  await service.say(bob, "subscribe", { channel: "chat:a" });
  await type();
  assert.deepEqual(told(), [{ kind: "progress", done: 0.5, text: "adding" }, { kind: "answer", text: "3" }]);
  assert.deepEqual(got, {
    id: "c1",
    bot: "calc",
    command: "add",
    args: { numbers: [1, 2] },
    channel: "chat:a",
    mayPublish: true,
    from: "ann",
    session: "ann",
  });
  assert.deepEqual([bob.of("bot_response"), ann.of("chat_message")], [[], []]);
});

Deno.test("bot responders: a command ends whatever its responder does", async () => {
  const cases: [CommandResponder["answer"], unknown][] = [
    [() => {}, { kind: "done" }],
    [
      () => {
        throw new ProtocolError("not_available", "the shop is closed");
      },
      { kind: "failed", reason: "refused", text: "the shop is closed" },
    ],
    [() => Promise.reject(new Error("secret")), {
      kind: "failed",
      reason: "refused",
      text: "the bot has failed",
    }],
    [(_, answering) => answering.fail("no"), { kind: "failed", reason: "refused", text: "no" }],
    [(_, answering) => answering.append("ab"), { kind: "piece", at: 2, text: "", final: "ended" }],
  ];
  for (const [answer, end] of cases) {
    const { told, type, failures, clock } = await withResponder(answer);
    await type();
    assert.deepEqual(told().at(-1), end);
    assert.equal(failures.length, (end as { text?: string }).text === "the bot has failed" ? 1 : 0);
    assert.equal(clock.pending, 0);
  }
});

Deno.test("bot responders: one that never answers is told that it took too long", async () => {
  let answering: Answering | undefined;
  const { clock, told, type } = await withResponder((_, given) => {
    answering = given;
    return new Promise(() => {});
  });
  await type();
  assert.equal(answering!.signal.aborted, false);
  await clock.advance(30_000);
  assert.equal(told()[0]!.reason, "timeout");
  assert.equal(answering!.signal.aborted, true);
  assert.throws(() => answering!.reply({ text: "late" }), { error: "command_over" });
  await assert.rejects(answering!.publish({ text: "late" }), { error: "command_over" });
});

Deno.test("bot responders: one with a time of its own may be silent, but not for ever", async () => {
  let answering: Answering | undefined;
  const answer: CommandResponder["answer"] = (_, given) => {
    answering = given;
    return new Promise(() => {});
  };
  const { clock, told, type } = await withResponder(answer, {}, { hasOwnTime: true });
  await type();
  await clock.advance(599_000);
  assert.deepEqual(told(), []);
  answering!.reply({ text: "at last" });
  await type("/add 3", "c2");
  await clock.advance(600_000);
  assert.deepEqual(told().map(({ kind, text, reason }) => [kind, text, reason]), [
    ["answer", "at last", undefined],
    ["failed", "the bot did not answer within 600 s", "timeout"],
  ]);
});

Deno.test("bot responders: an answer in the channel may be whole, or grow", async () => {
  const { ann, told, type, clock } = await withResponder(async ({ args }, answering) => {
    if ((args as { numbers: number[] }).numbers[0] === 1) {
      return void await answering.publish({ text: "whole" });
    }
    const stream = await answering.stream("one");
    await stream.append(" two");
    await stream.end(" three");
  });
  await type();
  await type("/add 2", "c2");
  await clock.advance(1000);
  const said = ann.of("chat_message").map(({ payload: { from, text, stream } }) => [from, text, stream]);
  assert.deepEqual(said, [["calc", "whole", undefined], ["calc", "one", "open"]]);
  assert.deepEqual(told().at(-1)!.kind, "channel");
  const pieces = ann.of("message_append").map(({ payload: { text, final } }) => [text, final]);
  assert.deepEqual(pieces, [[" two", undefined], [" three", "ended"]]);
  const ends = told().filter(({ kind }) => kind === "channel").map((
    { channel, offset },
  ) => [channel, offset]);
  assert.deepEqual(ends, [["chat:a", 1], ["chat:a", 2]]);
});

Deno.test("bot responders: nothing is said in a channel for one who may not say it there", async () => {
  const { ann, told, type } = await withResponder(
    (_, answering) => answering.publish({ text: "x" }).then(() => {}),
    { publish: [] },
  );
  await type();
  assert.deepEqual(told(), [{
    kind: "failed",
    reason: "refused",
    text: "whoever gave the command may not publish there",
  }]);
  assert.deepEqual(ann.of("chat_message"), []);
});

Deno.test("bot responders: a name is taken once, and free again when it is taken away", async () => {
  const { service, type, remove } = await withResponder(() => {});
  const { directory } = service.hub.commands;
  const other = { name: "calc", commands: [], answer: () => {} };
  assert.throws(() => directory.add(other), TypeError);
  assert.throws(() => directory.add({ ...other, name: "help" }), TypeError);
  const bot = await join(service.hub, "b", principal("b", { bot: "calc" }));
  await assert.rejects(service.say(bot, "bot_register", { commands: [] }), { error: "permission_denied" });
  remove();
  await assert.rejects(type(), { error: "unknown_command" });
  directory.add(other);
});
