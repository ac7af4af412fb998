/**
 * How two peers prove themselves to each other on a QUIC connection, whichever lane it is on. The listener's certificate
 * is pinned by the hash that its peer has signed; the dialling side, which has no certificate, signs a challenge and
 * sends that on the first stream.
 *
 * @module
 */

import { deadline } from "../async/deadline.ts";
import {
  type AuthenticationResult,
  type Authenticator,
  certificateHash,
  type ClientEndpoint,
  connect,
  type Connection,
  PRIORITY,
  selfSignedCertificate,
} from "../quic/mod.ts";
import type { Address } from "./address.ts";
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { PeerError } from "./errors.ts";
import { checkProof, isPeerId, type PeerId, type PeerIdentity } from "./identity.ts";

/** The ALPN of peers. */
const PEER_ALPN = "skein-peer/1";
/** Streams of the peer at once. */
const MAX_STREAMS = 256;
/** Milliseconds for the QUIC handshake, and for the proof. */
const HANDSHAKE_TIMEOUT = 10_000;
const PROOF_TIMEOUT = 5_000;
/** What the listening side says when the proof is good. */
const WELCOME = 1;
const NEWLINE = 10;

/** A certificate to listen with, its key in PEM, and its hash as introductions have it. */
export interface PeerCertificate {
  readonly cert: string;
  readonly key: string;
  readonly hash: string;
}

/** Makes a certificate, good for 13 days. */
export async function makeCertificate(): Promise<PeerCertificate> {
  const made = await selfSignedCertificate({ names: ["127.0.0.1"], commonName: "Skein peer" });
  return { ...made, hash: encodeBase64Url(await certificateHash(made.cert)) };
}

/** Who is expected to dial. */
export interface Expected {
  readonly peer: PeerId;
  readonly challenge: string;
  /** The hash of the certificate that this side listens with. */
  readonly certificate: string;
  readonly onConnection: (connection: Connection) => void;
}

/** What every listener for peers has in common. */
export const LISTEN_OPTIONS = {
  alpn: [PEER_ALPN],
  maxBidirectionalStreams: MAX_STREAMS,
  maxUnidirectionalStreams: MAX_STREAMS,
} as const;

/** The listening peer, as it has introduced itself. */
export interface ListeningPeer {
  readonly peer: PeerId;
  readonly certificate: string;
  readonly challenge: string;
}

/** How a peer is dialled. */
export interface PeerDial {
  readonly endpoint: ClientEndpoint;
  readonly identity: PeerIdentity;
  readonly to: ListeningPeer;
  readonly signal: AbortSignal;
  /** Milliseconds without a packet after which the connection is dead, and between packets that keep it alive. */
  readonly maxIdleTimeout: number;
  readonly keepAliveInterval: number;
}

/** Dials a peer and proves who we are. Rejects with PeerError `connection_lost` or `authentication_failed`. */
export async function dialPeer(address: Address, dial: PeerDial): Promise<Connection> {
  const { endpoint, to, signal, maxIdleTimeout, keepAliveInterval } = dial;
  let connection: Connection;
  try {
    connection = await connect(address, {
      endpoint,
      alpn: PEER_ALPN,
      serverCertificateHashes: [decodeBase64Url(to.certificate)],
      timeout: HANDSHAKE_TIMEOUT,
      maxIdleTimeout,
      keepAliveInterval,
      maxBidirectionalStreams: MAX_STREAMS,
      maxUnidirectionalStreams: MAX_STREAMS,
      signal,
    });
  } catch (cause) {
    signal.throwIfAborted();
    const forged = /certificate/i.test((cause as Error).message);
    throw new PeerError(forged ? "authentication_failed" : "connection_lost", (cause as Error).message, {
      cause,
    });
  }
  try {
    const late = (): PeerError => new PeerError("connection_lost", `no welcome within ${PROOF_TIMEOUT} ms`);
    await deadline(prove(connection, dial), PROOF_TIMEOUT, late, { signal });
    return connection;
  } catch (cause) {
    void connection.close();
    signal.throwIfAborted();
    throw cause instanceof PeerError
      ? cause
      : new PeerError("connection_lost", (cause as Error).message, { cause });
  }
}

async function prove(connection: Connection, { identity, to }: PeerDial): Promise<void> {
  const signature = await identity.prove(to.peer, to.certificate, to.challenge);
  const stream = await connection.openBidirectionalStream({ priority: PRIORITY.CRITICAL });
  const proof = JSON.stringify({ peer: identity.id, signature });
  await stream.write(new TextEncoder().encode(`${proof}\n`));
  await stream.end();
  const [welcome] = await stream.readExact(1);
  stream.cancel();
  if (welcome !== WELCOME) throw new PeerError("authentication_failed");
}

/**
 * Lets in who proves to be the peer that is expected. The connection's principal is the `Expected`.
 *
 * @param expectedOn Who is expected on a connection; undefined: nobody.
 * @param proved Called once for each proof that is good: it must not count again.
 */
export function proofAuthenticator<T extends Expected>(
  own: PeerId,
  expectedOn: (connection: Connection) => T | undefined,
  proved: (expected: T) => void,
): Authenticator {
  const authenticate = async (
    bytes: Uint8Array,
    connection: Connection,
  ): Promise<AuthenticationResult | "more"> => {
    const end = bytes.indexOf(NEWLINE);
    if (end < 0) return "more";
    const expected = expectedOn(connection);
    if (expected === undefined) return { accept: false };
    try {
      const { peer, signature } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
      if (!isPeerId(peer) || peer !== expected.peer || typeof signature !== "string") {
        return { accept: false };
      }
      const { certificate, challenge } = expected;
      await checkProof(peer, own, { signature, certificate, challenge });
    } catch {
      return { accept: false };
    }
    proved(expected);
    return { accept: true, principal: expected, consumed: end + 1 };
  };
  return { firstBytes: authenticate };
}

/** Tells the dialling peer that its proof is good, and hands the connection out. Never rejects. */
export async function welcome(connection: Connection): Promise<void> {
  const { onConnection } = connection.principal as Expected;
  try {
    const { value: stream } = await connection.incomingBidirectionalStreams[Symbol.asyncIterator]().next();
    await stream?.write(Uint8Array.of(WELCOME));
    await stream?.end();
    stream?.cancel();
    onConnection(connection);
  } catch {
    void connection.close();
  }
}
