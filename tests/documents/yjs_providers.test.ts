/** Several Yjs providers of one document, one after the other and at once, and local copies beside them. */

import { openDocument } from "../../src/client/documents.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { SkeinClient } from "../../src/client/mod.ts";
import { DocumentKey, SkeinYjsProvider } from "../../src/client/yjs.ts";
import { Known } from "../../src/client/yjs/known.ts";
import { seeded, World } from "../client/support.ts";
import { bytes } from "./support.ts";
import { CHANGES } from "./yjs_changes.ts";
import { DOC, serverText } from "./yjs_support.ts";

type Open = (user: string) => SkeinClient;

/** A world with clients, closed at the end. */
async function inWorld(run: (world: World, open: Open) => Promise<void>, spread = 0): Promise<void> {
  const world = new World();
  world.paths.quic.spread = spread;
  const clients: SkeinClient[] = [];
  try {
    await run(world, (user) => {
      const client = new SkeinClient(world.options(user, { probing: false }));
      clients.push(client);
      return client;
    });
  } finally {
    const closing = clients.map((client) => client.close());
    await world.clock.advance(3000);
    await Promise.all(closing);
  }
  assert.equal(world.clock.pending, 0, "timers are left");
}

function provide(client: SkeinClient, doc: Y.Doc, awareness: Awareness | null = null): SkeinYjsProvider {
  return new SkeinYjsProvider(openDocument(client, DOC), doc, { awareness });
}

const textOf = (doc: Y.Doc): string => doc.getText("t").toString();

function write(doc: Y.Doc, text: string): void {
  doc.getText("t").insert(doc.getText("t").length, text);
}

for (const awareness of [false, true]) {
  for (const sameDoc of [false, true]) {
    const of = `${sameDoc ? "the same" : "another"} Y.Doc${awareness ? " with awareness" : ""}`;
    Deno.test(`yjs providers: one that follows another in the same turn works, with ${of}`, () =>
      inWorld(async (world, open) => {
        const client = open("ann"), doc = new Y.Doc();
        const bob = new Y.Doc();
        provide(open("bob"), bob);
        const first = provide(client, doc, awareness ? new Awareness(doc) : null);
        await world.until(() => first.synced);
        write(doc, "one ");
        await world.until(() => textOf(bob) === "one ");

        first.destroy();
        assert.equal(first.synced, false);
        const doc2 = sameDoc ? doc : new Y.Doc();
        const second = provide(client, doc2, awareness ? new Awareness(doc2) : null);
        let isReady = false;
        second.ready.then(() => isReady = true, () => {});
        await world.until(() => isReady);
        assert.equal(textOf(doc2), "one ", "it says it is ready once it has the content");
        write(bob, "two ");
        await world.until(() => textOf(doc2) === "one two ");
        write(doc2, "three");
        await world.until(() => textOf(bob) === "one two three");
        assert.equal(serverText(world), "one two three");
        // Awareness has a timer that ends with its document.
        doc.destroy();
        doc2.destroy();
        await world.clock.advance(1000);
      }));
  }
}

for (const sealing of [false, true]) {
  const when = sealing ? ", while a change is being sealed" : "";
  Deno.test(`yjs providers: one that follows another in the same turn works where everything is encrypted${when}`, () =>
    inWorld(async (world, open) => {
      const client = open("ann"), doc = new Y.Doc();
      const key = world.cipher(await DocumentKey.generate(), 200);
      const isCommitted = (): boolean => world.engine.log.position(DOC).offset > 0;
      const first = new SkeinYjsProvider(openDocument(client, DOC, { key }), doc);
      await world.until(() => first.synced);
      write(doc, "sealed");
      if (!sealing) await world.until(() => isCommitted() && client.manager.pending === 0);
      assert.equal(isCommitted(), !sealing);
      first.destroy();
      const doc2 = new Y.Doc();
      const second = new SkeinYjsProvider(openDocument(client, DOC, { key }), doc2);
      await world.until(() => second.synced && textOf(doc2) === "sealed");
    }));
}

Deno.test("yjs providers: a second one on an open document has the content at once, and both go on without a connection", () =>
  inWorld(async (world, open) => {
    const client = open("ann"), one = new Y.Doc(), two = new Y.Doc(), bob = new Y.Doc();
    const first = provide(client, one);
    await world.until(() => first.synced);
    write(one, "content");
    await world.until(() => serverText(world) === "content");
    write(two, "also ");
    const second = provide(client, two);
    assert.equal(second.synced, true);
    await second.ready;
    assert.equal(textOf(two), textOf(one));
    assert.equal(textOf(two).length, 12);
    await world.until(() => serverText(world) === textOf(one));

    world.kill();
    write(one, " by one");
    write(two, " by two");
    assert.equal(textOf(one), textOf(two));
    const { offset: since } = world.engine.log.position(DOC);
    world.start();
    provide(open("bob"), bob);
    await world.until(() => textOf(bob) === textOf(one) && first.synced && second.synced);
    await world.clock.advance(1000);
    // What both changed in one turn went once: that the other has it too is no reason to send it again.
    const { records } = world.engine.log.read(DOC, { since, limit: 100 });
    assert.equal(records.length, 1);
  }));

