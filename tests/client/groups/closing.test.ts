/** A group that is closed while it is at work: nothing of it goes on. */

import assert from "node:assert/strict";
import { EndingStorage } from "../../../src/client/groups/ending_storage.ts";
import { GroupClock } from "../../../src/client/groups/group_clock.ts";
import { Renewal } from "../../../src/client/groups/renewal.ts";
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

/** A storage that writes as slowly as it is let, and tells what happens to it. */
class Slow extends MemoryGroupStorage {
  readonly events: string[] = [];
  /** Resolves when something is being written. */
  writing: (() => void) | undefined;
  write: Promise<void> = Promise.resolve();

  override async put(values: Readonly<Record<string, Uint8Array | undefined>>): Promise<void> {
    this.writing?.();
    await this.write;
    await super.put(values);
    this.events.push("written");
  }

  close(): void {
    this.events.push("closed");
  }
}

Deno.test("groups: the storage is given up only when nothing is being written to it", () =>
  withService(async (place) => {
    const storage = new Slow();
    await using ann = await GroupDevice.open(place, "ann", { storage });
    const group = await ann.groups.create("doc:plan");
    const { promise: writing, resolve } = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    storage.writing = resolve;
    storage.write = gate.promise;
    const renewed = assert.rejects(group.renew(), { error: "closed" });
    await writing;
    storage.events.length = 0;
    const closing = ann.groups.close();
    await renewed;
    gate.resolve();
    await closing;
    assert.deepEqual(storage.events, ["written", "closed"]);
    await assert.rejects(ann.groups.group("doc:other"), { error: "closed" });
    assert.deepEqual(storage.events, ["written", "closed"]);
  }));

Deno.test("groups: a storage that never ends a write is given up after some seconds", async () => {
  const clock = new FakeClock(), slow = new Slow();
  slow.write = new Promise(() => {});
  const storage = new EndingStorage(slow, clock);
  void storage.put({ name: new Uint8Array(1) });
  const closing = storage.close();
  await clock.advance(4_000);
  assert.deepEqual(slow.events, []);
  await clock.advance(1_000);
  await closing;
  assert.deepEqual(slow.events, ["closed"]);
  await assert.rejects(storage.put({}), { error: "closed" });
  await assert.rejects(storage.get("name"), { error: "closed" });
});

Deno.test("groups: who joins renews its keys within a period, and not at once", async () => {
  for (let i = 0; i < 100; i++) {
    const clock = new FakeClock();
    let due = 0;
    const joined = new Renewal(clock, 1_000, () => due++).joined();
    assert.ok(joined <= clock.wall());
    await clock.advance(249);
    assert.equal(due, 0);
    await clock.advance(751);
    assert.equal(due, 1);
  }
});
