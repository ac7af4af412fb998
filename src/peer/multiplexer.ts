/**
 * All peers of this process on one UDP socket of each family: STUN checks, and the QUIC packets of each peer, which go to
 * its link. `Deno.QuicEndpoint` owns its socket, so STUN could not share it; here the path under a QUIC connection may
 * change without QUIC seeing it.
 *
 * @module
 */

import { type Clock, coarseClock } from "../async/clock.ts";
import { type Address, familyOf } from "./address.ts";
import { ConnectionIds } from "./connection_ids.ts";
import type { IceAgent } from "./ice_agent.ts";
import type { LocalSocket } from "./ice_types.ts";
import { Pacer } from "./pacer.ts";
import { PeerLink } from "./link.ts";
import type { Path } from "./path.ts";
import type { DatagramSocket } from "./ports.ts";
import { checkedFragment, mappedAddress } from "./stun/attributes.ts";
import { hasFingerprint } from "./stun/integrity.ts";
import { type DecodedMessage, decodeStun, looksLikeStun } from "./stun/message.ts";
import { type PendingRequests, Transactions } from "./stun/transactions.ts";

/** Options of a multiplexer. */
export interface MultiplexerOptions {
  /** Sockets bound to all addresses, one of each family that this machine has. */
  readonly sockets: readonly DatagramSocket[];
  readonly clock: Clock;
}

/** How often it is looked whether packets leave and none come, in ms. */
const WATCH_INTERVAL = 100;
/** A path is doubted after this many ms of silence, or as many round trips. */
const SILENCE = { ms: 200, roundTrips: 3 } as const;

/** Where packets of a peer come from. */
interface Source {
  readonly link: PeerLink;
  readonly path: Path;
}

interface Watched {
  packetsSent: number;
  packetsReceived: number;
  /** Milliseconds in which packets left and none came. */
  silent: number;
}

/** The multiplexer. */
export class Multiplexer {
  readonly sockets: readonly DatagramSocket[];
  /** Requests under way: for the agents of this multiplexer's links. */
  readonly pending: PendingRequests = new Map();
  /** Paces their checks. */
  readonly pacer: Pacer = new Pacer();
  readonly #clock: Clock;
  /** For each packet. */
  readonly #coarseClock: Clock;
  readonly #transactions: Transactions;
  /** By local ICE fragment. */
  readonly #links = new Map<string, PeerLink>();
  /** By socket, then port, then address: what comes on the hot path. */
  readonly #sources = new Map<DatagramSocket, Map<number, Map<string, Source>>>();
  readonly #ids = new ConnectionIds<PeerLink>();
  readonly #relays = new Set<LocalSocket>();
  readonly #watched = new Map<PeerLink, Watched>();
  #cancelWatch: (() => void) | undefined;
  #closed = false;

  constructor({ sockets, clock }: MultiplexerOptions) {
    this.sockets = sockets;
    this.#clock = clock;
    this.#coarseClock = coarseClock(clock);
    this.#transactions = new Transactions(clock, this.pending);
    for (const socket of sockets) this.#listen(socket);
  }

