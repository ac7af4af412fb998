/** Yjs changes that were refused: for lack of room here, or because the service takes no more. */

import assert from "node:assert/strict";
import fc from "fast-check";
import * as Y from "yjs";
import { openDocument } from "../../src/client/documents.ts";
import type { SkeinClient } from "../../src/client/mod.ts";
import { SkeinYjsProvider } from "../../src/client/yjs.ts";
import { Known } from "../../src/client/yjs/known.ts";
import { beginning } from "../../src/client/yjs/pieces.ts";
import { crowd, until } from "../client/crowd.ts";
import { settle, World } from "../client/support.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { CHANGES } from "./yjs_changes.ts";
import { Device, DOC, serverText } from "./yjs_support.ts";

Deno.test("yjs refused: what an outbox full of other things refused is sent once it has room, and before what comes after", async () => {
  const world = new World();
  const ann = new Device(world, "ann", { maxMessages: 4 }), bob = new Device(world, "bob");
  await world.until(() => ann.provider.synced && bob.provider.synced);
  const synced: boolean[] = [], refused: string[] = [];
  ann.provider.on("synced", (isSynced) => synced.push(isSynced));
  ann.provider.document.on("error", ({ error }) => refused.push(error));
  let reopened = 0;
  ann.provider.document.on("synced", () => reopened++);
  for (let i = 0; i < 4; i++) ann.client.channel("chat:x").publish(`${i}`);
  ann.edit(0, "first ", 0);
  await settle();
  assert.deepEqual([synced, refused], [[false], ["outbox_full"]]);
  ann.edit(6, "second", 0);
  // Nobody writes any more.
  await world.until(() => bob.text === "first second" && ann.provider.synced);
  assert.deepEqual([serverText(world), synced, refused], ["first second", [false, true], ["outbox_full"]]);
  assert.equal(reopened, 0, "it was the room that was waited for");
  for (const each of [ann, bob]) await each.close();
  assert.equal(world.clock.pending, 0, "timers are left");
});

Deno.test("yjs refused: a change that may not be made is told of, and so is each one after it", async () => {
  const world = new World();
  const ann = new Device(world, "ann");
  await world.until(() => ann.provider.synced);
  const { document } = ann.provider;
  const told: string[] = [];
  document.on("error", ({ error }) => told.push(error));
  world.hub.addHook({
    name: "test",
    types: ["doc_op"],
    before: () => {
      if (isRefusing) throw new ProtocolError("permission_denied");
    },
  });
  let isRefusing = true;
  for (let i = 1; i <= 3; i++) {
    ann.edit(0, "x", 0);
    await world.until(() => told.length >= i);
    await world.clock.advance(1000);
  }
  assert.equal(ann.provider.synced, false);
  isRefusing = false;
  ann.edit(0, "x", 0);
  await world.until(() => ann.provider.synced);
  assert.equal(serverText(world), "xxxx");
  await ann.close();
  assert.equal(world.clock.pending, 0, "timers are left");
});

Deno.test("yjs refused: pieces of a difference are updates that together have all of it", () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(0xffff)), fc.integer({ min: 200, max: 2000 }), (stream, limit) => {
      const pick = (below: number) => (stream.next().value as number) % below;
      const docs = [new Y.Doc(), new Y.Doc()];
      for (let i = 0; i < 12; i++) {
        const doc = docs[pick(2)]!;
        CHANGES[pick(CHANGES.length)]!(doc, pick);
        doc.getText("emoji").insert(0, "😀x".repeat(pick(80)));
        doc.getArray("array").push(Array.from({ length: pick(50) }, (_, at) => at));
        if (pick(5) === 0) Y.applyUpdate(docs[0]!, Y.encodeStateAsUpdate(docs[1]!));
      }
      Y.applyUpdate(docs[0]!, Y.encodeStateAsUpdate(docs[1]!));
      const known = new Known(), there = new Y.Doc();
      let pieces = 0;
      for (let missing = known.missing(docs[0]!); missing !== undefined; missing = known.missing(docs[0]!)) {
        assert.ok(++pieces < 10_000, "it comes to an end");
        const piece = beginning(missing, limit);
        known.add(piece);
        Y.applyUpdate(there, piece);
      }
      assert.deepEqual(Y.encodeStateVector(there), Y.encodeStateVector(docs[0]!));
      for (const name of ["text", "emoji"]) {
        assert.deepEqual(there.getText(name).toDelta(), docs[0]!.getText(name).toDelta());
      }
      assert.deepEqual(there.getArray("array").toJSON(), docs[0]!.getArray("array").toJSON());
      assert.deepEqual(there.getMap("map").toJSON(), docs[0]!.getMap("map").toJSON());
    }),
    { numRuns: 100 },
  );
});

