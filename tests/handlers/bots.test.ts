/** Bots and those who command them, when one of them does not keep up. */

import assert from "node:assert/strict";
import { join, principal } from "../hub/support.ts";
import { Service } from "./support.ts";

const COMMAND = { bot: "echo", command: "say" };
const never = () => new Promise<void>(() => {});

/** A service with a user and `count` connections of the bot `echo`. */
async function withBots(count: number) {
  const service = new Service();
  const ann = await join(service.hub, "ann", "ann");
  const bots = [];
  for (let i = 0; i < count; i++) {
    bots.push(await join(service.hub, `b${i}`, principal("echo-user", { bot: "echo" })));
  }
  return { service, ann, bots };
}

Deno.test("bots: a command to a bot whose outbox is full is refused for now, and not sent", async () => {
  const { service, ann, bots: [bot] } = await withBots(1);
  bot!.ready = never;
  await assert.rejects(service.say(ann, "bot_command", COMMAND), {
    error: "not_available",
    retryAfter: 1000,
  });
  assert.deepEqual(bot!.of("bot_command"), []);
  bot!.ready = () => undefined;
  await service.say(ann, "bot_command", COMMAND);
  assert.equal(bot!.of("bot_command").length, 1);
});

Deno.test("bots: commands go to the connections of a bot that have room", async () => {
  const { service, ann, bots: [full, free] } = await withBots(2);
  full!.ready = never;
  for (let i = 0; i < 4; i++) await service.say(ann, "bot_command", COMMAND);
  assert.deepEqual([full!.of("bot_command").length, free!.of("bot_command").length], [0, 4]);
});

Deno.test("bots: an answer to a session whose outbox is full is refused for now", async () => {
  const { service, ann, bots: [bot] } = await withBots(1);
  const answer = { to: ann.sessionId, text: "hi" };
  ann.ready = never;
  await assert.rejects(service.say(bot!, "bot_response", answer), { error: "not_available" });
  ann.ready = () => undefined;
  await service.say(bot!, "bot_response", answer);
  assert.equal(ann.of("bot_response").length, 1);
});
