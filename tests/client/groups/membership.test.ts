/** One step of a group: what a commit of another member may do. */

import assert from "node:assert/strict";
import { systemClock } from "../../../src/client/clock.ts";
import { credentialOf, identityOf, type Suite, suiteOf } from "../../../src/client/groups/identity.ts";
import { Membership, newGroupId, readCommit } from "../../../src/client/groups/membership.ts";
import {
  type ClientState,
  createCommit,
  createGroup,
  encodeMlsMessage,
} from "../../../src/client/groups/mls.ts";
import {
  encodePackage,
  makePackage,
  type OwnPackage,
  readPackage,
} from "../../../src/client/groups/packages.ts";

interface Party {
  readonly suite: Suite;
  readonly own: OwnPackage;
}

async function party(user: string): Promise<Party> {
  const keys = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]) as CryptoKeyPair;
  const suite = await suiteOf(await identityOf(user, keys));
  return { suite, own: await makePackage(suite, systemClock.wall(), false) };
}

/** A group of ann, as the library has it, so that she can do what the SDK does not, and bob. */
async function pair(): Promise<{ ann: Party; state: ClientState; bob: Membership }> {
  const [ann, bob] = [await party("ann"), await party("bob")];
  const { cs, config } = ann.suite;
  const { publicPackage, privatePackage } = ann.own;
  const alone = await createGroup(newGroupId("doc:plan"), publicPackage, privatePackage, [], cs, config);
  const { newState, welcome } = await createCommit({ state: alone, cipherSuite: cs }, {
    extraProposals: [{ proposalType: "add", add: { keyPackage: bob.own.publicPackage } }],
    ratchetTreeExtension: true,
  });
  return { ann, state: newState, bob: await Membership.join(bob.suite, welcome!, bob.own) };
}

/** Ann renews her keys under another name; bob takes it, or not. */
async function renewed(user: string): Promise<boolean> {
  const { ann, state, bob } = await pair();
  const [node, ...others] = state.ratchetTree;
  assert.ok(node?.nodeType === "leaf");
  const identity = credentialOf({ user, device: ann.suite.identity.device });
  const leaf = { ...node.leaf, credential: { credentialType: "basic" as const, identity } };
  const { commit } = await createCommit(
    { state: { ...state, ratchetTree: [{ ...node, leaf }, ...others] }, cipherSuite: ann.suite.cs },
    {},
  );
  return await bob.take(readCommit(encodeMlsMessage(commit), undefined)!.message) !== undefined;
}

Deno.test("membership: a commit that changes the name of its maker does not count", async () => {
  assert.equal(await renewed("ann"), true);
  assert.equal(await renewed("carl"), false);
});

Deno.test("membership: a commit with proposals that are not known does not count", async () => {
  const { ann, state, bob } = await pair();
  const { commit } = await createCommit({ state, cipherSuite: ann.suite.cs }, {
    extraProposals: [{
      proposalType: "group_context_extensions",
      groupContextExtensions: { extensions: [] },
    }],
  });
  assert.equal(await bob.take(readCommit(encodeMlsMessage(commit), undefined)!.message), undefined);
});

Deno.test("key packages: one is taken while it holds, from the device that has signed it", async () => {
  const { suite, own } = await party("ann");
  const bytes = encodePackage(own.publicPackage), now = systemClock.wall();
  const { user, device } = await readPackage(suite, bytes, now);
  assert.deepEqual([user, device], ["ann", suite.identity.device]);
  const refused = { error: "bad_payload" };
  await assert.rejects(readPackage(suite, bytes, now + 85 * 86_400_000), refused);
  await assert.rejects(readPackage(suite, bytes, now - 2 * 3_600_000), refused);
  for (const cut of [new Uint8Array(), bytes.subarray(0, 60), new Uint8Array(300)]) {
    await assert.rejects(readPackage(suite, cut, now), refused);
  }
  const changed = bytes.slice();
  changed[changed.length - 1]! ^= 1;
  await assert.rejects(readPackage(suite, changed, now), refused);
  // Signed by ann's device, and in the name of another one.
  const other = await party("bob");
  const forged = await suiteOf({ ...suite.identity, device: other.suite.identity.device });
  const lie = await makePackage(forged, now, false);
  await assert.rejects(readPackage(suite, encodePackage(lie.publicPackage), now), refused);
});
