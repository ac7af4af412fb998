/** What those who may write to a log, and are in the group or not, can make a device wait for and keep. */

import assert from "node:assert/strict";
import { systemClock } from "../../../src/client/clock.ts";
import { GroupRecord } from "../../../src/client/groups/group_record.ts";
import { identityOf, suiteOf } from "../../../src/client/groups/identity.ts";
import { encodePackage, makePackage } from "../../../src/client/groups/packages.ts";
import { Reaching } from "../../../src/client/groups/reaching.ts";
import { Requests } from "../../../src/client/groups/requests.ts";
import { MemoryGroupStorage } from "../../../src/client/groups.ts";
import { FakeClock } from "../../support/clock.ts";
import { SimDevice, SimLog } from "./ledger_world.ts";

/** Who has a device of its own. */
async function device(user: string) {
  const keys = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]) as CryptoKeyPair;
  return await suiteOf(await identityOf(user, keys));
}

Deno.test("groups: messages of epochs that do not come are waited for once, not each", async () => {
  const clock = new FakeClock(), reaching = new Reaching(clock, 1_000);
  const isLive = () => true;
  const first = reaching.expect(9, isLive);
  await clock.advance(1_000);
  assert.equal(await first, false);
  // Nobody moves the clock: a wait would never end.
  for (let i = 0; i < 100; i++) assert.equal(await reaching.expect(9, isLive), false);
  reaching.reached(1);
  const next = reaching.expect(2, isLive);
  reaching.reached(2);
  assert.equal(await next, true);
});

Deno.test("groups: a wait while the log is away makes nobody doubt the next message", async () => {
  const clock = new FakeClock(), reaching = new Reaching(clock, 1_000);
  const first = reaching.expect(2, () => false);
  await clock.advance(1_000);
  assert.equal(await first, false);
  const second = reaching.expect(2, () => true);
  reaching.reached(2);
  assert.equal(await second, true);
});

Deno.test("groups: strangers who ask do not keep a device of a member from asking", async () => {
  const asked: string[] = [];
  const suite = await device("ann");
  const requests = new Requests({
    suite,
    clock: systemClock,
    leaves: () => [{ user: "bob", device: "another", index: 1, hpkeKey: new Uint8Array() }],
    wish: () => {},
    asked: (request) => asked.push(request.user),
  });
  const ask = async (user: string): Promise<string> => {
    const own = await device(user);
    const { publicPackage } = await makePackage(own, systemClock.wall(), false);
    await requests.request(encodePackage(publicPackage));
    return own.identity.device;
  };
  for (let i = 0; i < 64; i++) await ask(`stranger${i}`);
  const bobs = await ask("bob");
  assert.deepEqual(asked, ["bob"]);
  assert.equal(requests.find(bobs)?.user, "bob");
});

Deno.test("groups: a member that names channels and epochs as it likes fills no storage", async () => {
  const storage = new MemoryGroupStorage();
  const record = await GroupRecord.load(storage, "doc:plan");
  const device = await SimDevice.create("ann", new SimLog());
  record.needs("no channel\n", 1, 5);
  for (let i = 0; i < 3_000; i++) record.needs(`doc:${i}`, 3, 5);
  // Keys of the current epoch are needed, whatever is said.
  record.needs("doc:0", Number.MAX_SAFE_INTEGER, 5);
  await record.save(device.ledger, undefined, []);
  const { floors } = JSON.parse(new TextDecoder().decode(await storage.get("group/doc:plan")));
  assert.equal(Object.keys(floors).length, 1024);
  assert.equal(floors["doc:0"], 5);
});

Deno.test("groups: a forged commit of a far epoch does not make who joins think that it is behind", async () => {
  const log = new SimLog();
  const [ann, bob] = [await SimDevice.create("ann", log), await SimDevice.create("bob", log)];
  await ann.found();
  for (const wish of [{ renew: true }, { add: [await bob.package()] }]) {
    ann.wish(wish);
    await ann.pump();
    ann.flush();
    await ann.take(Infinity);
  }
  // As in the commit of epoch 0, but of a later one.
  const forged = log.entries.find((entry) => entry[0] === 2)!.slice();
  const { groupId } = ann.ledger.membership!;
  const at = forged.findIndex((_, i) => groupId.every((byte, j) => forged[i + j] === byte)) + groupId.length;
  assert.deepEqual(forged.subarray(at, at + 8), new Uint8Array(8));
  forged[at + 6] = 1;
  log.entries.push(forged);
  await ann.pump();
  ann.flush();
  await bob.take(Infinity);
  assert.equal(bob.authenticator, ann.authenticator);
  assert.equal(bob.ledger.lacksCommit, false);
  assert.equal(bob.ledger.settled, true);
});
