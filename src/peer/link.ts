/**
 * The loopback side of one peer: for the QUIC endpoint of this process the peer is a UDP socket on this machine.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import { type Address, sameAddress } from "./address.ts";
import { Hedge } from "./hedge.ts";
import type { IceAgent } from "./ice_agent.ts";
import type { Path } from "./path.ts";
import type { DatagramSocket } from "./ports.ts";
import { openUdpSocket, type UdpSocket } from "./udp_socket.ts";

/** Where QUIC endpoints of this process are bound, and their peers with them. */
export const LOOPBACK = "127.0.0.1";

/** One peer. */
export class PeerLink {
  readonly agent: IceAgent;
  /** Where this peer seems to be, for the QUIC endpoint. */
  readonly address: Address;
  /** Packets of the peer that came. A counter, because a clock costs more than the rest of the work on a packet. */
  packetsReceived = 0;
  /** Packets that were sent to the peer. */
  packetsSent = 0;
  readonly #hedge: Hedge<Path>;
  #path: Path | undefined;
  readonly #socket: UdpSocket;
  #heard: Pick<Path, "socket" | "remote"> | undefined;
  /** The QUIC endpoint that this link belongs to. */
  #endpoint: Address | undefined;

  /** @param clock For each packet: exact to a millisecond is enough. */
  constructor(agent: IceAgent, clock: Clock) {
    this.agent = agent;
    this.#hedge = new Hedge(clock, {
      onCopy: (bytes, { socket, remote }) => {
        void socket.send(bytes, remote);
      },
      onSilence: (second) => agent.tellSilence(second),
      onLeave: (path) => agent.leaveFor(path),
    });
    this.#socket = openUdpSocket({ hostname: LOOPBACK, buffers: 32 });
    this.address = this.#socket.address;
  }

  /** The path that packets to the peer take; undefined: none, they are dropped. */
  get path(): Path | undefined {
    return this.#path;
  }

  set path(path: Path | undefined) {
    this.#path = path;
    this.#hedge.moved(path);
  }

  /** The path in use answers again. */
  pathRevived(): void {
    if (this.#path !== undefined) this.#hedge.revived(this.#path);
  }

  /** The peer has said on `path` that it hears nothing. */
  peerHearsNothing(path: Path): void {
    this.#hedge.asked(path, this.#path, this.agent.paths);
  }

  /** Connects the link with a QUIC endpoint. Any program of this machine can send to it, so others are not heard. */
  attach(endpoint: Address): void {
    this.#endpoint = endpoint;
    this.#socket.onDatagram((bytes, from) => {
      if (!sameAddress(from, endpoint)) return;
      const path = this.#path ?? this.#heard;
      if (path === undefined) return;
      this.packetsSent++;
      const second = this.#path && this.#hedge.sends(this.#path, this.agent.paths, bytes);
      if (second === undefined) return path.socket.send(bytes, path.remote);
      return settled(path.socket.send(bytes, path.remote), second.socket.send(bytes, second.remote));
    });
  }

  /**
   * A packet of the peer came.
   *
   * @param from The listener's: it is copied.
   * @param path Undefined: from an address where it was not expected.
   */
  deliver(
    bytes: Uint8Array,
    socket: DatagramSocket,
    from: Address,
    path: Path | undefined,
  ): Promise<void> | void {
    if (this.#endpoint === undefined) return;
    this.#hedge.hears(path, this.#path);
    // The peer may be through with its checks before this side is: its packets are answered where they came from.
    if (this.#path === undefined) {
      this.#heard = { socket, remote: { hostname: from.hostname, port: from.port } };
    }
    this.packetsReceived++;
    return this.#socket.send(bytes, this.#endpoint);
  }

  /** Resolves when nothing of it is under way any more. */
  close(): Promise<void> {
    this.agent.close();
    this.#hedge.moved();
    return this.#socket.close();
  }
}

/** Two sends of the same bytes, which may be changed once both have settled. */
function settled(first: Promise<void> | void, second: Promise<void> | void): Promise<void> | void {
  if (first === undefined) return second;
  return second === undefined ? first : Promise.all([first, second]).then(() => {});
}
