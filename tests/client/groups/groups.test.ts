/** Groups at a real service: who is let in reads what is said, who is not does not. */

import assert from "node:assert/strict";
import { type AdmissionRequest, MemoryGroupStorage } from "../../../src/client/groups.ts";
import { withService } from "../../documents/live.ts";
import { agree, GroupDevice, until } from "./support.ts";

const PLAN = "doc:plan";

Deno.test("groups: who is invited reads what was there, and what is said", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann");
    await using bob = await GroupDevice.open(place, "bob");
    const group = await ann.groups.create(PLAN);
    const mine = ann.share(group);
    await mine.provider.ready;
    mine.doc.getText("t").insert(0, "the secret plan");
    assert.equal(await group.invite("bob"), 1);
    const theirs = await bob.groups.group(PLAN);
    await theirs.ready;
    const other = bob.share(theirs);
    await until("bob reads what was there", () => other.doc.getText("t").toString() === "the secret plan");
    other.doc.getText("t").insert(0, "bob: ");
    await until("ann reads bob", () => mine.doc.getText("t").toString() === "bob: the secret plan");
    await agree([group, theirs]);
    assert.deepEqual(group.members.map(({ user, verified }) => [user, verified]), [["ann", true], [
      "bob",
      false,
    ]]);
    assert.deepEqual(ann.errors, []);
  }));

Deno.test("groups: who was removed reads nothing that is said later, though it keeps all it knew", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann");
    await using eve = await GroupDevice.open(place, "eve");
    const group = await ann.groups.create(PLAN);
    await group.invite("eve");
    const hers = await eve.groups.group(PLAN);
    await hers.ready;
    const mine = ann.share(group), overheard = eve.share(hers);
    mine.doc.getText("t").insert(0, "before");
    await until("eve reads what is said before", () => overheard.doc.getText("t").toString() === "before");
    // All that eve knows, as a program of hers that has changed nothing since.
    const storage = new MemoryGroupStorage((eve.storage as MemoryGroupStorage).values);
    const isOut = new Promise<void>((resolve) => hers.on("removed", () => resolve()));
    await group.remove("eve");
    await isOut;
    assert.equal(hers.isMember, false);
    assert.deepEqual(group.members.map(({ user }) => user), ["ann"]);
    mine.doc.getText("t").insert(6, " and after");
    // False where the snapshot for the newcomer has been faster.
    await mine.provider.compact();
    await overheard.provider.document.send(new Uint8Array([0, 0])).then(
      () => assert.fail("eve can still seal"),
      (error) => assert.equal(error.error, "not_available"),
    );
    await eve.groups.close();
    await eve.client.close();
    await using again = await GroupDevice.open(place, "eve", { storage, patience: 500 });
    const kept = await again.groups.group(PLAN);
    await kept.read;
    const seen = again.share(kept);
    await until("eve cannot read it", () => seen.errors.length > 0);
    assert.ok(!seen.doc.getText("t").toString().includes("after"));
    // Nor may she come in by asking.
    await kept.requestAdmission();
    await group.renew();
    assert.deepEqual(group.members.map(({ user }) => user), ["ann"]);
  }));

Deno.test("groups: of changes at the same time each counts, and all members agree", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann");
    await using bob = await GroupDevice.open(place, "bob");
    await using carl = await GroupDevice.open(place, "carl");
    await using dora = await GroupDevice.open(place, "dora");
    const founders = await Promise.allSettled([ann.groups.create(PLAN), bob.groups.create(PLAN)]);
    assert.deepEqual(founders.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    const [first, second] = founders[0]!.status === "fulfilled" ? [ann, bob] : [bob, ann];
    const group = await first!.groups.group(PLAN), other = await second!.groups.group(PLAN);
    await group.invite(second!.user);
    await other.ready;
    const done = await Promise.all([
      group.invite("carl"),
      other.invite("dora"),
      group.renew(),
      other.renew(),
      other.invite("carl"),
    ]);
    assert.deepEqual([done[0], done[1]], [1, 1]);
    const groups = [group, other, await carl.groups.group(PLAN), await dora.groups.group(PLAN)];
    await Promise.all(groups.map(({ ready }) => ready));
    await Promise.all(groups.map((each) => each.renew()));
    await agree(groups);
    assert.deepEqual(group.members.map(({ user }) => user), ["ann", "bob", "carl", "dora"]);
  }));

