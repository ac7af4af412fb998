/**
 * The loopback side of one peer: for the QUIC endpoint of this process the peer is a UDP socket on this machine.
 *
 * @module
 */

import { type Address, sameAddress } from "./address.ts";
import type { IceAgent } from "./ice_agent.ts";
import type { Path } from "./path.ts";
import type { DatagramSocket } from "./ports.ts";
import { openUdpSocket, type UdpSocket } from "./udp_socket.ts";

/** Where QUIC endpoints of this process are bound, and their peers with them. */
export const LOOPBACK = "127.0.0.1";

/** What a link has carried. */
export interface LinkStats {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Packets that came from the QUIC endpoint while there was no path. */
  readonly packetsWithoutPath: number;
}

/** One peer. */
export class PeerLink {
  readonly agent: IceAgent;
  /** Where this peer seems to be, for the QUIC endpoint. */
  readonly address: Address;
  /** The path that packets to the peer take; undefined: none, they are dropped. */
  path: Path | undefined;
  /** Packets of the peer that came. A counter, because a clock costs more than the rest of the work on a packet. */
  packetsReceived = 0;
  /** Packets that were sent to the peer. */
  packetsSent = 0;
  bytesSent = 0;
  bytesReceived = 0;
  packetsWithoutPath = 0;
  readonly #socket: UdpSocket;
  #heard: Pick<Path, "socket" | "remote"> | undefined;
  /** The QUIC endpoint that this link belongs to. */
  #endpoint: Address | undefined;

  constructor(agent: IceAgent) {
    this.agent = agent;
    this.#socket = openUdpSocket({ hostname: LOOPBACK, buffers: 32 });
    this.address = this.#socket.address;
  }

  /** Connects the link with a QUIC endpoint. Any program of this machine can send to it, so others are not heard. */
  attach(endpoint: Address): void {
    this.#endpoint = endpoint;
    this.#socket.onDatagram((bytes, from) => {
      if (!sameAddress(from, endpoint)) return;
      const path = this.path ?? this.#heard;
      if (path === undefined) {
        this.packetsWithoutPath++;
        return;
      }
      this.bytesSent += bytes.length;
      this.packetsSent++;
      return path.socket.send(bytes, path.remote);
    });
  }

  /** A packet of the peer came. @param from The listener's: it is copied. */
  deliver(bytes: Uint8Array, socket: DatagramSocket, from: Address): Promise<void> | void {
    if (this.#endpoint === undefined) return;
    // The peer may be through with its checks before this side is: its packets are answered where they came from.
    if (this.path === undefined) {
      this.#heard = { socket, remote: { hostname: from.hostname, port: from.port } };
    }
    this.bytesReceived += bytes.length;
    this.packetsReceived++;
    return this.#socket.send(bytes, this.#endpoint);
  }

  stats(): LinkStats {
    const { bytesSent, bytesReceived, packetsWithoutPath } = this;
    return { bytesSent, bytesReceived, packetsWithoutPath };
  }

  /** Resolves when nothing of it is under way any more. */
  close(): Promise<void> {
    this.agent.close();
    return this.#socket.close();
  }
}
