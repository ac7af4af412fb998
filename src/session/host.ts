/**
 * What a connection is given by its node.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import type { Maybe } from "../async/when.ts";
import type { Principal } from "../protocol/mod.ts";
import type { Context } from "../router/types.ts";
import type { TransportClose } from "../transport/contract.ts";
import type { Authenticator, Membership, Observer, SessionSettings } from "./contract.ts";
import type { Deflater } from "./deflate.ts";
import type { RateLimit } from "./rates.ts";

/** Where a connection stands. */
export type ConnectionPhase = "new" | "authenticating" | "open" | "closing" | "closed";

/** A session that a connection has claimed. */
export interface Claim {
  readonly sessionId: string;
  /**
   * `new`: none was to be resumed. `resumed`: it waited for its client. `replaced`: another connection still had it.
   * `moved`: it was on another node. `expired`: the one to be resumed is not there any more, and this is a new one.
   */
  readonly outcome: "new" | "resumed" | "replaced" | "moved" | "expired";
  /** Gives the session back, because the connection could not be attached to it. */
  undo(): void;
}

/** What one connection is given. */
export interface Host {
  readonly settings: SessionSettings;
  readonly authenticator: Authenticator;
  readonly membership: Membership;
  readonly observer: Observer;
  readonly clock: Clock;
  /** Compresses what all connections of the node are sent. */
  readonly deflater: Deflater;
  /** The name of this node, told to clients. */
  readonly node: string;
  dispatch(context: Context): void | Promise<void>;
  /**
   * Gives the connection the session `resume`, if it is the user's, or a new one. Throws or rejects with ProtocolError
   * `not_available` when the engine cannot be asked, and with CloseError when another connection was faster.
   */
  claim(principal: Principal, resume: string | undefined): Maybe<Claim>;
  /** The token was refreshed. */
  refreshed(principal: Principal): void;
  /** The rate that all connections of the user share. */
  userRate(userId: string): RateLimit;
  /** A handshake was malformed, or its token refused: it counts against the address. */
  badHandshake(): void;
  /** The connection has ended. */
  ended(info: TransportClose): void;
}
