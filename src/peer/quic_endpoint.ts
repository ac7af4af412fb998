/**
 * The QUIC side of all peers: one listener and one client endpoint, both on loopback, where each peer is a link. The
 * listener's certificate is pinned by the hash that its peer has signed; the dialling side, which has no certificate,
 * proves itself on the first stream.
 *
 * @module
 */

import { deadline } from "../async/deadline.ts";
import {
  type AuthenticationResult,
  certificateHash,
  type ClientEndpoint,
  connect,
  type Connection,
  createEndpoint,
  listen,
  type Listener,
  PRIORITY,
  selfSignedCertificate,
} from "../quic/mod.ts";
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { PeerError } from "./errors.ts";
import { checkProof, isPeerId, type PeerId, type PeerIdentity } from "./identity.ts";
import { LOOPBACK, type PeerLink } from "./link.ts";

/** The ALPN of peers. */
const PEER_ALPN = "skein-peer/1";
/** A connection without a path dies after this many ms; until then the path may come back or another be found. */
const IDLE_TIMEOUT = 30_000;
/** The dialling side keeps NATs and the connection alive: most NATs forget UDP after 30 s. */
const KEEP_ALIVE = 5_000;
/** Streams of the peer at once. */
const MAX_STREAMS = 256;
/** Milliseconds for the QUIC handshake, and for the proof. */
const HANDSHAKE_TIMEOUT = 10_000;
const PROOF_TIMEOUT = 5_000;
/** A certificate lives 13 days; new connections get another one after this many ms. */
const RENEW_AFTER = 6 * 86_400_000;
/** What the listening side says when the proof is good. */
const WELCOME = 1;
const NEWLINE = 10;

/** Who is expected on a link. */
interface Expected {
  readonly link: PeerLink;
  readonly peer: PeerId;
  readonly challenge: string;
  readonly certificate: string;
  readonly onConnection: (connection: Connection) => void;
}

/** The listening peer, as it has introduced itself. */
export interface ListeningPeer {
  readonly peer: PeerId;
  readonly certificate: string;
  readonly challenge: string;
}

/** Makes connections over links. */
export class PeerEndpoint {
  readonly #identity: PeerIdentity;
  readonly #listener: Listener;
  readonly #client: ClientEndpoint;
  /** By port of the link. */
  readonly #expected = new Map<number, Expected>();
  #certificate: string;
  #madeAt: number;

  private constructor(identity: PeerIdentity, cert: { cert: string; key: string; hash: string }) {
    this.#identity = identity;
    this.#certificate = cert.hash;
    this.#madeAt = Date.now();
    this.#client = createEndpoint({ hostname: LOOPBACK });
    this.#listener = listen({
      hostname: LOOPBACK,
      cert: cert.cert,
      key: cert.key,
      alpn: [PEER_ALPN],
      maxIdleTimeout: IDLE_TIMEOUT,
      maxBidirectionalStreams: MAX_STREAMS,
      maxUnidirectionalStreams: MAX_STREAMS,
      // Other programs of this machine reach a port on loopback too.
      admitAddress: ({ hostname, port }) => hostname === LOOPBACK && this.#expected.has(port),
      authenticator: {
        firstBytes: (bytes, connection) => this.#authenticate(bytes, connection),
      },
    });
    void this.#accept();
  }

  /** Binds both endpoints. Throws what Deno throws when that fails. */
  static async open(identity: PeerIdentity): Promise<PeerEndpoint> {
    return new PeerEndpoint(identity, await makeCertificate());
  }

  /** The hash of the certificate that new connections get. */
  async certificate(): Promise<string> {
    if (Date.now() - this.#madeAt > RENEW_AFTER) {
      const { cert, key, hash } = await makeCertificate();
      this.#listener.setCertificate(cert, key);
      this.#certificate = hash;
      this.#madeAt = Date.now();
    }
    return this.#certificate;
  }

  /** Waits for a peer on its link. Returns a function that stops it. */
  expect(expected: Expected): () => void {
    const { port } = expected.link.address;
    expected.link.attach(this.#listener.address);
    this.#expected.set(port, expected);
    return () => void this.#expected.delete(port);
  }

  /** Dials a peer over its link. Rejects with PeerError `connection_lost` or `authentication_failed`. */
  async dial(link: PeerLink, to: ListeningPeer, signal: AbortSignal): Promise<Connection> {
    link.attach(this.#client.address);
    let connection: Connection;
    try {
      connection = await connect(link.address, {
        endpoint: this.#client,
        alpn: PEER_ALPN,
        serverCertificateHashes: [decodeBase64Url(to.certificate)],
        timeout: HANDSHAKE_TIMEOUT,
        maxIdleTimeout: IDLE_TIMEOUT,
        keepAliveInterval: KEEP_ALIVE,
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
      await deadline(this.#prove(connection, to), PROOF_TIMEOUT, late, { signal });
      return connection;
    } catch (cause) {
      void connection.close();
      signal.throwIfAborted();
      throw cause instanceof PeerError
        ? cause
        : new PeerError("connection_lost", (cause as Error).message, { cause });
    }
  }

  async #prove(connection: Connection, { peer, certificate, challenge }: ListeningPeer): Promise<void> {
    const signature = await this.#identity.prove(peer, certificate, challenge);
    const stream = await connection.openBidirectionalStream({ priority: PRIORITY.CRITICAL });
    const proof = JSON.stringify({ peer: this.#identity.id, signature });
    await stream.write(new TextEncoder().encode(`${proof}\n`));
    await stream.end();
    const [welcome] = await stream.readExact(1);
    stream.cancel();
    if (welcome !== WELCOME) throw new PeerError("authentication_failed");
  }

  async #authenticate(bytes: Uint8Array, connection: Connection): Promise<AuthenticationResult | "more"> {
    const end = bytes.indexOf(NEWLINE);
    if (end < 0) return "more";
    const expected = this.#expected.get(connection.remoteAddress?.port ?? -1);
    if (expected === undefined) return { accept: false };
    try {
      const { peer, signature } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
      if (!isPeerId(peer) || peer !== expected.peer || typeof signature !== "string") {
        return { accept: false };
      }
      const { certificate, challenge } = expected;
      await checkProof(peer, this.#identity.id, { signature, certificate, challenge });
    } catch {
      return { accept: false };
    }
    // A proof counts once: the challenge is not asked again.
    this.#expected.delete(expected.link.address.port);
    return { accept: true, principal: expected, consumed: end + 1 };
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener.connections) {
      void this.#welcome(connection, connection.principal as Expected);
    }
  }

  async #welcome(connection: Connection, { onConnection }: Expected): Promise<void> {
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

  /** Ends every connection. */
  async close(): Promise<void> {
    await this.#listener.close();
    this.#client.close();
  }
}

async function makeCertificate(): Promise<{ cert: string; key: string; hash: string }> {
  const made = await selfSignedCertificate({ names: [LOOPBACK], commonName: "Skein peer" });
  return { ...made, hash: encodeBase64Url(await certificateHash(made.cert)) };
}
