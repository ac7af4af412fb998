/** A group that is closed while it is at work: nothing of it goes on. */

import assert from "node:assert/strict";
import { GroupClock } from "../../../src/client/groups/group_clock.ts";
import { MemoryGroupStorage } from "../../../src/client/groups.ts";
import { FakeClock } from "../../support/clock.ts";
import { withService } from "../../documents/live.ts";
import { GroupDevice } from "./support.ts";

/** Calls `onPut` once when something was kept, before whoever keeps it goes on. */
class Interrupting extends MemoryGroupStorage {
  onPut: (() => void) | undefined;

  override async put(values: Readonly<Record<string, Uint8Array | undefined>>): Promise<void> {
    await super.put(values);
    const { onPut } = this;
    this.onPut = undefined;
    onPut?.();
  }
}

Deno.test("groups: the timers of a group end with it", async () => {
  const time = new FakeClock(), clock = new GroupClock(time);
  const called: string[] = [];
  clock.after(10, () => called.push("first"));
  clock.after(20, () => called.push("cancelled"))();
  await time.advance(25);
  clock.after(10, () => called.push("running when it ends"));
  clock.end();
  clock.after(10, () => called.push("after the end"))();
  clock.after(10, () => called.push("after the end"));
  assert.equal(time.pending, 0);
  await time.advance(100);
  assert.deepEqual(called, ["first"]);
});

Deno.test("groups: a commit that is refused because the group closes is not tried again", () =>
  withService(async (place) => {
    const storage = new Interrupting();
    await using ann = await GroupDevice.open(place, "ann", { storage });
    const group = await ann.groups.create("doc:plan");
    // The commit is kept, and is about to be sent.
    const closed = new Promise<void>((resolve) => {
      storage.onPut = () => {
        group.close();
        resolve();
      };
    });
    await assert.rejects(group.renew(), { error: "closed" });
    // A timer that is left over fails the test: Deno's sanitizer of operations tells of it.
    await closed;
  }));
