/** Documents of a group straight among peers. */

import assert from "node:assert/strict";
import * as Y from "yjs";
import { type Group, MemoryGroupStorage, SkeinGroups } from "../../../src/client/groups.ts";
import { SkeinClient } from "../../../src/client/mod.ts";
import { PeerIdentity, SkeinPeer } from "../../../src/client/peer.ts";
import { PeerDocuments, type SharedDocument } from "../../../src/client/peer_yjs.ts";
import { Cluster, type TestNode, tokenOf } from "../../nodes/support.ts";
import { agree, until } from "./support.ts";

const PLAN = "doc:plan";
const PATIENCE = 300;

/** A peer whose key is also its device's in the group. */
class PeerMember implements AsyncDisposable {
  readonly doc = new Y.Doc();
  readonly errors: string[] = [];
  readonly #documents: PeerDocuments;
  shared!: SharedDocument;
  group!: Group;

  private constructor(
    readonly client: SkeinClient,
    readonly peer: SkeinPeer,
    readonly groups: SkeinGroups,
  ) {
    this.#documents = new PeerDocuments(peer, { onError: (error) => void this.errors.push(`${error}`) });
  }

  static async open(node: TestNode, user: string): Promise<PeerMember> {
    const client = new SkeinClient({ url: node.url, token: await tokenOf(user, { peers: ["*"] }) });
    const { identity, pkcs8 } = await PeerIdentity.generate();
    const peer = await SkeinPeer.open(client, { identity });
    await client.connect();
    await peer.announced();
    const storage = new MemoryGroupStorage();
    const groups = await SkeinGroups.open(client, { storage, identity: pkcs8, patience: PATIENCE });
    assert.equal(groups.device, identity.id, "the device and the peer are one");
    return new PeerMember(client, peer, groups);
  }

  share(group: Group): void {
    this.group = group;
    this.shared = this.#documents.share(PLAN, this.doc, { key: group.directCipher });
  }

  get text(): string {
    return this.doc.getText("t").toString();
  }

  write(text: string): void {
    this.doc.getText("t").insert(0, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.shared?.close();
    this.#documents.close();
    await this.groups.close();
    await this.peer.close();
    await this.client.close();
  }
}

Deno.test("groups: among peers who was removed neither reads nor is heard", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes;
  await using ann = await PeerMember.open(a!, "ann");
  await using bob = await PeerMember.open(b!, "bob");
  await using eve = await PeerMember.open(a!, "eve");
  const group = await ann.groups.create(PLAN);
  for (const user of ["bob", "eve"]) {
    await until(
      `${user} has left key packages`,
      () => group.invite(user).then((count) => count === 1, () => false),
    );
  }
  ann.share(group);
  for (const each of [bob, eve]) {
    const theirs = await each.groups.group(PLAN);
    await theirs.ready;
    each.share(theirs);
  }
  const members = [ann, bob, eve];
  await agree(members.map(({ group }) => group));
  for (const each of members) for (const other of members) each.shared.add(other.peer.id);
  ann.write("one ");
  await until("all read it", () => members.every(({ text }) => text === "one "));
  // Eve does not hear that she is out: she goes on with the keys that she has.
  await eve.client.disconnect();
  await group.remove("eve");
  await agree([ann.group, bob.group]);
  ann.write("two ");
  await until("bob reads it", () => bob.text === "two one ");
  await until("eve cannot read it", () => eve.errors.some((error) => /sealed after a change/.test(error)));
  assert.equal(eve.text, "one ");
  await until("the epoch is over for all", () => {
    eve.write("x");
    return [...ann.errors, ...bob.errors].some((error) => /keys that are over/.test(error)) ||
      (ann.shared.peers.length === 1 && bob.shared.peers.length === 1);
  });
  ann.write("three ");
  await until("bob reads on", () => bob.text.includes("three"));
  assert.ok(!eve.text.includes("two") && !eve.text.includes("three"));
});
