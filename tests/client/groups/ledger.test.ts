/** What a ledger shows while it takes an entry of the log. */

import assert from "node:assert/strict";
import { SimDevice, SimLog } from "./ledger_world.ts";

/** Takes all of the log, and says something at each turn of the event loop meanwhile; returns in which epochs. */
async function takeSpeaking(device: SimDevice): Promise<Set<number>> {
  const epochs = new Set<number>(), said: Promise<unknown>[] = [];
  let isOver = false;
  const taken = device.take(Infinity).finally(() => isOver = true);
  while (!isOver) {
    const { membership } = device.ledger;
    if (membership !== undefined) said.push(device.say("meanwhile").then(() => epochs.add(membership.epoch)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await taken;
  await Promise.all(said);
  return epochs;
}

Deno.test("group ledger: what is said while an epoch begins is sealed in one whose keys are there", async () => {
  const log = new SimLog(),
    ann = await SimDevice.create("ann", log),
    bob = await SimDevice.create("bob", log);
  await ann.found();
  ann.flush();
  ann.wish({ add: [await bob.package()] });
  for (let round = 0; round < 20; round++) {
    await ann.pump();
    ann.flush();
    const { epoch } = ann.ledger.membership!;
    assert.ok([...await takeSpeaking(ann)].every((spoken) => spoken >= epoch));
    await ann.pump();
    ann.flush();
    await takeSpeaking(bob);
    ann.wish({ renew: true });
  }
  assert.equal(bob.ledger.membership?.epoch, ann.ledger.membership?.epoch);
  assert.ok(ann.ledger.membership!.epoch >= 19);
});
