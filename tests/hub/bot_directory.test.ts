/** What a node knows of bots on others. */

import assert from "node:assert/strict";
import { BotDirectory } from "../../src/hub/bot_directory.ts";
import type { Nodes } from "../../src/hub/nodes.ts";
import { SessionEvents } from "../../src/hub/session_events.ts";
import type { Payload } from "../../src/protocol/mod.ts";
import { FakeClock } from "../support/clock.ts";

/** A directory whose other nodes say what `answer` says. */
function directoryOf(answer: { say: () => Promise<Payload[]> }) {
  const clock = new FakeClock();
  let asked = 0;
  const nodes = {
    handle: () => {},
    askOthers: () => {
      asked++;
      return answer.say();
    },
  } as unknown as Nodes;
  const directory = new BotDirectory({ nodes, clock, events: new SessionEvents(() => {}) });
  return { clock, directory, asked: () => asked };
}

const poll = { name: "poll", commands: [{ name: "start" }] };
const vote = { name: "vote", commands: [{ name: "now" }] };

Deno.test("bot directory: a node that does not answer holds up no bot that is known", async () => {
  const answer = { say: () => Promise.resolve<Payload[]>([{ bots: [poll] }]) };
  const { clock, directory, asked } = directoryOf(answer);
  assert.deepEqual(await directory.find("poll"), poll);
  clock.sleep(60_000);
  answer.say = () => new Promise(() => {});
  assert.deepEqual(await directory.find("poll"), poll);
  assert.deepEqual(await directory.all(), [poll]);
  // Asked once again behind it, and not for each command.
  assert.equal(asked(), 2);
});

Deno.test("bot directory: what is not known is asked for, and not said to be unknown when a node is silent", async () => {
  const answer = { say: () => Promise.resolve<Payload[]>([{ bots: [poll] }]) };
  const { clock, directory } = directoryOf(answer);
  await directory.all();
  clock.sleep(200);
  answer.say = () => Promise.resolve([{ bots: [poll, vote] }]);
  assert.deepEqual(await directory.find("vote"), vote);
  clock.sleep(200);
  answer.say = () => Promise.reject(new Error("silent"));
  await assert.rejects(directory.find("other"), { message: "silent" });
  await assert.rejects(directory.all(true), { message: "silent" });
  assert.deepEqual(await directory.all(), [poll, vote]);
});

Deno.test("bot directory: other nodes are asked at most ten times a second for names that nobody has", async () => {
  const { clock, directory, asked } = directoryOf({ say: () => Promise.resolve([]) });
  for (let i = 0; i < 50; i++) assert.equal(await directory.find(`none-${i}`), undefined);
  assert.equal(asked(), 1);
  clock.sleep(101);
  await directory.find("none");
  assert.equal(asked(), 2);
});
