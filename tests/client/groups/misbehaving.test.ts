/** A log that drops, reorders, repeats or forks, and people who write to it without being in the group. */

import assert from "node:assert/strict";
import { openDocument } from "../../../src/client/documents.ts";
import { Group, type GroupEvents } from "../../../src/client/groups.ts";
import { withService } from "../../documents/live.ts";
import { SimDevice, SimLog } from "./ledger_world.ts";
import { agree, GroupDevice, until } from "./support.ts";

const PLAN = "doc:plan", LOG = "doc:plan~group";

/** A group of three devices that have read all of the log. */
async function three(): Promise<{ log: SimLog; ann: SimDevice; bob: SimDevice; carl: SimDevice }> {
  const log = new SimLog();
  const [ann, bob, carl] = await Promise.all(
    ["ann", "bob", "carl"].map((user) => SimDevice.create(user, log)),
  );
  await ann!.found();
  for (const each of [bob, carl]) {
    ann!.wish({ add: [await each!.package()] });
    await round(ann!);
  }
  for (const each of [ann, bob, carl]) await each!.take(Infinity);
  return { log, ann: ann!, bob: bob!, carl: carl! };
}

/** Says what it has to say, and reads it. */
async function round(device: SimDevice): Promise<void> {
  for (let i = 0; i < 2; i++) {
    await device.pump();
    device.flush();
    await device.take(Infinity);
  }
  await device.pump();
  device.flush();
}

async function renew(device: SimDevice): Promise<void> {
  device.wish({ renew: true });
  await round(device);
}

Deno.test("groups: changes that come in another order are taken in theirs", async () => {
  const { log, ann, bob, carl } = await three();
  for (let i = 0; i < 4; i++) await renew(ann);
  const changes = log.entries.slice(bob.read);
  for (const entry of changes.toReversed()) await bob.ledger.take(entry);
  await carl.take(Infinity);
  assert.equal(bob.authenticator, ann.authenticator);
  assert.equal(carl.authenticator, ann.authenticator);
});

Deno.test("groups: a change that is held back is missed, and one that is repeated is told", async () => {
  const { log, ann, bob } = await three();
  await renew(ann);
  await renew(ann);
  const [first, second] = log.entries.slice(bob.read);
  await bob.ledger.take(second!);
  assert.ok(bob.ledger.lacksCommit);
  assert.equal(bob.ledger.settled, false);
  await bob.ledger.take(first!);
  assert.equal(bob.authenticator, ann.authenticator);
  assert.deepEqual(await bob.ledger.take(first!), [{ type: "ignored", reason: "replayed" }]);
});

Deno.test("groups: members that were shown different logs do not take each other's words for garbage", async () => {
  const { log, ann, bob, carl } = await three();
  await renew(ann);
  bob.wish({ renew: true });
  await bob.pump();
  // Carl is shown bob's change alone.
  const [others] = bob.outbox;
  await carl.ledger.take(others!);
  await bob.ledger.take(others!);
  assert.equal(carl.authenticator, bob.authenticator);
  const said = await carl.say("hello");
  assert.equal(said.epoch, ann.ledger.membership!.epoch);
  const opened = await ann.ledger.keys.open("operation", PLAN, said.sealed);
  assert.deepEqual(opened, { failure: "fork", epoch: said.epoch });
  // Nor does what comes later lead them together without a word.
  for (const entry of log.entries.slice(carl.read)) {
    for (const { type } of await carl.ledger.take(entry)) assert.notEqual(type, "epoch");
  }
});

Deno.test("groups: a commit that no member has made does not count", async () => {
  const { log, ann, bob } = await three();
  const stranger = await SimDevice.create("mallory", log);
  const before = ann.authenticator;
  // Somebody with a key of its own says what a member says: nobody has signed it.
  bob.wish({ renew: true });
  await bob.pump();
  const entry = bob.outbox.pop()!.slice();
  entry[entry.length - 1]! ^= 1;
  assert.deepEqual(await ann.ledger.take(entry), [{ type: "ignored", reason: "unreadable" }]);
  assert.equal(ann.authenticator, before);
  assert.equal(stranger.ledger.membership, undefined);
});

