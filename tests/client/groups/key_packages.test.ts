/** Key packages of a device: left at the service, used up, and made anew. */

import assert from "node:assert/strict";
import { DevicePackages } from "../../../src/client/groups/device_packages.ts";
import { fromBase64Url, toBase64Url } from "../../../src/client/groups/encoding.ts";
import { identityOf, suiteOf } from "../../../src/client/groups/identity.ts";
import { decodeMlsMessage, makeKeyPackageRef } from "../../../src/client/groups/mls.ts";
import { Renewal } from "../../../src/client/groups/renewal.ts";
import { MemoryGroupStorage } from "../../../src/client/groups.ts";
import type { SkeinClient } from "../../../src/client/mod.ts";
import { withService } from "../../documents/live.ts";
import { FakeClock } from "../../support/clock.ts";
import { GroupDevice, until } from "./support.ts";

const PLAN = "doc:plan", DAY = 86_400_000;

/** How many packages of a device are at the service. */
async function count({ client, groups: { device } }: GroupDevice): Promise<number> {
  return (await client.manager.send("key_packages_publish", { device, packages: [] })).count;
}

/** Leaves these packages of a device at the service and no others. */
async function leave({ client, groups: { device } }: GroupDevice, packages: string[]): Promise<void> {
  await client.manager.send("key_packages_publish", { device, packages, replace: true });
}

/** The package that somebody else is given of a device. */
async function claim({ client }: GroupDevice, { user, groups: { device } }: GroupDevice) {
  const { packages } = await client.manager.send("key_packages_claim", { userId: user, devices: [device] });
  return packages[0]!;
}

Deno.test("groups: a device leaves more key packages when the service says that few are left", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann");
    await using bob = await GroupDevice.open(place, "bob");
    // Another device of bob's hears it as well, and it is none of its business.
    await using tablet = await GroupDevice.open(place, "bob");
    assert.equal(await count(bob), 24);
    await leave(bob, ["AAEA", "AAEB", "AAEC"]);
    await leave(tablet, ["AAED"]);
    await claim(ann, bob);
    await until("there are enough again", async () => await count(bob) === 24);
    assert.equal(await count(tablet), 1);
    assert.deepEqual([...bob.errors, ...tablet.errors], []);
  }));

Deno.test("groups: a key package of last resort gets a successor once it was used, and the others too", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann");
    await using bob = await GroupDevice.open(place, "bob");
    const group = await ann.groups.create(PLAN);
    await leave(bob, []);
    const before = await claim(ann, bob);
    assert.equal(before.lastResort, true);
    await until("bob's packages are there again", async () => await count(bob) === 24);
    await leave(bob, []);
    // The one of last resort stays what it was for as long as nobody has used it.
    assert.equal((await claim(ann, bob)).package, before.package);
    assert.equal(await group.invite("bob"), 1);
    const theirs = await bob.groups.group(PLAN);
    await theirs.ready;
    await until("another one was made and left", async () => {
      const stored: { package: string; lastResort: boolean; spent?: number }[] = JSON.parse(
        new TextDecoder().decode(await bob.storage.get("packages")),
      );
      return stored.some((each) => each.lastResort && each.package !== before.package) &&
        await count(bob) === 24;
    });
    await leave(bob, []);
    const after = await claim(ann, bob);
    assert.ok(after.lastResort && after.package !== before.package);
    assert.deepEqual(bob.errors, []);
  }));

Deno.test("groups: all devices of a user are invited, however many messages their key packages take", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann");
    await using phone = await GroupDevice.open(place, "bob");
    // Large ones between two devices that work: no answer has room for them all.
    for (let i = 0; i < 7; i++) {
      const device = `${i}`.padStart(43, "j"), packages = [`${i}`.padEnd(16_384, "A")];
      await phone.client.manager.send("key_packages_publish", { device, packages });
    }
    await using laptop = await GroupDevice.open(place, "bob");
    const first = await ann.client.manager.send("key_packages_claim", { userId: "bob" });
    assert.ok(first.rest!.includes(laptop.groups.device));
    const group = await ann.groups.create(PLAN);
    assert.equal(await group.invite("bob"), 2);
  }));

Deno.test("groups: who invites too often is told when it may go on", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann");
    await using _bob = await GroupDevice.open(place, "bob");
    const group = await ann.groups.create(PLAN);
    for (let i = 0; i < 10; i++) await group.invite("bob");
    const refused = (error: { error?: string; temporary?: boolean; retryAfter?: number }): boolean =>
      error.error === "rate_limited" && error.temporary === true && error.retryAfter! > 60_000;
    await assert.rejects(group.invite("bob"), refused);
  }));

/** A service that keeps what one device leaves. */
function shelf(): { client: SkeinClient; published: { packages: string[]; lastResort: string }[] } {
  const published: { packages: string[]; lastResort: string }[] = [];
  const send = (_: string, payload: { packages: string[]; lastResort?: string }) => {
    if (payload.lastResort !== undefined) published.push(payload as typeof published[number]);
    return Promise.resolve({ count: published.flatMap(({ packages }) => packages).length });
  };
  return { client: { manager: { send } } as unknown as SkeinClient, published };
}

Deno.test("groups: a key package of last resort is kept for a week after its successor came, over a restart too", async () => {
  const keys = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]) as CryptoKeyPair;
  const suite = await suiteOf(await identityOf("ann", keys));
  const clock = new FakeClock(), storage = new MemoryGroupStorage(), errors: unknown[] = [];
  const load = () => DevicePackages.load(suite, storage, clock, (error) => errors.push(error));
  const { client, published } = shelf();
  const refOf = async (text: string): Promise<string> => {
    const message = decodeMlsMessage(fromBase64Url(text)!, 0)![0];
    assert.ok(message.wireformat === "mls_key_package");
    return toBase64Url(await makeKeyPackageRef(message.keyPackage, suite.cs.hash));
  };
  let packages = await load(), needed = 0;
  packages.onNeed = () => needed++;
  await packages.publish(client);
  const first = await refOf(published[0]!.lastResort);
  assert.ok(packages.find(first)?.lastResort);
  packages.used(first);
  packages.used(first);
  assert.equal(needed, 1);
  packages = await load();
  await packages.publish(client);
  const second = await refOf(published[1]!.lastResort);
  assert.notEqual(second, first);
  assert.ok(packages.find(first), "a welcome may be on its way");
  await packages.publish(client);
  assert.equal(published.length, 2);
  await clock.advance(6 * DAY);
  packages = await load();
  assert.ok(packages.find(first));
  await clock.advance(DAY);
  packages = await load();
  assert.equal(packages.find(first), undefined);
  assert.ok(packages.find(second));
  // One that is soon over gets a successor without having been used, and is not forgotten at once.
  await clock.advance(60 * DAY);
  await packages.publish(client);
  assert.equal(published.length, 3);
  assert.ok(packages.find(second));
  assert.deepEqual(errors, []);
});

Deno.test("groups: who joined with a key package of last resort renews its keys within a minute, after a restart too", async () => {
  for (let i = 0; i < 100; i++) {
    const clock = new FakeClock();
    let due = 0;
    const since = new Renewal(clock, DAY, () => due++).joined(true);
    await clock.advance(60_000);
    assert.equal(due, 1);
    assert.equal(clock.pending, 0);
    new Renewal(clock, DAY, () => due++).since(since);
    await clock.advance(0);
    assert.equal(due, 2);
  }
});
