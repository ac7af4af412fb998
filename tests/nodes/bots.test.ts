/** Bots on one node and their askers on another, over each transport. */

import assert from "node:assert/strict";
import type { TestClient } from "../support/client.ts";
import { authOf, Cluster, until } from "./support.ts";

const BOT = { claims: { bot: "poll" } };
const POLL = {
  commands: [{ name: "start", args: [{ name: "question", type: "string", rest: true }] }],
};

/** A bot with its commands on the first node of two. */
async function withPoll(cluster: Cluster): Promise<TestClient> {
  const bot = await cluster.connect(cluster.nodes[0]!, "websocket", "poll-user", BOT);
  await bot.ask("bot_register", POLL);
  return bot;
}

const responses = (client: TestClient, id: string) =>
  client.messages.filter(({ type, re }) => type === "bot_response" && re === id).map(({ payload }) =>
    payload
  );

Deno.test("nodes: commands of a bot on another node are typed, checked, listed and explained", async () => {
  await using cluster = await Cluster.start(2);
  await using bot = await withPoll(cluster);
  for (const kind of ["quic", "webtransport", "websocket"] as const) {
    await using ann = await cluster.connect(cluster.nodes[1]!, kind, "ann");
    const channel = "chat:a";
    const ack = await ann.ask("chat_message", { channel, text: "/poll start Lunch at noon?" });
    assert.deepEqual(ack.payload.command, { bot: "poll", command: "start" });
    const { id, payload } = await bot.next("bot_command");
    assert.deepEqual([id, payload.args], [ack.re, { question: "Lunch at noon?" }]);
    const taken = await bot.ask("bot_response", { to: payload.session, kind: "channel", text: "begun" }, {
      re: id,
    });
    const { payload: answer } = await ann.next("bot_response");
    assert.deepEqual([answer.kind, answer.channel, answer.offset], [
      "channel",
      channel,
      taken.payload.offset,
    ]);
    const said = { to: payload.session, kind: "channel", text: "begun" };
    const responseId = taken.re!;
    assert.deepEqual(
      (await bot.ask("bot_response", said, { re: id, id: responseId })).payload,
      taken.payload,
    );
    const wrong = await ann.request("chat_message", { channel, text: "/poll start" });
    assert.deepEqual([wrong.payload.name, wrong.payload.message], [
      "bad_arguments",
      "question: missing. Usage: /poll start <question>",
    ]);
    const near = await ann.request("bot_command", { bot: "pol", command: "start" });
    assert.deepEqual([near.payload.name, near.payload.suggestions], ["unknown_bot", ["poll"]]);
    await ann.ask("chat_message", { channel, text: "/help poll" });
    assert.match((await ann.next("bot_response")).payload.text, /\/poll start <question>/);
    const { commands } = (await ann.ask("bot_commands", { prefix: "poll" })).payload;
    assert.deepEqual(commands.map(({ usage }: { usage: string }) => usage), ["/poll start <question>"]);
  }
});

Deno.test("nodes: a streamed answer goes on for an asker who has come to another node", async () => {
  await using cluster = await Cluster.start(2);
  await using bot = await withPoll(cluster);
  const [a, b] = cluster.nodes;
  const ann = await cluster.connect(a!, "websocket", "ann");
  const command = { bot: "poll", command: "start", args: { question: "?" } };
  const id = await ann.send("bot_command", command);
  const { payload: { session } } = await bot.next("bot_command");
  const say = (at: number, text: string, more = {}) =>
    bot.ask("bot_response", { to: session, kind: "piece", at, text, ...more }, { re: id });
  await say(0, "one ");
  await ann.next("bot_response");
  const { sessionId } = authOf(ann);
  await using moved = await cluster.connect(b!, "websocket", "ann", { resume: { sessionId, channels: {} } });
  assert.equal(authOf(moved).resumed, true);
  await say(4, "two ");
  assert.deepEqual(responses(moved, id), []);
  await moved.send("bot_command", { ...command, since: 4 }, { id });
  await moved.next("bot_response");
  await say(8, "three", { final: "ended" });
  await moved.next("bot_response");
  assert.deepEqual(responses(moved, id).map(({ at, text, final }) => [at, text, final]), [
    [4, "two ", undefined],
    [8, "three", "ended"],
  ]);
  assert.equal(bot.messages.filter(({ type }) => type === "bot_command").length, 1);
  await ann.close();
});

