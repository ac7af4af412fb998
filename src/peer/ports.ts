/**
 * What the peer needs of the world. Tests bring their own.
 *
 * @module
 */

import type { Address } from "./address.ts";
import type { NatBehaviour } from "./nat.ts";

export type { Clock } from "../async/clock.ts";

/** Takes one datagram. `bytes` may be kept only until the promise of a `send` of them has settled. */
export type DatagramListener = (bytes: Uint8Array, from: Address) => Promise<void> | void;

/** Where datagrams are sent from: a UDP socket, or the relayed address of a TURN allocation. */
export interface DatagramSocket {
  /** Where it is bound. */
  readonly address: Address;
  /**
   * Sends one datagram, or drops it when too many are on their way. Settles when `bytes` may be changed; never rejects,
   * because a datagram may be lost anyway.
   */
  send(bytes: Uint8Array, to: Address): Promise<void> | void;
  /** One listener. */
  onDatagram(listener: DatagramListener): void;
  /** Ends it; a promise resolves when nothing of it is under way any more. */
  close(): Promise<void> | void;
}

/** A TURN server, with credentials for it. */
export interface RelayServer {
  /** `turn:host:port?transport=udp`, `...?transport=tcp`, `turns:host:port` (RFC 7065). */
  readonly url: string;
  readonly username: string;
  readonly credential: string;
}

/** The servers that help peers to meet. */
export interface MeetingServers {
  /** `stun:host:port` (RFC 7064). */
  readonly stun: readonly string[];
  readonly turn: readonly RelayServer[];
  /** Milliseconds the credentials are good for. */
  readonly expiresIn: number;
}

/** What one peer says to another through the service. */
export type Signal = OfferSignal | AnswerSignal | CandidateSignal | CloseSignal;

/** An address a peer may be reached at. */
export interface Candidate {
  readonly kind: "host" | "reflexive" | "relayed";
  readonly address: Address;
}

/** How to reach a peer, and what proves that it says so. Bytes are base64url. */
export interface Introduction {
  /** Names the connection that is being made, the same in all its signals: 22 characters. */
  readonly connection: string;
  /** The ICE user name fragment and password of this side (RFC 8445 §5.3). */
  readonly fragment: string;
  readonly password: string;
  /** SHA-256 of the certificate this side listens with. */
  readonly certificate: string;
  /** 32 random bytes that the other side signs to prove that it is there now. */
  readonly challenge: string;
  readonly candidates: readonly Candidate[];
  /** What this side knows of its NAT, so that both decide the same about the relay. */
  readonly nat?: NatBehaviour;
  /** The TCP port on which this side takes signals without the service. Not signed: a wrong one leads to nobody. */
  readonly signalPort?: number;
  /**
   * `fast`: in an offer it asks for a connection that never changes its path, in an answer it agrees to that. `webrtc`:
   * the connection is one of WebRTC data channels, between browsers, and `certificate` that of DTLS.
   */
  readonly lane?: "fast" | "webrtc";
  /** The Ed25519 signature of all this by the sender's key, and of the two peer ids. */
  readonly signature: string;
}

/** Asks for a connection, or between browsers for another path of one that lives. */
export interface OfferSignal extends Introduction {
  readonly type: "offer";
  /** For another path: the challenge of the receiver's introduction for the connection. */
  readonly answers?: string;
}

/** Agrees to a connection. */
export interface AnswerSignal extends Introduction {
  readonly type: "answer";
  /** The challenge of the offer it answers. */
  readonly answers: string;
}

/** More addresses of the sender, found after its offer or answer. */
export interface CandidateSignal {
  readonly type: "candidate";
  readonly connection: string;
  readonly candidates: readonly Candidate[];
  /** The addresses told before no longer hold. @default false */
  readonly replace?: boolean;
}

/** Ends or refuses a connection. */
export interface CloseSignal {
  readonly type: "close";
  readonly connection: string;
  readonly reason: string;
}

/** How peers reach each other before there is a path: through the service. */
export interface Signalling {
  /** Rejects with PeerError `peer_unreachable` or `not_allowed`. */
  send(to: string, signal: Signal): Promise<void>;
  /** One listener. What it is given is not checked beyond its shape. */
  onSignal(listener: (from: string, signal: Signal) => void): void;
  /** The servers to use, with fresh credentials. */
  servers(): Promise<MeetingServers>;
}
