/**
 * `peer_announce` and what peers say to each other through the service: `peer_offer`, `peer_answer`, `peer_candidate`,
 * `peer_close`. Also `peer_relay_credentials` and `peer_report`.
 *
 * @module
 */

import * as v from "valibot";
import {
  base64url,
  flag,
  integer,
  number,
  type Schema,
  type Schemas,
  shape,
  text,
  token,
  userIdField,
} from "./fields.ts";

/** Most addresses in one message. */
const MAX_CANDIDATES = 32;
/** Longest wait that is reported, in milliseconds. */
const MAX_WAIT = 600_000;

/** Says which peer this session is, and proves it. */
export interface PeerAnnounce {
  /** The peer's id: its Ed25519 public key in base64url. */
  peer: string;
  /** Its signature of `skein-peer/1 announce`, the id and the session id, a line each; base64url. */
  signature: string;
}

/** The announcement was taken. */
export type PeerAnnounced = Record<never, never>;

/** An address a peer may be reached at. */
export interface PeerCandidate {
  kind: "host" | "reflexive" | "relayed";
  /** IPv4 or IPv6 as text; between browsers also a name of multicast DNS that hides it. */
  hostname: string;
  port: number;
}

/** How a NAT behaves (RFC 5780). */
export interface PeerNat {
  mapping: PeerDependence;
  filtering: PeerDependence;
}

/** What a NAT's mapping or filter depends on. */
export type PeerDependence = "none" | "endpoint_independent" | "address" | "address_and_port" | "unknown";

/** How to reach a peer, signed by it. All texts but the addresses are base64url. */
export interface PeerIntroduction {
  /** Names the connection that is being made. */
  connection: string;
  fragment: string;
  password: string;
  /** SHA-256 of its certificate. */
  certificate: string;
  challenge: string;
  candidates: PeerCandidate[];
  nat?: PeerNat;
  /** The TCP port on which it takes signals without the service. */
  signalPort?: number;
  /** `fast`: asks for a connection that never changes its path, or agrees to that. `webrtc`: for one between browsers. */
  lane?: "fast" | "webrtc";
  signature: string;
}

/** What is addressed to a peer. */
export interface PeerAddressed {
  /** The id of the peer it is for. */
  to: string;
}

/** What was sent by a peer. */
export interface PeerSender {
  /** The id of the peer it is from. */
  from: string;
  /** The user whose session that is. */
  userId: string;
}

/** Asks for a connection, or between browsers for another path of one that lives. */
export interface PeerOffer extends PeerIntroduction, PeerAddressed {
  /** For another path: the challenge of the receiver's introduction for the connection. */
  answers?: string;
}

/** Agrees to a connection. */
export interface PeerAnswer extends PeerIntroduction, PeerAddressed {
  /** The challenge of the offer. */
  answers: string;
}

/** More addresses of the sender. */
export interface PeerCandidates extends PeerAddressed {
  connection: string;
  candidates: PeerCandidate[];
  /** The addresses told before no longer hold. @default false */
  replace?: boolean;
}

/** Ends or refuses a connection. */
export interface PeerClose extends PeerAddressed {
  connection: string;
  reason: string;
}

/** A signal was passed on. */
export type PeerSent = Record<never, never>;

/** Asks for the servers that help peers to meet. */
export type PeerRelayCredentials = Record<never, never>;

/** The servers. */
export interface PeerRelayCredentialsResponse {
  /** URLs of STUN servers. */
  stun: string[];
  turn: { url: string; username: string; credential: string }[];
  /** Milliseconds the credentials are good for. */
  expiresIn: number;
}

/** What became of an attempt to connect to a peer. */
export interface PeerReport {
  outcome: "connected" | "failed";
  /** The path that was found; `none` when it failed. */
  path: "direct" | "punched" | "relayed" | "none";
  /** Milliseconds it took. */
  duration: number;
}

/** A signal as it is delivered. */
export type PeerSignal<T extends PeerAddressed> = Omit<T, "to"> & PeerSender;

