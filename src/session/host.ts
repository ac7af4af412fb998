/**
 * What the connections of a node share.
 *
 * @module
 */

import type { Principal } from "../protocol/mod.ts";
import type { Context } from "../router/types.ts";
import type { TransportClose } from "../transport/contract.ts";
import type { ClientConnection } from "./connection.ts";
import type { Authenticator, Membership, Observer, SessionSettings } from "./contract.ts";
import type { RateLimit } from "./limits.ts";

/** What connections share. */
export interface Host {
  readonly settings: SessionSettings;
  readonly authenticator: Authenticator;
  readonly membership: Membership;
  readonly observer: Observer;
  /** The name of this node, told to clients. */
  readonly node: string;
  dispatch(context: Context): void | Promise<void>;
  /** Gives the connection its session: the one to resume, when it is the user's, or a new one. `undo`: it failed. */
  claim(
    connection: ClientConnection,
    principal: Principal,
    resume: string | undefined,
  ): { sessionId: string; resumed: boolean; undo(): void };
  /** The bucket of the user's rate. */
  userRate(userId: string): RateLimit;
  /** The connection has ended. */
  ended(connection: ClientConnection, info: TransportClose): void;
}
