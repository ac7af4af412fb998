/**
 * Options of a peer.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import type { Address } from "./address.ts";
import type { PeerError } from "./errors.ts";
import type { PeerId, PeerIdentity } from "./identity.ts";
import type { PeerConnection } from "./peer_connection.ts";
import type { DatagramSocket, Signalling } from "./ports.ts";
import type { UdpOptions } from "./udp_socket.ts";

/** Options of a peer. */
export interface PeerNodeOptions {
  readonly identity: PeerIdentity;
  readonly signalling: Signalling;
  /** Whether a peer that calls is let in. @default all that the service lets through */
  readonly accept?: (peer: PeerId) => boolean | Promise<boolean>;
  /**
   * Milliseconds without a connection after which a peer that this side calls is given up: `ready()` rejects with PeerError
   * `gave_up`, and the state is `disconnected`. `connect` begins anew. Infinity: it is called until `close()`.
   * @default 3600000, an hour
   */
  readonly patience?: number;
  /** Whether a caller may have a connection that never changes its path (`PeerConnectOptions`). @default true */
  readonly fastLane?: boolean;
  /** A peer has called, and has proved who it is. */
  readonly onIncoming?: (connection: PeerConnection) => void;
  /** Told of what went wrong with one peer or server; nothing of it has to be handled. */
  readonly onError?: (error: PeerError, context: { readonly peer?: PeerId; readonly stage: string }) => void;
  /** A peer has proved who it is; `addresses`: where it takes signals without the service. */
  readonly onMet?: (peer: PeerId, addresses: readonly Address[]) => void;
  /** The TCP port on which this side takes signals without the service: peers are told of it. @default none */
  readonly signalPort?: number | undefined;
  /** IP addresses of this machine. @default those of its interfaces */
  readonly interfaces?: () => readonly string[];
  /** Certificate authorities in PEM to trust for TURN over TLS besides the runtime's. */
  readonly caCerts?: readonly string[];
  /** Opens the sockets that other peers are reached from. @default UDP sockets of the runtime */
  readonly openSocket?: (options: UdpOptions) => DatagramSocket;
  /** @default the runtime's */
  readonly clock?: Clock;
  /** 0 to 1. @default Math.random */
  readonly random?: () => number;
}

/** How a peer is connected to. */
export interface PeerConnectOptions {
  /**
   * Gives the connection a UDP socket of its own, where the peer agrees and a path without a relay is found: two to three
   * times the throughput, but it cannot move to another path. Once it is lost, the next one is on the shared socket. For
   * machines that stay where they are. @default false
   */
  readonly fastLane?: boolean;
}
