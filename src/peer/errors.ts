/**
 * What goes wrong between peers, and what is done about it.
 *
 * @module
 */

/**
 * What follows an error:
 *
 * - `retry`: try again later, with growing pauses.
 * - `restart`: gather addresses anew and tell the peer; the QUIC connection goes on.
 * - `relay`: use a relayed path.
 * - `reconnect`: make a new QUIC connection with new keys.
 * - `resend`: ask for the damaged part again (NACK).
 * - `end`: give up, and tell a person.
 */
export type Recovery = "retry" | "restart" | "relay" | "reconnect" | "resend" | "end";

/** One table of errors: what follows, and a text for people when nothing else is said. */
export const PEER_ERRORS = {
  /** The peer is not connected to the service, or does not answer. */
  peer_unreachable: { recovery: "retry", text: "the peer is not reachable now" },
  /** The service allows no signalling with this peer. */
  not_allowed: { recovery: "end", text: "connections to this peer are not allowed" },
  /** A STUN or TURN server does not answer. */
  server_timeout: { recovery: "retry", text: "the STUN or TURN server does not answer" },
  /** A TURN server refuses. */
  relay_refused: { recovery: "retry", text: "the TURN server refuses" },
  /** No path between the peers: the service itself has to carry the data. */
  no_path: { recovery: "retry", text: "no path to the peer" },
  /** The address that a NAT shows of us or of the peer has changed. */
  mapping_changed: { recovery: "restart", text: "the NAT's mapping has changed" },
  /** Neither side can be reached directly. */
  symmetric_nat: { recovery: "relay", text: "the NATs allow no direct path" },
  /** A peer that was called was not connected for as long as `patience` says: it is not called any more. */
  gave_up: { recovery: "end", text: "the peer was away for too long" },
  /** The QUIC connection has ended. */
  connection_lost: { recovery: "reconnect", text: "the connection to the peer is lost" },
  /** A message does not have the checksum that was said. */
  corrupted: { recovery: "resend", text: "a message was damaged" },
  /** A key, a signature or a certificate is not that of the peer: somebody else may be in between. */
  authentication_failed: { recovery: "end", text: "the peer could not prove who it is" },
  /** A message of the peer does not fit the protocol. */
  bad_message: { recovery: "end", text: "a message of the peer is malformed" },
  /** It was closed on this side. */
  closed: { recovery: "end", text: "closed" },
} as const satisfies Record<string, { recovery: Recovery; text: string }>;

/** A code of the table. */
export type PeerErrorCode = keyof typeof PEER_ERRORS;

/** An error between peers. */
export class PeerError extends Error {
  override readonly name = "PeerError";
  /** What went wrong. */
  readonly code: PeerErrorCode;

  /** @param message For people. @default the table's text */
  constructor(code: PeerErrorCode, message: string = PEER_ERRORS[code].text, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** What is done about it. */
  get recovery(): Recovery {
    return PEER_ERRORS[this.code].recovery;
  }
}
