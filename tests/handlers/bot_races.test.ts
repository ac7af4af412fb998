/** Bots and those who command them, when things happen at the same time or not as usual. */

import assert from "node:assert/strict";
import { settle } from "../support/clock.ts";
import { FakeClient, join, principal } from "../hub/support.ts";
import { POLL, withBots, withPoll } from "./bots_support.ts";

Deno.test("bots: a command that is said again while the first one is on its way is carried out once", async () => {
  const { service, bots: [bot], ann, respond } = await withBots();
  const other = await join(service.hub, "ann-2", "ann");
  const ask = (client: FakeClient) =>
    service.say(client, "bot_command", { bot: "echo", command: "say" }, { id: "c1" });
  await Promise.all([ask(ann), ask(other)]);
  assert.equal(bot!.of("bot_command").length, 1);
  assert.equal(service.hub.commands.open, 1);
  await respond({ text: "once" });
  assert.equal(service.hub.commands.open, 0);
  assert.deepEqual(
    [...ann.of("bot_response"), ...other.of("bot_response")].map(({ payload }) => payload.text),
    [
      "once",
    ],
  );
});

Deno.test("bots: a typed command that is said again while the first one is on its way is carried out once", async () => {
  const { service, poll, ann } = await withPoll();
  const other = await join(service.hub, "ann-2", "ann");
  const type = (client: FakeClient) =>
    service.say(client, "chat_message", { channel: "chat:a", text: "/poll stop" }, { id: "t1" });
  const [[first], [second]] = await Promise.all([type(ann), type(other)]);
  assert.equal(poll.of("bot_command").length, 1);
  assert.deepEqual(first!.payload.command, second!.payload.command);
});

Deno.test("bots: what a session has registered goes with it, also when its token has named another bot since", async () => {
  const { service: { hub }, poll, service } = await withPoll();
  const names = async () => (await hub.commands.directory.all()).map(({ name }) => name);
  hub.refresh(poll, poll.principal = principal("poll-user", { bot: "vote" }));
  assert.deepEqual(await names(), [], "it is the bot no more");
  await service.say(poll, "bot_register", POLL);
  assert.deepEqual(await names(), ["vote"]);
  const back = new FakeClient("p1", principal("poll-user"), "p1-2");
  (await hub.attach(back, undefined)).start();
  assert.deepEqual(await names(), [], "its client has come back as no bot");
  hub.leave(back);
  assert.deepEqual(await names(), []);
});

Deno.test("bots: a token that is refreshed leaves what the bot has registered", async () => {
  const { service: { hub }, poll } = await withPoll();
  hub.refresh(poll, poll.principal = principal("poll-user", { bot: "poll", info: { name: "Poll" } }));
  const back = new FakeClient("p1", poll.principal, "p1-2");
  (await hub.attach(back, undefined)).start();
  assert.deepEqual((await hub.commands.directory.all()).map(({ name }) => name), ["poll"]);
});

Deno.test("bots: no command goes to a connection that is ending", async () => {
  const { service, bots: [ending, other], ann } = await withBots(2);
  ending!.end();
  for (const id of ["c1", "c2", "c3"]) {
    await service.say(ann, "bot_command", { bot: "echo", command: "say" }, { id });
  }
  assert.deepEqual(other!.of("bot_command").map(({ id }) => id), ["c1", "c2", "c3"]);
  other!.end();
  const late = service.say(ann, "bot_command", { bot: "echo", command: "say" }, { id: "c4" });
  await assert.rejects(late, { error: "not_available" });
  await settle();
  assert.equal(service.hub.commands.open, 3);
});
