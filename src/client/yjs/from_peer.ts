/**
 * Changes that came straight from a peer, and who of several peers brings to the service what all of them have.
 *
 * @module
 */

import type * as Y from "yjs";

/**
 * Marks what came from a peer. A `SkeinYjsProvider` of the same document does not send it to the service at once: its
 * author does, and only if the author cannot, somebody else has to.
 */
export class FromPeer {
  /** The peer's id. */
  readonly peer: string;

  constructor(peer: string) {
    this.peer = peer;
  }
}

const sharedAmongPeers = new WeakMap<Y.Doc, () => boolean>();

/** `comesFirst`: whether another peer is before this one in bringing `doc` to the service. Undefined: it is shared no more. */
export function shareAmongPeers(doc: Y.Doc, comesFirst: (() => boolean) | undefined): void {
  if (comesFirst === undefined) sharedAmongPeers.delete(doc);
  else sharedAmongPeers.set(doc, comesFirst);
}

/** Whether another peer that has `doc` open is to bring it to the service before this one. */
export function anotherComesFirst(doc: Y.Doc): boolean {
  return sharedAmongPeers.get(doc)?.() ?? false;
}