Deno.test("yjs providers: the end of one does not end the others, and the end of the last closes the document", () =>
  inWorld(async (world, open) => {
    const client = open("ann"), one = new Y.Doc(), two = new Y.Doc(), bob = new Y.Doc();
    const first = provide(client, one), second = provide(client, two);
    provide(open("bob"), bob);
    await world.until(() => first.synced && second.synced);
    write(two, "last words, ");
    second.destroy();
    await world.until(() => textOf(bob) === "last words, ");
    assert.equal(first.document.closed, false);
    write(bob, "bob's");
    await world.until(() => textOf(one) === "last words, bob's");
    assert.equal(textOf(two), "last words, ", "what has ended is left alone");
    first.destroy();
    await world.clock.advance(100);
    assert.equal(first.document.closed, true);
    assert.throws(() => new SkeinYjsProvider(first.document, new Y.Doc()), { error: "closed" });
    assert.notEqual(openDocument(client, DOC), first.document);
  }));

Deno.test("yjs providers: one on a document whose content was told before gets it", () =>
  inWorld(async (world, open) => {
    const writer = new Y.Doc();
    const before = provide(open("bob"), writer);
    await world.until(() => before.synced);
    for (let i = 0; i < 3; i++) {
      write(writer, `${i}`);
      await world.until(() => serverText(world).length === i + 1);
    }
    const document = openDocument(open("ann"), DOC);
    let resets = 0;
    document.on("reset", () => resets++);
    await world.until(() => document.synced);
    const doc = new Y.Doc();
    const provider = new SkeinYjsProvider(document, doc, { awareness: null });
    assert.equal(provider.synced, false);
    const compacting = provider.compact();
    await world.until(() => provider.synced);
    assert.equal(await compacting, false, "no snapshot of what is not there yet");
    assert.equal(textOf(doc), "012");
    assert.equal(resets, 2);
  }));

Deno.test("yjs providers: those who wait for one that is destroyed or refused are told", () =>
  inWorld(async (world, open) => {
    const provider = provide(open("ann"), new Y.Doc());
    provider.destroy();
    await assert.rejects(provider.ready, { error: "closed" });
    await world.clock.advance(100);
  }));

Deno.test("yjs providers: all awareness of a session is seen by the others, and by each other", () =>
  inWorld(async (world, open) => {
    const client = open("ann");
    const people = ["one", "two"].map((name) => {
      const awareness = new Awareness(new Y.Doc());
      awareness.setLocalStateField("name", name);
      return { awareness, provider: provide(client, awareness.doc, awareness) };
    });
    const bob = new Awareness(new Y.Doc());
    bob.setLocalStateField("name", "bob");
    const others = provide(open("bob"), bob.doc, bob);
    const seenBy = (awareness: Awareness): string =>
      [...awareness.getStates().values()].map(({ name }) => name).sort().join();
    const [one, two] = people as [typeof people[0], typeof people[0]];
    await world.until(() =>
      [bob, one.awareness, two.awareness].every((each) => seenBy(each) === "bob,one,two")
    );
    two.awareness.setLocalStateField("name", "two again");
    assert.equal(seenBy(one.awareness), "bob,one,two again");
    await world.until(() => seenBy(bob) === "bob,one,two again");
    two.provider.destroy();
    assert.equal(seenBy(one.awareness), "bob,one");
    await world.until(() => seenBy(bob) === "bob,one");
    one.provider.destroy();
    await world.until(() => seenBy(bob) === "bob");
    others.destroy();
    for (const { awareness } of [...people, { awareness: bob }]) awareness.destroy();
    await world.clock.advance(100);
  }));

// --- a local copy beside it, as `y-indexeddb` keeps one ---

/** Loads a local copy as other providers put in what they have: not a change of the application. */
function load(doc: Y.Doc, copy: Uint8Array): void {
  Y.applyUpdate(doc, copy, "a local copy");
}