Deno.test("nodes: a command said again on another node is answered to one who may still read its channel", async () => {
  await using cluster = await Cluster.start(2);
  await using bot = await withPoll(cluster);
  const [a, b] = cluster.nodes;
  const ann = await cluster.connect(a!, "websocket", "ann");
  const command = { bot: "poll", command: "start", args: { question: "?" }, channel: "chat:a" };
  const id = await ann.send("bot_command", command);
  const { payload: { session } } = await bot.next("bot_command");
  await bot.ask("bot_response", { to: session, text: "for members" }, { re: id });
  await ann.next("bot_response");
  const resume = { sessionId: authOf(ann).sessionId, channels: {} };
  const claims = { channels: ["chat:b"] };
  await using moved = await cluster.connect(b!, "websocket", "ann", { claims, resume });
  assert.equal(authOf(moved).resumed, true);
  const again = await moved.request("bot_command", { ...command, since: 0 }, { id });
  assert.equal(again.payload.name, "permission_denied");
  // Naming no channel, or one that may be read, makes it another command.
  const { channel: _, ...other } = command;
  for (const about of [{}, { channel: "chat:b" }]) {
    const refused = await moved.request("bot_command", { ...other, ...about, since: 0 }, { id });
    assert.equal(refused.payload.name, "command_over");
  }
  assert.deepEqual(responses(moved, id), []);
  await ann.close();
});

Deno.test("nodes: a bot that leaves another node ends its commands there, and takes them along", async () => {
  await using cluster = await Cluster.start(2);
  const bot = await withPoll(cluster);
  await using ann = await cluster.connect(cluster.nodes[1]!, "websocket", "ann");
  const id = await ann.send("bot_command", { bot: "poll", command: "start", args: { question: "?" } });
  const { payload: { session } } = await bot.next("bot_command");
  await bot.ask("bot_response", { to: session, kind: "piece", at: 0, text: "half" }, { re: id });
  await bot.close(1000);
  const end = await ann.next((message) =>
    message.type === "bot_response" && message.payload.kind === "failed"
  );
  assert.deepEqual([end.re, end.payload.reason], [id, "bot_gone"]);
  await until("its commands are forgotten", async () => {
    const typed = await ann.request("chat_message", { channel: "chat:a", text: "/poll start ?" });
    return typed.payload.name === "unknown_command";
  });
});

Deno.test("nodes: the commands of a node that died end by their time, and are not given again in silence", async () => {
  await using cluster = await Cluster.start(2, { bots: { timeout: "1s" } });
  const bot = await withPoll(cluster);
  const [a, b] = cluster.nodes;
  await using ann = await cluster.connect(b!, "websocket", "ann");
  await using bob = await cluster.connect(a!, "websocket", "bob");
  const command = { bot: "poll", command: "start", args: { question: "?" } };
  await ann.send("bot_command", command);
  const id = await bob.send("bot_command", command);
  for (let i = 0; i < 2; i++) await bot.next("bot_command");
  a!.kill();
  // The bot is on the dead node: whoever lives is told in time.
  const end = await ann.next("bot_response");
  assert.deepEqual([end.payload.kind, end.payload.reason], ["failed", "timeout"]);
  // The asker was on the dead node, and comes to the other one.
  const { sessionId } = authOf(bob);
  await using moved = await cluster.connect(b!, "websocket", "bob", { resume: { sessionId, channels: {} } });
  const again = await moved.request("bot_command", { ...command, since: 0 }, { id });
  assert.equal(again.payload.name, "command_over");
  await bot.close();
});