const peerId = (): Schema<string> => base64url(43, 43);
const dependence = (): Schema<PeerDependence> =>
  v.picklist(
    ["none", "endpoint_independent", "address", "address_and_port", "unknown"],
    "none, endpoint_independent, address, address_and_port or unknown",
  );

/** Browsers hide the addresses of their interfaces behind a name that only lives in the local network. */
const HOSTNAME = /^(?:[0-9a-fA-F:.]{2,45}|[0-9a-f-]{36}\.local)$/;

const candidate = shape({
  kind: v.picklist(["host", "reflexive", "relayed"], "host, reflexive or relayed"),
  hostname: v.pipe(v.string("an IP address"), v.regex(HOSTNAME, "an IP address")),
  port: integer(1, 65535),
});
const candidates = () =>
  v.pipe(v.array(candidate, "an array"), v.maxLength(MAX_CANDIDATES, `at most ${MAX_CANDIDATES} candidates`));

const connection = () => base64url(16, 64);
const INTRODUCTION = {
  connection: connection(),
  fragment: base64url(4, 64),
  password: base64url(22, 128),
  certificate: base64url(43, 43),
  challenge: base64url(43, 43),
  candidates: candidates(),
  nat: v.exactOptional(shape({ mapping: dependence(), filtering: dependence() })),
  signalPort: v.exactOptional(integer(1, 65535)),
  lane: v.exactOptional(v.picklist(["fast", "webrtc"], "fast or webrtc")),
  signature: base64url(86, 86),
} as const;
const OFFER = { ...INTRODUCTION, answers: v.exactOptional(base64url(43, 43)) } as const;
const ANSWER = { ...INTRODUCTION, answers: base64url(43, 43) } as const;
const CANDIDATES = {
  connection: connection(),
  candidates: candidates(),
  replace: v.exactOptional(flag()),
} as const;
const CLOSE = { connection: connection(), reason: text(200) } as const;
const TO = { to: peerId() } as const;
const FROM = { from: peerId(), userId: userIdField() } as const;

/** What a client sends. */
export interface PeerClientPayloads {
  peer_announce: PeerAnnounce;
  peer_offer: PeerOffer;
  peer_answer: PeerAnswer;
  peer_candidate: PeerCandidates;
  peer_close: PeerClose;
  peer_relay_credentials: PeerRelayCredentials;
  peer_report: PeerReport;
}

/** Its schemas. */
export const PEER_CLIENT: Schemas<PeerClientPayloads> = {
  peer_announce: shape({ peer: peerId(), signature: base64url(86, 86) }),
  peer_offer: shape({ ...OFFER, ...TO }),
  peer_answer: shape({ ...ANSWER, ...TO }),
  peer_candidate: shape({ ...CANDIDATES, ...TO }),
  peer_close: shape({ ...CLOSE, ...TO }),
  peer_relay_credentials: shape({}),
  peer_report: shape({
    outcome: v.picklist(["connected", "failed"], "connected or failed"),
    path: v.picklist(["direct", "punched", "relayed", "none"], "direct, punched, relayed or none"),
    duration: number(0, MAX_WAIT),
  }),
};

/** What a server sends. */
export interface PeerServerPayloads {
  peer_announced: PeerAnnounced;
  peer_offer: PeerSignal<PeerOffer>;
  peer_answer: PeerSignal<PeerAnswer>;
  peer_candidate: PeerSignal<PeerCandidates>;
  peer_close: PeerSignal<PeerClose>;
  peer_sent: PeerSent;
  peer_relay_credentials_response: PeerRelayCredentialsResponse;
}

/** Its schemas. */
export const PEER_SERVER: Schemas<PeerServerPayloads> = {
  peer_announced: shape({}),
  peer_offer: shape({ ...OFFER, ...FROM }),
  peer_answer: shape({ ...ANSWER, ...FROM }),
  peer_candidate: shape({ ...CANDIDATES, ...FROM }),
  peer_close: shape({ ...CLOSE, ...FROM }),
  peer_sent: shape({}),
  peer_relay_credentials_response: shape({
    stun: v.array(text(300), "an array"),
    turn: v.array(shape({ url: text(300), username: text(300), credential: token(300) }), "an array"),
    expiresIn: integer(0),
  }),
};
