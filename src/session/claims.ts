/**
 * Which node has which session. It is asked of the engine, so that all nodes of a service agree.
 *
 * @module
 */

import type { Maybe } from "../async/when.ts";

/** What the others are told of a session. */
export interface SessionClaim {
  readonly session: string;
  readonly user: string;
  /** The bot whose commands the session answers. @default none */
  readonly bot?: string | undefined;
}

/** Claims of sessions, as the engine keeps them for all nodes. */
export interface SessionClaims {
  /**
   * Claims a session for this node; the claim outlives the node by `window` milliseconds. With `revision`: only if the
   * session's claim has that revision (0: no claim). Without: only if the claim it has is of the same user. Undefined:
   * nothing was claimed.
   */
  claim(
    claim: SessionClaim,
    options: { readonly window: number; readonly revision?: number },
  ): Maybe<{ readonly revision: number } | undefined>;
  /** Ends the claim of a session that is over. False: it was no longer this node's. */
  release(session: string, revision: number): Maybe<boolean>;
  /** The node that has a session. */
  locate(session: string): Maybe<{ readonly node: string } | undefined>;
  /** Calls `listener` when `node` has claimed a session of this one. It may be late. */
  onLost(listener: (session: string, revision: number, node: string) => void): void;
}
