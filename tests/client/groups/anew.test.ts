/** A member that is let in anew: for a moment it is out, and what its application wants meanwhile is done afterwards. */

import assert from "node:assert/strict";
import { MemoryGroupStorage } from "../../../src/client/groups.ts";
import { withService } from "../../documents/live.ts";
import { SimDevice, SimLog } from "./ledger_world.ts";
import { agree, GroupDevice } from "./support.ts";

const PLAN = "doc:plan";

/** Calls `onPut` each time something was kept, and waits for it. */
class Watched extends MemoryGroupStorage {
  onPut: () => void | Promise<void> = () => {};

  override async put(values: Readonly<Record<string, Uint8Array | undefined>>): Promise<void> {
    await super.put(values);
    await this.onPut();
  }
}

/** What ann's commit does to bob. */
async function taken(wish: (bob: SimDevice) => Promise<Parameters<SimDevice["wish"]>[0]>): Promise<unknown> {
  const log = new SimLog();
  const [ann, bob] = [await SimDevice.create("ann", log), await SimDevice.create("bob", log)];
  await ann.found();
  for (const next of [async () => ({ add: [await bob.package()] }), () => wish(bob)]) {
    ann.wish(await next());
    await ann.pump();
    ann.flush();
    await ann.take(Infinity);
    await ann.pump();
    ann.flush();
  }
  await bob.take(Infinity);
  return bob.happened.find(({ type }) => type === "removed");
}

Deno.test("groups: a member that is let in anew is told so by the change that takes it out", async () => {
  assert.deepEqual(await taken(async (bob) => ({ add: [await bob.package()], anew: true })), {
    type: "removed",
    anew: true,
  });
  assert.deepEqual(await taken((bob) => Promise.resolve({ remove: [bob.name] })), {
    type: "removed",
    anew: false,
  });
});

Deno.test("groups: what a member wishes before and while it is let in anew is done afterwards", () =>
  withService(async (place) => {
    const storage = new Watched();
    await using ann = await GroupDevice.open(place, "ann");
    await using bob = await GroupDevice.open(place, "bob", { storage });
    const group = await ann.groups.create(PLAN);
    await group.invite("bob");
    const theirs = await bob.groups.group(PLAN);
    await theirs.ready;
    await agree([group, theirs]);
    const events: string[] = [], wishes: Promise<void>[] = [];
    theirs.on("removed", () => events.push("removed"));
    theirs.on("joined", () => events.push("joined"));
    // Another event than "epoch": who has just joined may renew its keys at once.
    const isFirst = new Promise<void>((resolve) => group.on("members", () => resolve()));
    let hasAsked = false;
    storage.onPut = async () => {
      if (!theirs.isMember) wishes.push(theirs.remove("nobody"));
      // Bob's commit is made, and comes after ann's, which lets him in anew.
      else if (hasAsked) await isFirst;
    };
    await theirs.requestAdmission();
    hasAsked = true;
    await theirs.renew();
    assert.ok(wishes.length > 0, "bob was out for a moment");
    await Promise.all(wishes);
    await agree([group, theirs]);
    assert.deepEqual(events, ["joined"]);
  }));
