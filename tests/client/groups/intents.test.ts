/** What several wishes of one device come to. */

import assert from "node:assert/strict";
import { Intents } from "../../../src/client/groups/intents.ts";
import { SimDevice, SimLog } from "./ledger_world.ts";

/** Ann and bob in a group, and bob's package to be let in anew with. */
async function pair() {
  const log = new SimLog();
  const [ann, bob] = [await SimDevice.create("ann", log), await SimDevice.create("bob", log)];
  await ann.found();
  ann.wish({ add: [await bob.package()] });
  await ann.pump();
  ann.flush();
  await ann.take(Infinity);
  const leaves = ann.ledger.membership!.leaves();
  return { leaves, bob: bob.name, anew: { add: [await bob.package()], anew: true } };
}

Deno.test("intents: a member that asks is let in anew by one commit", async () => {
  const { leaves, bob, anew } = await pair();
  const intents = new Intents();
  void intents.add(anew);
  assert.deepEqual(intents.next(leaves), { add: anew.add, remove: [bob] });
});

for (const order of ["before", "after"]) {
  Deno.test(`intents: a member that asked ${order} it was removed is not let in anew`, async () => {
    const { leaves, bob, anew } = await pair();
    const intents = new Intents();
    const wishes = [anew, { remove: [bob] }];
    for (const wish of order === "before" ? wishes : wishes.toReversed()) void intents.add(wish);
    assert.deepEqual(intents.next(leaves), { add: [], remove: [bob] });
  });
}

Deno.test("intents: a member that somebody else has removed meanwhile is not let in anew", async () => {
  const { leaves, bob, anew } = await pair();
  const intents = new Intents();
  const done = intents.add(anew);
  assert.equal(intents.next(leaves.filter(({ device }) => device !== bob)), undefined);
  await done;
});
