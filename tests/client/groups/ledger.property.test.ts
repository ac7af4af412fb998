/** Random life of a group whose log is read by everybody at another time. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { cracks, type Said, SimDevice, SimLog } from "./ledger_world.ts";

const DEVICES = 5;

type Action =
  | { readonly kind: "invite" | "remove"; readonly who: number; readonly whom: number }
  | { readonly kind: "renew" | "say" | "flush" | "restart" | "leak"; readonly who: number }
  | { readonly kind: "take"; readonly who: number; readonly count: number }
  | { readonly kind: "replay" | "junk"; readonly at: number };

const who = fc.nat({ max: DEVICES - 1 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("invite" as const), who, whom: who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), who, whom: who }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("renew" as const), who }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("say" as const), who }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("flush" as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("restart" as const, "leak" as const), who }) },
  {
    weight: 10,
    arbitrary: fc.record({ kind: fc.constant("take" as const), who, count: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("replay" as const, "junk" as const), at: fc.nat(1000) }),
  },
);

async function act(devices: readonly SimDevice[], log: SimLog, step: Action, said: Said[]): Promise<void> {
  if ("at" in step) {
    const { entries } = log;
    if (step.kind === "replay") {
      entries.push(entries[step.at % Math.max(1, entries.length)] ?? new Uint8Array());
    } else entries.push(Uint8Array.of(1 + step.at % 5, ...crypto.getRandomValues(new Uint8Array(40))));
    return;
  }
  // Members act, everybody reads and speaks.
  const members = devices.filter(({ ledger }) => ledger.membership !== undefined);
  const speaks = ["flush", "take", "restart"].includes(step.kind);
  const device = speaks ? devices[step.who]! : members[step.who % members.length];
  if (device === undefined) return;
  switch (step.kind) {
    case "invite":
      if (device !== devices[step.whom]) device.wish({ add: [await devices[step.whom]!.package()] });
      break;
    case "remove":
      if (device !== devices[step.whom]) device.wish({ remove: [devices[step.whom]!.name] });
      break;
    case "renew":
      device.wish({ renew: true });
      break;
    case "say":
      said.push(await device.say(`${said.length}`));
      break;
    case "flush":
      device.flush();
      break;
    case "restart":
      device.restart();
      break;
    case "leak":
      device.leak();
      break;
    case "take":
      await device.take(step.count);
  }
  await device.pump();
}

/** Everybody says and reads everything, until nobody has anything to say. */
async function settle(devices: readonly SimDevice[], log: SimLog): Promise<void> {
  for (let before = -1; before < log.entries.length;) {
    before = log.entries.length;
    for (const device of devices) {
      await device.take(Infinity);
      await device.pump();
      device.flush();
    }
  }
  for (const device of devices) await device.take(Infinity);
}

Deno.test("groups: members agree, lose nothing, and who was removed or has renewed its keys is not overheard", async () => {
  let changes = 0, heard = 0, unheard = 0;
  await fc.assert(
    // Feature: quic-transport, Property 150: a group agrees and keeps its secrets whatever its log does
    fc.asyncProperty(fc.array(action, { minLength: 40, maxLength: 120 }), async (steps) => {
      const log = new SimLog();
      const devices: SimDevice[] = [];
      for (let i = 0; i < DEVICES; i++) devices.push(await SimDevice.create(`u${i % 4}`, log));
      const said: Said[] = [];
      await devices[0]!.found();
      devices[0]!.flush();
      for (const step of steps) await act(devices, log, step, said);
      await settle(devices, log);

      const members = devices.filter(({ ledger }) => ledger.membership !== undefined);
      assert.notEqual(members.length, 0);
      assert.equal(new Set(members.map(({ authenticator }) => authenticator)).size, 1, "they agree");
      const [first] = members;
      const names = first!.ledger.membership!.leaves().map(({ device }) => device).sort();
      assert.deepEqual(names, members.map(({ name }) => name).sort(), "all who are in know it");
      changes += first!.ledger.membership!.epoch;
      for (const each of said) {
        for (const member of members) {
          if (each.epoch < member.ledger.joined) continue;
          assert.ok(await member.reads(each), `a member reads what was said in epoch ${each.epoch}`);
          heard++;
        }
      }
      for (const { ledger, read, blind } of devices.flatMap(({ attackers }) => attackers)) {
        for (const entry of log.entries.slice(read)) await ledger.take(entry);
        for (const each of said) {
          if (each.epoch < blind.from || each.epoch >= blind.to) continue;
          assert.ok(!await cracks(ledger, each), `${each.epoch} is not read from ${blind.from} on`);
          unheard++;
        }
      }
    }),
    { numRuns: 100 },
  );
  // Otherwise it shows nothing. What random steps lead to varies much: about 350, 1600 and 130.
  assert.ok(changes > 150 && heard > 500 && unheard > 10, `${changes} ${heard} ${unheard}`);
});
