/**
 * A service with bots and a user who commands them.
 *
 * @module
 */

import type { Payload, Principal } from "../../src/protocol/mod.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { type FakeClient, join, makeHub, principal } from "../hub/support.ts";
import { Service } from "./support.ts";

/** What the bot `poll` registers. */
export const POLL = {
  description: "Asks the room",
  commands: [
    {
      name: "start",
      description: "Begins a poll",
      args: [{ name: "question", type: "string" }, { name: "options", type: "string", list: true }],
    },
    { name: "stop", args: [{ name: "poll", type: "integer", min: 1, default: 1 }] },
  ],
};

/** A service with a user on `chat:a` and `count` connections of the bot `echo`. */
export async function withBots(count = 1, who: Partial<Principal> = {}) {
  const clock = new FakeClock();
  const service = new Service({ clock }, makeHub({ clock }));
  const ann = await join(service.hub, "ann", principal("ann", who));
  const bots: FakeClient[] = [];
  for (let i = 0; i < count; i++) {
    bots.push(await join(service.hub, `b${i}`, principal("echo-user", { bot: "echo" })));
  }
  const respond = (payload: Payload, re = "c1", id?: string) =>
    service.say(bots[0]!, "bot_response", { to: "ann", ...payload }, id === undefined ? { re } : { re, id });
  const told = () => ann.of("bot_response").map(({ payload }) => payload);
  return { clock, service, ann, bots, respond, told };
}

/** As `withBots`, with the bot `poll` and its commands. */
export async function withPoll(who: Partial<Principal> = {}) {
  const made = await withBots(0, who);
  const poll = await join(made.service.hub, "p1", principal("poll-user", { bot: "poll" }));
  await made.service.say(poll, "bot_register", POLL);
  const type = async (text: string, id?: string) => {
    const said = { channel: "chat:a", text };
    const replies = await made.service.say(made.ann, "chat_message", said, id === undefined ? {} : { id });
    // What bots say follows the acknowledgement.
    await settle();
    return replies;
  };
  return { ...made, poll, type };
}
