/**
 * The QUIC side of all peers on the multiplexer: one listener and one client endpoint, both on loopback, where each peer
 * is a link.
 *
 * @module
 */

import { type ClientEndpoint, type Connection, createEndpoint, listen, type Listener } from "../quic/mod.ts";
import type { PeerIdentity } from "./identity.ts";
import { LOOPBACK, type PeerLink } from "./link.ts";
import {
  dialPeer,
  type Expected,
  LISTEN_OPTIONS,
  type ListeningPeer,
  makeCertificate,
  type PeerCertificate,
  proofAuthenticator,
  welcome,
} from "./proof.ts";

/** A connection without a path dies after this many ms; until then the path may come back or another be found. */
const IDLE_TIMEOUT = 30_000;
/** The dialling side keeps NATs and the connection alive: most NATs forget UDP after 30 s. */
const KEEP_ALIVE = 5_000;
/** A certificate lives 13 days; new connections get another one after this many ms. */
const RENEW_AFTER = 6 * 86_400_000;

/** Who is expected on a link. */
interface ExpectedOnLink extends Expected {
  readonly link: PeerLink;
}

/** Makes connections over links. */
export class PeerEndpoint {
  readonly #identity: PeerIdentity;
  readonly #listener: Listener;
  readonly #client: ClientEndpoint;
  /** By port of the link. */
  readonly #expected = new Map<number, ExpectedOnLink>();
  #certificate: PeerCertificate;
  #madeAt: number;

  private constructor(identity: PeerIdentity, certificate: PeerCertificate) {
    this.#identity = identity;
    this.#certificate = certificate;
    this.#madeAt = Date.now();
    this.#client = createEndpoint({ hostname: LOOPBACK });
    this.#listener = listen({
      ...LISTEN_OPTIONS,
      hostname: LOOPBACK,
      cert: certificate.cert,
      key: certificate.key,
      maxIdleTimeout: IDLE_TIMEOUT,
      // Other programs of this machine reach a port on loopback too.
      admitAddress: ({ hostname, port }) => hostname === LOOPBACK && this.#expected.has(port),
      authenticator: proofAuthenticator(
        identity.id,
        ({ remoteAddress }) => this.#expected.get(remoteAddress?.port ?? -1),
        ({ link }) => this.#expected.delete(link.address.port),
      ),
    });
    void this.#accept();
  }

  /** Binds both endpoints. Throws what Deno throws when that fails. */
  static async open(identity: PeerIdentity): Promise<PeerEndpoint> {
    return new PeerEndpoint(identity, await makeCertificate());
  }

  /** The certificate that new connections get. */
  async certificate(): Promise<PeerCertificate> {
    if (Date.now() - this.#madeAt > RENEW_AFTER) {
      const made = await makeCertificate();
      this.#listener.setCertificate(made.cert, made.key);
      this.#certificate = made;
      this.#madeAt = Date.now();
    }
    return this.#certificate;
  }

  /** Waits for a peer on its link. Returns a function that stops it. */
  expect(link: PeerLink, expected: Expected): () => void {
    const { port } = link.address;
    const onLink = { ...expected, link };
    link.attach(this.#listener.address);
    this.#expected.set(port, onLink);
    return () => {
      if (this.#expected.get(port) === onLink) this.#expected.delete(port);
    };
  }

  /** Dials a peer over its link. Rejects with PeerError `connection_lost` or `authentication_failed`. */
  dial(link: PeerLink, to: ListeningPeer, signal: AbortSignal): Promise<Connection> {
    link.attach(this.#client.address);
    return dialPeer(link.address, {
      endpoint: this.#client,
      identity: this.#identity,
      to,
      signal,
      maxIdleTimeout: IDLE_TIMEOUT,
      keepAliveInterval: KEEP_ALIVE,
    });
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener.connections) void welcome(connection);
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    await this.#listener.close();
    this.#client.close();
  }
}
