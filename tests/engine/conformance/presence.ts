/** Who is on which channel: a part of the conformance suite. */

import assert from "node:assert/strict";
import type { Engine, PresenceEntry } from "../../../src/engine/contract.ts";
import { type Capabilities, registerFor, settle, until } from "./subject.ts";

function entry(userId: string, sessionId: string): PresenceEntry {
  return { userId, sessionId };
}

/** What the listener of an engine is told. */
function changesOf({ presence }: Engine): string[] {
  const got: string[] = [];
  presence.onChange((channel, event, { userId }) => got.push(`${channel} ${userId} ${event}`));
  return got;
}

/** Registers the tests. */
export function presenceConformance(capabilities: Capabilities): void {
  const test = registerFor(capabilities, "presence");

  test("the first session of a user comes online, the last one goes offline", async ({ engine }) => {
    const { presence } = engine;
    const got = changesOf(engine);
    await engine.log.follow("chat:a", () => {});
    await presence.enter("chat:a", entry("ann", "s1"), 30_000);
    await presence.enter("chat:a", entry("ann", "s2"), 30_000);
    const bob = { ...entry("bob", "s3"), info: { name: "Bob" } };
    await presence.enter("chat:a", bob, 30_000);
    await presence.enter("chat:a", entry("ann", "s1"), 30_000);
    const here = [...await presence.list("chat:a")].sort((x, y) => x.sessionId < y.sessionId ? -1 : 1);
    assert.deepEqual(here, [entry("ann", "s1"), entry("ann", "s2"), bob]);
    await presence.leave("chat:a", "s1");
    await presence.leave("chat:a", "unknown");
    await presence.leave("chat:a", "s3");
    await presence.leave("chat:a", "s2");
    await until(() => got.length >= 4);
    await settle();
    assert.deepEqual(got, [
      "chat:a ann online",
      "chat:a bob online",
      "chat:a bob offline",
      "chat:a ann offline",
    ]);
    assert.deepEqual([...await presence.list("chat:a")], []);
  });

  test("other info of a session is told of, and is the one that is shown last", async ({ engine }) => {
    const { presence } = engine;
    const got = changesOf(engine);
    await engine.log.follow("chat:a", () => {});
    await presence.enter("chat:a", { ...entry("ann", "s1"), info: { n: 1 } }, 30_000);
    await presence.enter("chat:a", entry("ann", "s2"), 30_000);
    await presence.enter("chat:a", { ...entry("ann", "s1"), info: { n: 1 } }, 30_000);
    await presence.enter("chat:a", { ...entry("ann", "s1"), info: { n: 2 } }, 30_000);
    await until(() => got.length >= 2);
    await settle();
    assert.deepEqual(got, ["chat:a ann online", "chat:a ann online"]);
    assert.deepEqual((await presence.list("chat:a")).at(-1), { ...entry("ann", "s1"), info: { n: 2 } });
  });

  if (capabilities.clock) {
    test("a lease that is renewed lasts, one that is not lapses", async (b) => {
      const { presence } = b.engine;
      const got = changesOf(b.engine);
      await presence.enter("chat:a", entry("ann", "s1"), 5_000);
      await presence.enter("chat:a", entry("bob", "s2"), 5_000);
      for (let passed = 0; passed < 20_000; passed += 1_000) {
        b.pass(1_000);
        if (passed % 4_000 === 0) await presence.enter("chat:a", entry("ann", "s1"), 5_000);
      }
      assert.deepEqual(got, ["chat:a ann online", "chat:a bob online", "chat:a bob offline"]);
      b.pass(60_000);
      assert.deepEqual(got.slice(3), ["chat:a ann offline"]);
      assert.deepEqual([...await presence.list("chat:a")], []);
    });
  }

  if (capabilities.peers) {
    test("sessions of all instances are one user's", async (b) => {
      const peer = await b.peer();
      const got = [changesOf(b.engine), changesOf(peer)];
      for (const { log } of [b.engine, peer]) await log.follow("chat:a", () => {});
      await b.engine.presence.enter("chat:a", entry("ann", "s1"), 30_000);
      await peer.presence.enter("chat:a", entry("ann", "s2"), 30_000);
      await until(() => got.every(({ length }) => length === 1));
      assert.deepEqual(await peer.presence.list("chat:a"), await b.engine.presence.list("chat:a"));
      await b.engine.presence.leave("chat:a", "s1");
      await settle();
      assert.deepEqual(got, [["chat:a ann online"], ["chat:a ann online"]]);
      // An entry may be ended by another instance than the one that entered it.
      await b.engine.presence.leave("chat:a", "s2");
      await until(() => got.every(({ length }) => length === 2));
      assert.deepEqual([...await peer.presence.list("chat:a")], []);
    });
  }
}