for (const when of ["before", "after"] as const) {
  Deno.test(`yjs providers: a local copy that is loaded ${when} the server's is not sent again`, () =>
    inWorld(async (world, open) => {
      const writer = new Y.Doc(), first = provide(open("bob"), writer);
      await world.until(() => first.synced);
      write(writer, "a document of some length");
      writer.getText("t").delete(2, 8);
      await world.until(() => serverText(world) === textOf(writer));
      const copy = Y.encodeStateAsUpdate(writer);
      const before = world.engine.log.position(DOC).offset;

      const doc = new Y.Doc(), second = provide(open("ann"), doc);
      if (when === "before") load(doc, copy);
      await world.until(() => second.synced);
      if (when === "after") load(doc, copy);
      await world.clock.advance(1000);
      assert.equal(textOf(doc), textOf(writer));
      assert.equal(world.engine.log.position(DOC).offset, before, "nothing was sent");
    }));

  Deno.test(`yjs providers: of a local copy that is loaded ${when} the server's only what it lacks is sent`, () =>
    inWorld(async (world, open) => {
      const writer = new Y.Doc(), first = provide(open("bob"), writer);
      await world.until(() => first.synced);
      write(writer, "known ".repeat(500));
      for (let i = 0; i < 200; i++) writer.getText("t").delete(i * 3, 1);
      await world.until(() => serverText(world) === textOf(writer));
      const copy = new Y.Doc();
      Y.applyUpdate(copy, Y.encodeStateAsUpdate(writer));
      copy.getText("t").delete(0, 5);
      write(copy, "new");
      const { offset: since } = world.engine.log.position(DOC);

      const doc = new Y.Doc(), second = provide(open("ann"), doc);
      if (when === "before") load(doc, Y.encodeStateAsUpdate(copy));
      await world.until(() => second.synced);
      if (when === "after") load(doc, Y.encodeStateAsUpdate(copy));
      await world.until(() => serverText(world) === textOf(copy) && textOf(writer) === textOf(copy));
      const { records } = world.engine.log.read(DOC, { since, limit: 10 });
      assert.equal(records.length, 1);
      const sent = records[0]!.payload.data as Uint8Array;
      assert.ok(sent.length < 64, `${sent.length} bytes for three letters and a deletion`);
    }));
}

Deno.test("yjs providers: what only a local copy had reaches a service that lost everything", () =>
  inWorld(async (world, open) => {
    const copy = new Y.Doc();
    write(copy, "all there is");
    const doc = new Y.Doc();
    provide(open("ann"), doc);
    load(doc, Y.encodeStateAsUpdate(copy));
    await world.until(() => serverText(world) === "all there is");
  }));

/** Validates: of a document the server lacks exactly what `missing` gives, deletions too, whatever it has. */
Deno.test("Feature: quic-transport, Property 60: what a Yjs server lacks is found, no less and no more", () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }), (seed, reaches) => {
      const random = seeded(seed), pick = (below: number): number => Math.floor(random() * below);
      const docs = [new Y.Doc(), new Y.Doc()], server = new Y.Doc(), known = new Known();
      docs.forEach((doc, i) => doc.clientID = i + 1);
      // Each change is at the server or not; those after a gap count as missing, which they may not be.
      const apply = (update: Uint8Array): void => {
        known.add(update);
        Y.applyUpdate(server, update);
      };
      const stopped = new Set<number>();
      for (const reachesServer of reaches) {
        const at = pick(2), doc = docs[at]!;
        const said: Uint8Array[] = [];
        const hear = (update: Uint8Array): void => void said.push(update);
        doc.on("update", hear);
        CHANGES[pick(CHANGES.length)]!(doc, pick);
        doc.off("update", hear);
        if (!reachesServer) stopped.add(at);
        for (const update of said) {
          Y.applyUpdate(docs[1 - at]!, update);
          if (reachesServer && stopped.size === 0) apply(update);
        }
      }
      const [doc] = docs as [Y.Doc];
      const before = Y.createDeleteSetFromStructStore(server.store);
      const clocks = Y.decodeStateVector(Y.encodeStateVector(server));
      const missing = known.missing(doc);
      if (missing !== undefined) {
        const { structs, ds } = Y.decodeUpdate(missing);
        for (const { id } of structs) assert.ok(id.clock >= (clocks.get(id.client) ?? 0), "changes it has");
        for (const [client, ranges] of ds.clients) {
          for (const { clock, len } of ranges) {
            for (let i = clock; i < clock + len; i++) {
              assert.ok(!Y.isDeleted(before, Y.createID(client, i)), "deletions it has");
            }
          }
        }
        apply(missing);
      }
      assert.deepEqual(Y.encodeStateAsUpdate(server), Y.encodeStateAsUpdate(doc));
      assert.equal(known.missing(doc), undefined);
    }),
    { numRuns: 300 },
  );
});

// --- documents closed and opened again ---

Deno.test("yjs providers: a document that is closed and opened again in one turn is open, whichever lane is slower", async () => {
  for (const spread of [0, 50, 200]) {
    await inWorld(async (world, open) => {
      const ann = open("ann"), bob = openDocument(open("bob"), DOC);
      await world.until(() => bob.synced);
      let document = openDocument(ann, DOC);
      await world.until(() => document.synced);
      for (let round = 0; round < 20; round++) {
        document.close();
        // It takes the next lane.
        const other = openDocument(ann, `doc:other${round}`);
        document = openDocument(ann, DOC);
        const got: string[] = [];
        document.on("operation", ({ data }) => got.push(new TextDecoder().decode(data)));
        await world.until(() => document.synced);
        await world.clock.advance(300);
        void bob.send(bytes(`${round}`));
        await world.until(() => got.at(-1) === `${round}`, 5000);
        other.close();
      }
      assert.equal(document.synced, true);
    }, spread);
  }
});
