/** Answers of the engine that are overtaken by what it tells of a channel. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import type { Log } from "../../src/engine/contract.ts";
import { settle } from "../support/clock.ts";
import { join, makeHub, say } from "./support.ts";

/** A hub whose engine answers where a channel stands when the test says so, with what was so when it was asked. */
function hubOnLateEngine() {
  const engine = new MemoryEngine();
  const late: (() => void)[] = [];
  let isLate = false;
  const position: Log["position"] = (channel) => {
    const position = engine.log.position(channel);
    return isLate ? new Promise((resolve) => late.push(() => resolve(position))) : position;
  };
  const log = new Proxy(engine.log, {
    get: (log, name: keyof Log) => name === "position" ? position : log[name].bind(log),
  });
  const { hub } = makeHub({ engine: Object.assign(Object.create(engine), { log }) });
  return {
    hub,
    engine,
    hold: () => void (isLate = true),
    answer: async () => {
      isLate = false;
      for (const one of late.splice(0)) one();
      await settle();
    },
  };
}

for (const isKnown of [false, true]) {
  const who = isKnown ? "others are on" : "nobody is on";
  Deno.test(`hub: an answer about an epoch that has ended meanwhile is asked for again, on a channel that ${who}`, async () => {
    const { hub, engine, hold, answer } = hubOnLateEngine();
    const ann = await join(hub, "s1", "ann"), bob = await join(hub, "s2", "bob");
    for (let i = 0; i < 5; i++) say(hub, "chat:a", `old ${i}`);
    if (isKnown) (await hub.subscribe(bob, "chat:a", 1)).start();
    hold();
    const subscribing = Promise.resolve(hub.subscribe(ann, "chat:a", 1));
    engine.log.forget("chat:a");
    say(hub, "chat:a", "first");
    await answer();
    const { state, start } = await subscribing;
    start();
    assert.deepEqual(state, { ...engine.log.position("chat:a"), recovered: false });
    for (const text of ["second", "third"]) say(hub, "chat:a", text);
    assert.deepEqual(ann.offsets("chat:a"), [2, 3]);
    (await hub.subscribe(bob, "chat:a", 1)).start();
    bob.clear();
    say(hub, "chat:a", "fourth");
    assert.deepEqual(bob.offsets("chat:a"), [4]);
  });
}
