/** Which peers a document is shared with, of all who come and go. */

import assert from "node:assert/strict";
import * as Y from "yjs";
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from "y-protocols/awareness";
import { type DocumentPeer, PeerDocuments } from "../../src/client/peer_yjs.ts";

const idOf = (n: number): string => `${n}`.padStart(43, "p");

/** A document that one peer shares, and whom it calls for that. */
function shareAlone(named: string[] = []) {
  const called: string[] = [];
  const peer: DocumentPeer = {
    id: idOf(0),
    connect(id: string) {
      called.push(id);
      return { current: undefined } as ReturnType<DocumentPeer["connect"]>;
    },
    onConnection: () => () => {},
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
  return { called, come, end };
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