/** The next event of that name. */
function next<E extends keyof GroupEvents>(group: Group, event: E): Promise<GroupEvents[E]> {
  return new Promise((resolve) => {
    const off = group.on(event, (value) => {
      off();
      resolve(value);
    });
  });
}

Deno.test("groups: who writes junk to the log without being a member stops nobody", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann", { patience: 200 });
    await using bob = await GroupDevice.open(place, "bob", { patience: 200 });
    await using eve = await GroupDevice.open(place, "eve");
    const group = await ann.groups.create(PLAN);
    await group.invite("bob");
    const theirs = await bob.groups.group(PLAN);
    await theirs.ready;
    // A commit of a group of her own, with an id and an epoch as they stand in everybody's commits.
    const log = openDocument(eve.client, LOG);
    const seen: Uint8Array[] = [];
    log.on("operation", ({ data }) => void seen.push(data));
    await log.ready;
    await until("eve sees the commits", () => seen.some((entry) => entry[0] === 2));
    const forged = seen.find((entry) => entry[0] === 2)!.slice();
    const epochAt = forged.findIndex((_, i) =>
      i > 20 && forged.subarray(i, i + 9).every((b, j) => b === [0, 0, 0, 0, 0, 0, 0, 0, 3][j])
    );
    assert.ok(epochAt > 0);
    const junk = [
      ...[1, 2, 3, 4, 5].map((kind) => new Uint8Array([kind, ...crypto.getRandomValues(new Uint8Array(60))])),
      new Uint8Array(),
      new Uint8Array([2]),
      ...[1, 2, 5].map((ahead) => {
        const ahead_ = forged.slice();
        ahead_[epochAt + 7] = (ahead_[epochAt + 7] ?? 0) + ahead;
        return ahead_;
      }),
    ];
    const told = next(theirs, "behind");
    for (const entry of junk) await log.send(entry);
    await told;
    const mine = ann.share(group), other = bob.share(theirs);
    await Promise.all([group.renew(), theirs.renew()]);
    mine.doc.getText("t").insert(0, "still here");
    await until("they go on", () => other.doc.getText("t").toString() === "still here");
    await group.remove("bob");
    assert.deepEqual(group.members.map(({ user }) => user), ["ann"]);
    assert.ok(ann.errors.length === 0 && bob.errors.length === 0);
  }));

Deno.test("groups: a member that has missed changes for good is let in anew by the others", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann");
    const bob = await GroupDevice.open(place, "bob");
    const group = await ann.groups.create(PLAN);
    await group.invite("bob");
    const mine = ann.share(group);
    await (await bob.groups.group(PLAN)).ready;
    mine.doc.getText("t").insert(0, "one ");
    await bob.groups.close();
    await bob.client.close();
    for (let i = 0; i < 3; i++) await group.renew();
    // As if the log had forgotten everything up to here.
    const name = `group/${PLAN}`;
    const kept = JSON.parse(new TextDecoder().decode(await bob.storage.get(name)));
    kept.since = openDocument(ann.client, LOG).position;
    await bob.storage.put({ [name]: new TextEncoder().encode(JSON.stringify(kept)) });
    mine.doc.getText("t").insert(0, "two ");
    await using again = await GroupDevice.open(place, "bob", { storage: bob.storage, patience: 300 });
    const lost = await again.groups.group(PLAN);
    await lost.read;
    assert.ok(lost.epoch! < group.epoch!);
    const isBehind = next(lost, "behind"), isIn = next(lost, "joined");
    await group.renew();
    await isBehind;
    await isIn;
    await agree([group, lost]);
    const reread = again.share(lost);
    await until("bob reads all of it", () => reread.doc.getText("t").toString() === "two one ");
  }));
