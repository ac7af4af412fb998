/** Insertions larger than the outbox and the service take at once, with the defaults of both, over real sockets. */

import assert from "node:assert/strict";
import * as Y from "yjs";
import { openDocument } from "../../src/client/documents.ts";
import type { SkeinClient } from "../../src/client/mod.ts";
import { SkeinYjsProvider } from "../../src/client/yjs.ts";
import { type Crowd, crowd, until } from "../client/crowd.ts";
import { KINDS } from "../support/client.ts";

const DOC = "doc:plan";
/** Milliseconds for megabytes to travel on a machine that does other things. */
const LONG = 120_000;

/** A Yjs document that is open, and what it was told of refusals. */
async function open(client: SkeinClient) {
  const doc = new Y.Doc(), refused: string[] = [], synced: boolean[] = [];
  const document = openDocument(client, DOC);
  document.on("error", ({ error }) => refused.push(error));
  const provider = new SkeinYjsProvider(document, doc);
  await provider.ready;
  provider.on("synced", (isSynced) => synced.push(isSynced));
  const text = doc.getText("t");
  return {
    client,
    doc,
    document,
    provider,
    text,
    refused,
    synced,
    [Symbol.dispose]: () => (provider.destroy(), doc.destroy()),
  };
}

function join(place: Crowd, user: string, kind: (typeof KINDS)[number]): SkeinClient {
  const { quicPort, certificateHash } = place.service;
  if (kind === "websocket") return place.join(user, { enableQuic: false });
  const quic = kind === "quic" ? { quicUrl: `quic://127.0.0.1:${quicPort}` } : {};
  return place.join(user, {
    ...quic,
    certificateHashes: [certificateHash.toBase64()],
    enableWebSocket: false,
  });
}

for (const kind of KINDS) {
  Deno.test(`large documents: an insertion larger than the outbox comes, and what its author writes after it, over ${kind}`, async () => {
    await using place = await crowd();
    using ann = await open(join(place, "ann", kind));
    using bob = await open(join(place, "bob", kind));
    assert.equal(ann.client.manager.getTransportType(), kind);
    ann.text.insert(0, "x".repeat(5_000_000));
    await until("five million characters have come", () => bob.text.length === 5_000_000, LONG);
    assert.deepEqual([ann.refused, ann.synced], [[], []]);

    ann.text.insert(0, "y".repeat(7_000_000));
    await until("ann is told that not all of it is sent", () => ann.synced.length > 0);
    assert.deepEqual([ann.synced[0], ann.refused[0]], [false, "outbox_full"]);
    ann.text.insert(3, "later");
    bob.text.insert(bob.text.length, "bob");
    await until(
      "everything has come",
      () => bob.text.length === 12_000_008 && ann.text.length === 12_000_008,
      LONG,
    );
    await until("ann is in step", () => ann.provider.synced, LONG);
    assert.deepEqual(ann.synced, [false, true]);
    using cem = await open(join(place, "cem", kind));
    assert.ok(cem.text.toString() === ann.text.toString() && bob.text.toString() === ann.text.toString());
    assert.deepEqual([bob.refused, cem.refused], [[], []]);
  });
}