  /** Adds a peer. Close the link to remove it. */
  add(agent: IceAgent): PeerLink {
    const link = new PeerLink(agent, this.#coarseClock);
    this.#links.set(agent.local.fragment, link);
    this.#watched.set(link, { packetsSent: 0, packetsReceived: 0, silent: 0 });
    for (const socket of this.sockets) agent.addSocket({ socket, relayed: false });
    for (const relay of this.#relays) agent.addSocket(relay);
    this.#cancelWatch ??= this.#clock.after(WATCH_INTERVAL, () => this.#watch());
    return link;
  }

  /** Removes a peer and closes its link. Resolves when nothing of it is under way any more. */
  remove(link: PeerLink): Promise<void> {
    const closed = link.close();
    this.#links.delete(link.agent.local.fragment);
    this.#watched.delete(link);
    this.#ids.delete(link);
    for (const ports of this.#sources.values()) {
      for (const [port, hosts] of ports) {
        for (const [hostname, source] of hosts) if (source.link === link) hosts.delete(hostname);
        if (hosts.size === 0) ports.delete(port);
      }
    }
    return closed;
  }

  /**
   * Packets of the peer may come on this path from now on. A peer may name any address as its own, so one that is
   * another's already is given to it only once a check has been answered from there.
   */
  expect(link: PeerLink, path: Path): void {
    const { socket, remote, confirmedAt } = path;
    const ports = this.#sources.get(socket) ?? new Map<number, Map<string, Source>>();
    this.#sources.set(socket, ports);
    const hosts = ports.get(remote.port) ?? new Map<string, Source>();
    ports.set(remote.port, hosts);
    if (confirmedAt !== undefined || !hosts.has(remote.hostname)) hosts.set(remote.hostname, { link, path });
  }

  /** Nothing is expected on this path any more. */
  forget(link: PeerLink, { socket, remote }: Path): void {
    const ports = this.#sources.get(socket), hosts = ports?.get(remote.port);
    if (hosts?.get(remote.hostname)?.link !== link) return;
    hosts.delete(remote.hostname);
    if (hosts.size === 0) ports!.delete(remote.port);
  }

  /** A relayed address, for all peers. */
  addRelay(relay: LocalSocket): void {
    this.#relays.add(relay);
    this.#listen(relay.socket);
    for (const { agent } of this.#links.values()) agent.addSocket(relay);
  }

  /** A relayed address has ended. */
  removeRelay(relay: LocalSocket): void {
    this.#relays.delete(relay);
    this.#sources.delete(relay.socket);
    for (const { agent } of this.#links.values()) agent.removeSocket(relay.socket);
  }

  /** Asks a STUN server for our address as it sees it. Rejects with PeerError `server_timeout`. */
  async reflexive(server: Address): Promise<Address | undefined> {
    const family = familyOf(server.hostname);
    const socket = this.sockets.find(({ address }) => familyOf(address.hostname) === family);
    if (socket === undefined) return undefined;
    const send = (bytes: Uint8Array): void => void socket.send(bytes, server);
    const answer = await this.#transactions.request({ method: "binding", attributes: () => [] }, send);
    return mappedAddress(answer);
  }

  /** The network has changed: all paths are checked. */
  recheck(): void {
    for (const { agent } of this.#links.values()) agent.recheck();
  }

  #listen(socket: DatagramSocket): void {
    let ports = this.#sources.get(socket);
    socket.onDatagram((bytes, from) => {
      if (looksLikeStun(bytes)) {
        const message = decodeStun(bytes);
        if (message !== undefined && hasFingerprint(message)) return this.#stun(message, socket, from);
        // Servers may leave the fingerprint out of their answers; their transaction id is proof enough.
        if (message !== undefined && this.#transactions.take(message)) return;
      }
      ports ??= this.#sources.get(socket);
      const source = ports?.get(from.port)?.get(from.hostname);
      if (source === undefined) return this.#stranger(bytes, socket, from);
      const { link, path } = source;
      // Ids change seldom: one look in 64 packets finds each in time.
      if ((link.packetsReceived & 63) === 0) this.#ids.note(bytes, link);
      return link.deliver(bytes, socket, from, path);
    });
  }

  #stun(message: DecodedMessage, socket: DatagramSocket, from: Address): void {
    if (message.class === "request") {
      const link = this.#links.get(checkedFragment(message) ?? "");
      const answer = link?.agent.answer(message, socket, from);
      if (answer !== undefined) void socket.send(answer, from);
      return;
    }
    this.#transactions.take(message);
  }

  /** A packet from nowhere we know: perhaps a peer whose NAT has changed its mapping. QUIC itself proves what is in it. */
  #stranger(bytes: Uint8Array, socket: DatagramSocket, from: Address): Promise<void> | void {
    const link = this.#ids.find(bytes);
    if (link === undefined) return;
    link.agent.suspect(socket, from);
    return link.deliver(bytes, socket, from, undefined);
  }

  #watch(): void {
    if (this.#closed) return;
    for (const [link, seen] of this.#watched) {
      const { packetsSent, packetsReceived } = link;
      if (packetsReceived > seen.packetsReceived) seen.silent = 0;
      else if (packetsSent > seen.packetsSent) seen.silent += WATCH_INTERVAL;
      const rtt = link.path?.rtt ?? 0;
      if (seen.silent >= Math.max(SILENCE.ms, rtt * SILENCE.roundTrips)) {
        seen.silent = 0;
        link.agent.doubt();
      }
      seen.packetsSent = packetsSent;
      seen.packetsReceived = packetsReceived;
    }
    this.#cancelWatch = this.#clock.after(WATCH_INTERVAL, () => this.#watch());
  }

  /** Resolves when nothing of it is under way any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelWatch?.();
    this.#transactions.close();
    await Promise.all([...this.#links.values()].map((link) => this.remove(link)));
    await Promise.all(this.sockets.map((socket) => socket.close()));
  }
}
