/** Which peers a document is shared with, of all who come and go. */

import assert from "node:assert/strict";
import * as Y from "yjs";
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from "y-protocols/awareness";
import {
  type PeerConnection,
  type PeerConnectionEvents,
  PeerError,
  type PeerErrorCode,
} from "../../src/peer/mod.ts";
import { type DocumentPeer, PeerDocuments } from "../../src/client/peer_yjs.ts";

const idOf = (n: number): string => `${n}`.padStart(43, "p");

/** A document that one peer shares, and whom it calls for that. */
function shareAlone(named: string[] = []) {
  const called: string[] = [];
  const ends = new Map<string, (error: PeerError) => void>();
  let begun: (connection: PeerConnection) => void = () => {};
  const peer: DocumentPeer = {
    id: idOf(0),
    connect(id: string) {
      called.push(id);
      const connection = {
        peer: id,
        current: undefined,
        on: ({ state }: PeerConnectionEvents) => void ends.set(id, (error) => state?.("disconnected", error)),
      } as unknown as PeerConnection;
      begun(connection);
      return connection;
    },
    onConnection(listener) {
      begun = listener;
      return () => {};
    },
  };
  const doc = new Y.Doc(), awareness = new Awareness(doc);
  const documents = new PeerDocuments(peer);
  documents.share("doc:plan", doc, { awareness, peers: named });
  /** Somebody opens the document. Returns what says that it is gone. */
  const come = (id: string): () => void => {
    const theirs = new Awareness(new Y.Doc());
    const tell = (): void =>
      applyAwarenessUpdate(awareness, encodeAwarenessUpdate(theirs, [theirs.clientID]), "service");
    theirs.setLocalState({ peer: id });
    tell();
    return () => {
      theirs.setLocalState(null);
      tell();
      theirs.destroy();
    };
  };
  const end = (): void => {
    documents.close();
    awareness.destroy();
  };
  /** The connection to a peer that was called ends. */
  const lose = (id: string, code: PeerErrorCode): void => ends.get(id)!(new PeerError(code));
  return { called, come, lose, end };
}

Deno.test("peer documents: those who have left make room for others", () => {
  const { called, come, end } = shareAlone();
  const all = Array.from({ length: 100 }, (_, i) => idOf(i + 1));
  for (const id of all) come(id)();
  assert.deepEqual(called, all);
  end();
});

Deno.test("peer documents: of many at once 32 are connected, and another when one of them leaves", () => {
  const { called, come, end } = shareAlone();
  const leave = Array.from({ length: 33 }, (_, i) => come(idOf(i + 1)));
  assert.equal(called.length, 32);
  leave[0]!();
  assert.equal(called.at(-1), idOf(33));
  for (const each of leave.slice(1)) each();
  end();
});

Deno.test("peer documents: those that the application has named keep their place", () => {
  const named = idOf(500);
  const { called, come, end } = shareAlone([named]);
  come(idOf(1))();
  come(named)();
  come(named)();
  assert.deepEqual(called, [named, idOf(1)]);
  end();
});

Deno.test("peer documents: who was away for too long is called once more when something says that it is there", () => {
  const { called, come, lose, end } = shareAlone();
  const [ann, bob, carl] = [idOf(1), idOf(2), idOf(3)];
  const leave = [come(ann), come(bob)];
  lose(ann, "gave_up");
  // Ended by the peer, on purpose.
  lose(bob, "closed");
  assert.deepEqual(called, [ann, bob]);
  leave.push(come(carl));
  assert.deepEqual(called, [ann, bob, ann, carl]);
  leave.push(come(idOf(4)));
  assert.deepEqual(called, [ann, bob, ann, carl, idOf(4)]);
  for (const each of leave) each();
  end();
});

Deno.test("peer documents: who was away for too long and is gone is not called", () => {
  const { called, come, lose, end } = shareAlone();
  const [ann, bob] = [idOf(1), idOf(2)];
  const leave = come(ann);
  lose(ann, "gave_up");
  leave();
  come(bob)();
  assert.deepEqual(called, [ann, bob]);
  end();
});