Deno.test("yjs refused: a piece is as large as may be, and no character is cut in two", () => {
  const doc = new Y.Doc();
  doc.getText("t").insert(0, "😀".repeat(10_000));
  const update = Y.encodeStateAsUpdate(doc);
  assert.equal(beginning(update, update.length), update);
  for (const limit of [100, 1001, 1002, 1003, 20_000]) {
    const piece = beginning(update, limit), there = new Y.Doc();
    Y.applyUpdate(there, piece);
    const text = there.getText("t").toString();
    assert.match(text, /^(😀)+$/u);
    assert.ok(piece.length <= limit && piece.length > limit - 90, `${piece.length} of ${limit}`);
  }
  const bytes = new Y.Doc();
  bytes.getMap("m").set("bytes", new Uint8Array(1000));
  assert.ok(beginning(Y.encodeStateAsUpdate(bytes), 100).length > 1000, "bytes are not cut");
});

/** A Yjs document over real sockets. */
function open(client: SkeinClient) {
  const doc = new Y.Doc(), told: string[] = [];
  const document = openDocument(client, DOC);
  document.on("error", ({ error }) => told.push(error));
  const provider = new SkeinYjsProvider(document, doc);
  return {
    document,
    provider,
    doc,
    text: doc.getText("t"),
    told,
    [Symbol.dispose]: () => provider.destroy(),
  };
}

const SMALL = { documents: { maxPending: "100KiB", maxSnapshot: "200KiB" } } as const;

Deno.test("yjs refused: a document larger than the service takes is not in step until it has shrunk", async () => {
  await using place = await crowd(SMALL);
  using ann = open(place.join("ann", { enableQuic: false }));
  using bob = open(place.join("bob", { enableQuic: false }));
  await Promise.all([ann.provider.ready, bob.provider.ready]);
  ann.text.insert(0, "x".repeat(150_000));
  await until("it comes in pieces", () => bob.text.length === 150_000 && ann.provider.synced, 60_000);
  assert.equal(ann.told[0], "doc_op_too_large");
  ann.text.insert(0, "y".repeat(100_000));
  await until("ann is told", () => ann.told.includes("doc_snapshot_too_large"), 60_000);
  ann.text.insert(0, "later");
  assert.equal(ann.provider.synced, false);
  ann.text.delete(0, 200_000);
  await until("it is in step again", () => ann.provider.synced && bob.text.length === 50_005, 120_000);
  assert.equal(bob.text.toString(), ann.text.toString());
});

Deno.test("yjs refused: a document ends with an error when the service can never take what was put into it", async () => {
  await using place = await crowd(SMALL);
  using ann = open(place.join("ann", { enableQuic: false }));
  await ann.provider.ready;
  const closed = Promise.withResolvers<string | undefined>();
  ann.document.on("closed", (error) => closed.resolve(error?.error));
  ann.doc.getMap("m").set("picture", new Uint8Array(150_000));
  assert.equal(await closed.promise, "doc_op_too_large");
  assert.deepEqual([ann.provider.synced, ann.document.closed], [false, true]);
});
