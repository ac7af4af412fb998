/** Insertions about as large as the outbox and the service take, with the defaults of both, over real sockets. */

import assert from "node:assert/strict";
import * as Y from "yjs";
import { openDocument } from "../../src/client/documents.ts";
import type { SkeinClient } from "../../src/client/mod.ts";
import { SkeinYjsProvider } from "../../src/client/yjs.ts";
import { type Crowd, crowd, until } from "../client/crowd.ts";
import { KINDS } from "../support/client.ts";

const DOC = "doc:plan";

/** A Yjs document that is open, and what it was told of refusals. */
async function open(client: SkeinClient) {
  const doc = new Y.Doc(), refused: string[] = [];
  const document = openDocument(client, DOC);
  document.on("error", ({ error }) => refused.push(error));
  const provider = new SkeinYjsProvider(document, doc);
  await provider.ready;
  const text = doc.getText("t");
  return { client, text, refused, [Symbol.dispose]: () => (provider.destroy(), doc.destroy()) };
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
  Deno.test(`large documents: an insertion comes whole, or nothing of it and its author is told, over ${kind}`, async () => {
    await using place = await crowd();
    using ann = await open(join(place, "ann", kind));
    using bob = await open(join(place, "bob", kind));
    assert.equal(ann.client.manager.getTransportType(), kind);
    ann.text.insert(0, "x".repeat(5_000_000));
    await until("five million characters have come", () => bob.text.length === 5_000_000, 60_000);
    assert.deepEqual(ann.refused, []);

    ann.text.insert(0, "y".repeat(7_000_000));
    await until("ann is told", () => ann.refused.length > 0);
    assert.deepEqual([...new Set(ann.refused)], ["outbox_full"]);
    assert.equal(ann.client.manager.pending, 0, "no part of it waits");

    // The document is open to all the same.
    bob.text.insert(bob.text.length, "bob");
    await until("bob is heard", () => ann.text.length === 12_000_003);
    using cem = await open(join(place, "cem", kind));
    assert.equal(cem.text.length, 5_000_003);
    assert.deepEqual([bob.refused, cem.refused], [[], []]);
  });
}