Deno.test("groups: a member that was away for many changes comes back, and nothing said meanwhile is lost", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann");
    const bob = await GroupDevice.open(place, "bob");
    const group = await ann.groups.create(PLAN);
    await group.invite("bob");
    const theirs = await bob.groups.group(PLAN);
    await theirs.ready;
    const mine = ann.share(group), other = bob.share(theirs);
    await Promise.all([mine.provider.ready, other.provider.ready]);
    await bob.client.disconnect();
    other.doc.getText("t").insert(0, "from away;");
    for (let i = 0; i < 30; i++) {
      await group.renew();
      mine.doc.getText("t").insert(0, `${i};`);
    }
    await bob.client.connect();
    await agree([group, theirs]);
    await until("both have all of it", () => {
      const [a, b] = [mine, other].map(({ doc }) => doc.getText("t").toString());
      return a === b && a!.includes("from away;") && a!.includes("29;") && a!.includes("0;");
    });
    // And once more from what was kept.
    await bob.groups.close();
    await bob.client.close();
    for (let i = 0; i < 5; i++) await group.renew();
    await using again = await GroupDevice.open(place, "bob", { storage: bob.storage });
    const kept = await again.groups.group(PLAN);
    assert.ok(kept.isMember, "it knows before it has read anything");
    await agree([group, kept]);
    const reread = again.share(kept);
    await until(
      "it reads again",
      () => reread.doc.getText("t").toString() === mine.doc.getText("t").toString(),
    );
  }));

Deno.test("groups: a device that has lost what it knew is let in again, another device only when asked", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann");
    const bob = await GroupDevice.open(place, "bob");
    const group = await ann.groups.create(PLAN);
    await group.invite("bob");
    await (await bob.groups.group(PLAN)).ready;
    const mine = ann.share(group);
    mine.doc.getText("t").insert(0, "kept");
    const identity = (bob.storage as MemoryGroupStorage).values.get("identity")!;
    await bob.groups.close();
    await bob.client.close();
    // The key alone is left.
    await using again = await GroupDevice.open(place, "bob", { identity });
    const lost = await again.groups.group(PLAN);
    await lost.read;
    assert.equal(lost.isMember, false);
    await lost.requestAdmission();
    await lost.ready;
    const reread = again.share(lost);
    await until("it reads what was there", () => reread.doc.getText("t").toString() === "kept");
    // A device of bob's that nobody knows.
    await using phone = await GroupDevice.open(place, "bob");
    const asked = new Promise<AdmissionRequest>((resolve) => group.on("request", resolve));
    const stranger = await phone.groups.group(PLAN);
    await stranger.requestAdmission();
    const request = await asked;
    assert.deepEqual(request, { user: "bob", device: phone.groups.device });
    assert.equal(stranger.isMember, false);
    await group.admit(request);
    await stranger.ready;
    assert.equal(group.members.find(({ user }) => user === "bob")!.devices.length, 2);
    // A device leaves by itself.
    await stranger.leave();
    assert.equal(stranger.isMember, false);
    await until("it is out", () => group.members.find(({ user }) => user === "bob")!.devices.length === 1);
  }));

Deno.test("groups: both sides see the same safety code, and a device that comes later is not verified", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann");
    await using bob = await GroupDevice.open(place, "bob");
    await using carl = await GroupDevice.open(place, "carl");
    const group = await ann.groups.create(PLAN);
    await Promise.all([group.invite("bob"), group.invite("carl")]);
    const [theirs, third] = [await bob.groups.group(PLAN), await carl.groups.group(PLAN)];
    await Promise.all([theirs.ready, third.ready]);
    await agree([group, theirs, third]);
    const code = await group.safetyCode("bob");
    assert.match(code, /^(\d{5} ){5}\d{5}$/);
    assert.equal(await theirs.safetyCode("ann"), code);
    assert.notEqual(await third.safetyCode("ann"), code);
    assert.notEqual(await group.safetyCode("carl"), code);
    await assert.rejects(group.safetyCode("eve"), { error: "unknown_user" });
    const verified = () => group.members.map(({ user, verified }) => `${user} ${verified}`);
    assert.deepEqual(verified(), ["ann true", "bob false", "carl false"]);
    await group.verify("bob");
    assert.deepEqual(verified(), ["ann true", "bob true", "carl false"]);
    await using phone = await GroupDevice.open(place, "bob");
    await group.invite("bob");
    await (await phone.groups.group(PLAN)).ready;
    assert.deepEqual(verified(), ["ann true", "bob false", "carl false"]);
    assert.notEqual(await group.safetyCode("bob"), code);
    assert.deepEqual(group.members[1]!.devices.map(({ verified }) => verified).sort(), [false, true]);
  }));
