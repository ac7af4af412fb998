/**
 * The fast lane: a UDP socket of its own for one connection. A path is punched from it, then the QUIC endpoint takes its
 * port, so packets pass no multiplexer. The price: the connection cannot move to another path.
 *
 * @module
 */

import { delay } from "../async/deadline.ts";
import { type Connection, createEndpoint, listen } from "../quic/mod.ts";
import { sameAddress } from "./address.ts";
import { PeerError } from "./errors.ts";
import type { IceAgent } from "./ice_agent.ts";
import type { PeerIdentity } from "./identity.ts";
import { Multiplexer } from "./multiplexer.ts";
import type { Path } from "./path.ts";
import type { Clock, DatagramSocket } from "./ports.ts";
import {
  dialPeer,
  type Expected,
  LISTEN_OPTIONS,
  type ListeningPeer,
  type PeerCertificate,
  proofAuthenticator,
  welcome,
} from "./proof.ts";

/** Nothing else notices that the path is dead, so the connection is given up sooner than one that could move. */
const IDLE_TIMEOUT = 10_000;
const KEEP_ALIVE = 2_500;
/** The callee's answer to the nomination leaves before its socket is closed. */
const ANSWER_LEAVES = 5;
/** The caller's first packet must not come before the callee listens: QUIC sends it again only after a second. */
const CALLEE_BINDS = 30;

/** Options of a fast lane. */
export interface FastLaneOptions {
  /** Sockets of its own, one of each family. */
  readonly sockets: readonly DatagramSocket[];
  readonly clock: Clock;
  readonly identity: PeerIdentity;
}

/** One side of a fast lane. */
export class FastLane {
  /** For the checks; it ends when the QUIC endpoint takes its port. */
  readonly mux: Multiplexer;
  readonly #clock: Clock;
  readonly #identity: PeerIdentity;
  /** Ends the QUIC endpoint. */
  #stop: () => Promise<void> | void = () => {};
  #closing: Promise<void> | undefined;

  constructor({ sockets, clock, identity }: FastLaneOptions) {
    this.mux = new Multiplexer({ sockets, clock });
    this.#clock = clock;
    this.#identity = identity;
  }

  /**
   * Calls: tells the peer which path it is, and dials it there. Rejects with PeerError `connection_lost`,
   * `authentication_failed` or `closed`.
   */
  async dial(agent: IceAgent, path: Path, to: ListeningPeer, signal: AbortSignal): Promise<Connection> {
    await agent.nominate(path);
    await this.mux.close();
    // The runtime gives the port back in the next turn of the event loop, too.
    await delay(CALLEE_BINDS, { timers: this.#clock, signal });
    this.#checkOpen();
    const { hostname, port } = path.socket.address;
    const endpoint = createEndpoint({ hostname, port });
    this.#stop = () => endpoint.close();
    return await dialPeer(path.remote, {
      endpoint,
      identity: this.#identity,
      to,
      signal,
      maxIdleTimeout: IDLE_TIMEOUT,
      keepAliveInterval: KEEP_ALIVE,
    });
  }

  /**
   * Is called: listens on the nominated path for the one peer, until `close`. Rejects with what Deno says when the port
   * cannot be bound again, and with PeerError `closed`.
   */
  async listen(path: Path, certificate: PeerCertificate, expected: Expected): Promise<void> {
    await delay(ANSWER_LEAVES, { timers: this.#clock });
    await this.mux.close();
    // The runtime gives the port back in the next turn of the event loop.
    await delay(0, { timers: this.#clock });
    this.#checkOpen();
    let proven = false;
    const listener = listen({
      ...LISTEN_OPTIONS,
      ...path.socket.address,
      cert: certificate.cert,
      key: certificate.key,
      maxIdleTimeout: IDLE_TIMEOUT,
      maxConnections: 4,
      // The port is open to whoever the NAT lets in.
      admitAddress: (from) => sameAddress(from, path.remote),
      authenticator: proofAuthenticator(
        this.#identity.id,
        () => proven ? undefined : expected,
        () => proven = true,
      ),
    });
    this.#stop = () => listener.close();
    const accept = async (): Promise<void> => {
      for await (const connection of listener.connections) void welcome(connection);
    };
    void accept();
  }

  /** Ends it. Resolves when nothing of it is under way any more. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await Promise.all([this.#stop(), this.mux.close()]);
  }

  /** Throws PeerError `closed` when it was ended while the port changed hands. */
  #checkOpen(): void {
    if (this.#closing !== undefined) throw new PeerError("closed");
  }
}
