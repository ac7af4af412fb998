/** What is remembered of commands. */

import assert from "node:assert/strict";
import { Calls } from "../../src/hub/bot_calls.ts";
import { SessionEvents } from "../../src/hub/session_events.ts";
import { FakeClock } from "../support/clock.ts";

const MIB = 1024 ** 2;

Deno.test("bot calls: whole answers that are remembered count against the bound, and arguments are not kept", () => {
  const clock = new FakeClock();
  const events = new SessionEvents((error) => {
    throw error;
  });
  const limits = () => ({ timeout: 1000, longest: 10_000 });
  const calls = new Calls({ clock, events, limits, most: () => 2 * MIB });
  const answers = [
    { text: "x".repeat(MIB) },
    { data: ["x".repeat(MIB)] },
    { data: new Uint8Array(MIB) },
  ];
  for (let i = 0; i < 60; i++) {
    const command = {
      id: `c${i}`,
      bot: "echo",
      command: "say",
      args: { text: "of the command" },
      channel: undefined,
      mayPublish: false,
      from: "ann",
      session: "s1",
    };
    const call = calls.begin(command, { send: () => true });
    assert.deepEqual(call.command.args, command.args);
    call.take({ id: `r${i}`, from: "echo", kind: "answer", ...answers[i % 3] });
    assert.equal(call.command.args, undefined);
  }
  const kept = Array.from({ length: 60 }, (_, i) => i).filter((i) => calls.get("ann", `c${i}`) !== undefined);
  // Of 16 MiB, less what each takes beside its answer.
  assert.deepEqual(kept, Array.from({ length: 15 }, (_, i) => 45 + i));
});
