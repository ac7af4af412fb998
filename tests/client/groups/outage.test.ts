/** Groups whose service is away: content goes straight among peers, and what was changed meanwhile is decided afterwards. */

import assert from "node:assert/strict";
import { SignJWT } from "jose";
import * as Y from "yjs";
import { openDocument } from "../../../src/client/documents.ts";
import { type Group, MemoryGroupStorage, SkeinGroups } from "../../../src/client/groups.ts";
import type { SkeinClient } from "../../../src/client/mod.ts";
import { PeerIdentity, SkeinPeer } from "../../../src/client/peer.ts";
import { PeerDocuments, type SharedDocument } from "../../../src/client/peer_yjs.ts";
import { SkeinYjsProvider } from "../../../src/client/yjs.ts";
import { type Restartable, withService } from "../../documents/live.ts";
import { agree, GroupDevice, until } from "./support.ts";

const PLAN = "doc:plan";
const SECRET = "a secret of at least thirty-two bytes, for tests";

function token(user: string): Promise<string> {
  const claims = {
    sub: user,
    exp: Math.floor(Date.now() / 1000) + 3600,
    rights: ["direct_message"],
    peers: ["*"],
  };
  return new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(SECRET));
}

/** A device with a document that goes to the service and straight to peers, as the README says. */
class Member implements AsyncDisposable {
  readonly doc = new Y.Doc();
  readonly errors: string[] = [];
  group!: Group;
  shared!: SharedDocument;
  provider!: SkeinYjsProvider;
  readonly #documents: PeerDocuments;

  private constructor(readonly client: SkeinClient, readonly peer: SkeinPeer, readonly groups: SkeinGroups) {
    this.#documents = new PeerDocuments(peer, {
      onError: (error) => void this.errors.push(`peers: ${error}`),
    });
  }

  static async open(place: Restartable, user: string): Promise<Member> {
    const client = place.client(user, { getToken: () => token(user) });
    const { identity, pkcs8 } = await PeerIdentity.generate();
    const peer = await SkeinPeer.open(client, { identity });
    await client.connect();
    await peer.announced();
    const groups = await SkeinGroups.open(client, { storage: new MemoryGroupStorage(), identity: pkcs8 });
    return new Member(client, peer, groups);
  }

  share(group: Group): void {
    this.group = group;
    group.on("error", (error) => void this.errors.push(`group: ${error.message}`));
    const document = openDocument(this.client, PLAN, { key: group.cipher });
    document.on("error", (error) => void this.errors.push(`document: ${error.message}`));
    const provider = this.provider = new SkeinYjsProvider(document, this.doc);
    group.follow(provider);
    const { awareness } = provider;
    this.shared = this.#documents.share(PLAN, this.doc, { awareness, key: group.directCipher });
  }

  get text(): string {
    return this.doc.getText("t").toString();
  }

  write(text: string): void {
    const target = this.doc.getText("t");
    target.insert(target.length, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.shared?.close();
    this.provider?.destroy();
    this.#documents.close();
    await this.groups.close();
    await this.peer.close();
    await this.client.close();
  }
}

Deno.test("groups: while the service is away peers go on, and changes made meanwhile are decided when it is back", () =>
  withService(async (place) => {
    await using ann = await Member.open(place, "ann");
    await using bob = await Member.open(place, "bob");
    await using carl = await Member.open(place, "carl");
    const members = [ann, bob, carl];
    const group = await ann.groups.create(PLAN);
    for (const user of ["bob", "carl"]) {
      await until(`${user} is invited`, () => group.invite(user).then((count) => count === 1, () => false));
    }
    ann.share(group);
    for (const each of [bob, carl]) {
      const theirs = await each.groups.group(PLAN);
      await theirs.ready;
      each.share(theirs);
    }
    await agree(members.map(({ group }) => group));
    await until("all are connected", () => members.every(({ shared }) => shared.peers.length === 2));
    ann.write("before; ");
    await until("all read it", () => members.every(({ text }) => text === "before; "));
    const epoch = group.epoch!;

    await place.stop();
    await until("all know that it is away", () => members.every(({ provider }) => !provider.synced));
    ann.write("ann away; ");
    await until("the others read it", () => members.every(({ text }) => text === "before; ann away; "));
    // Nobody can know who is first.
    const changes = [bob.group.renew(), carl.group.renew(), ann.group.removeDevice(carl.groups.device)];
    const outcomes = Promise.allSettled(changes);
    bob.write("bob away; ");
    const all = "before; ann away; bob away; ";
    await until("the others read that, too", () => members.every(({ text }) => text === all));
    assert.deepEqual(members.map(({ group }) => group.epoch), [epoch, epoch, epoch]);

    await place.start();
    const [renewed, , removed] = await outcomes;
    assert.equal(renewed!.status, "fulfilled");
    assert.equal(removed!.status, "fulfilled");
    await until("carl is out", () => !carl.group.isMember);
    await agree([ann.group, bob.group]);
    assert.ok(group.epoch! >= epoch + 2, "each change has counted");
    ann.write("after; ");
    await until("bob reads it", () => bob.text === `${all}after; `);
    await until(
      "what was said meanwhile is at the service",
      () => ann.provider.synced && bob.provider.synced,
    );
    assert.equal(carl.text, all);

    // Who comes now has it all from the service alone.
    await using dora = await GroupDevice.open(place, "dora");
    await group.invite("dora");
    const theirs = await dora.groups.group(PLAN);
    await theirs.ready;
    const read = dora.share(theirs);
    await until("dora reads all of it", () => read.doc.getText("t").toString() === `${all}after; `);
    assert.deepEqual([...ann.errors, ...bob.errors], []);
  }));
