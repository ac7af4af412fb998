/**
 * What an ICE agent is told when it is made.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import type { Address } from "./address.ts";
import type { Pacer } from "./pacer.ts";
import type { Path } from "./path.ts";
import type { DatagramSocket } from "./ports.ts";
import type { PendingRequests } from "./stun/transactions.ts";

/** The ICE credentials of a side. */
export interface IceCredentials {
  readonly fragment: string;
  readonly password: string;
}

/** A socket that checks may leave from. */
export interface LocalSocket {
  readonly socket: DatagramSocket;
  /** A relayed address: whatever goes through it is a relayed path. */
  readonly relayed: boolean;
  /** Lets packets of an address in, before the first is sent, or `again`. @default nothing has to be done */
  readonly permit?: (address: Address, again?: boolean) => Promise<boolean>;
}

/** Options of an agent. */
export interface IceAgentOptions {
  readonly local: IceCredentials;
  readonly clock: Clock;
  /** Requests under way of all that share the sockets. */
  readonly pending: PendingRequests;
  /** Paces the checks of all that share the sockets. */
  readonly pacer: Pacer;
  /** The path in use has changed; undefined: there is none, the service has to carry the data. */
  readonly onPath: (path: Path | undefined) => void;
  /** The path in use does not answer, and there is no other. */
  readonly onStale?: () => void;
  /** The path in use did not answer a check, and now it does. */
  readonly onRevived?: () => void;
  /** A path exists from which packets of the peer may come; told again when the first check on it is answered. */
  readonly onCandidatePath?: (path: Path) => void;
  /** A path that was dead for long has given its place to another one. */
  readonly onForgotten?: (path: Path) => void;
  /** The peer has said on this path that it hears nothing. */
  readonly onSilence?: (path: Path) => void;
  /** The peer has chosen this path for good (RFC 8445 §8.1.1). Only the fast lane nominates. */
  readonly onNominated?: (path: Path) => void;
}
