/**
 * The origin of changes that came straight from a peer.
 *
 * @module
 */

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
