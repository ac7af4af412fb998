/**
 * Signalling without any service: peers are found where they were met before, and on the local network by multicast DNS.
 * Signals are sent over TCP, one a connection. Nothing of it has to be trusted: introductions are signed, and the QUIC connection that follows proves
 * who is there.
 *
 * @module
 */

import { type Clock, systemClock } from "../../async/clock.ts";
import { deadline, delay } from "../../async/deadline.ts";
import { Underway } from "../../async/underway.ts";
import { type Address, formatAddress } from "../address.ts";
import { PeerError } from "../errors.ts";
import { interfaceAddresses } from "../gather.ts";
import { isPeerId, type PeerId } from "../identity.ts";
import type { KnownPeers } from "../known_peers.ts";
import type { MeetingServers, Signal, Signalling } from "../ports.ts";
import { UdpSocket } from "../udp_socket.ts";
import { LanDiscovery, MULTICAST } from "./discovery.ts";
import { isSignal } from "./signal.ts";

/** Options of `LanSignalling`. */
export interface LanSignallingOptions {
  /** The id of this peer. */
  readonly self: PeerId;
  /** Peers that were met: they are looked for where they were, and find this one where it was. @default none */
  readonly known?: KnownPeers | undefined;
  /**
   * Looks for peers by multicast DNS, and answers those who do. Others on the network see the id of this peer, and any
   * peer may call; without it only known ones may. @default true
   */
  readonly multicast?: boolean;
  /** Told of signals of others that cannot be read. @default nobody is */
  readonly onError?: (error: unknown) => void;
  /** @default the runtime's */
  readonly clock?: Clock;
}

/** Milliseconds for a signal to be sent, or taken. */
const PATIENCE = 3_000;
/** A signal holds at most 32 addresses, each about 80 bytes. */
const MAX_LINE = 16 * 1024;
/** Connections that may send a signal at once; more are closed. */
const MAX_CONNECTIONS = 32;
/** Of one address: a machine that keeps its connections open must not keep the others out. */
const MAX_OF_ADDRESS = 4;
/** Milliseconds before a listener that could not accept tries again. */
const ACCEPT_PAUSE = 100;
const TAKEN = "+\n";

/** What is sent: who says what to whom. */
interface Envelope {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly signal: Signal;
}

/** Finds out where a peer takes signals. */
interface Finder {
  /** Rejects with PeerError `peer_unreachable`. */
  find(peer: PeerId): Promise<readonly Address[]>;
  /** The peer is not where it was found. */
  forget?(peer: PeerId): void;
}

/** Signalling straight to where a peer is. */
export class LanSignalling implements Signalling {
  readonly #self: PeerId;
  readonly #options: LanSignallingOptions;
  readonly #multicast: Multicast | undefined;
  readonly #listener: Deno.TcpListener;
  readonly #finders: readonly Finder[];
  readonly #open = new Set<Deno.TcpConn>();
  #listen: (from: PeerId, signal: Signal) => void = () => {};
  readonly #over = new AbortController();
  /** Connections that are waited for, signals that are taken and sent. */
  readonly #underway = new Underway();

  private constructor(
    options: LanSignallingOptions,
    listener: Deno.TcpListener,
    multicast: Multicast | undefined,
  ) {
    const { known } = options;
    this.#self = options.self;
    this.#options = options;
    this.#listener = listener;
    this.#multicast = multicast;
    const remembered: Finder = { find: (peer) => Promise.resolve(known?.get(peer)?.addresses ?? []) };
    this.#finders = multicast === undefined ? [remembered] : [remembered, multicast.discovery];
    void this.#underway.add(this.#accept());
  }

  /**
   * Listens where it listened last, so that known peers find it, or on another port when that is taken. Rejects with what
   * Deno says when it cannot listen, or not join the group of multicast DNS.
   */
  static async open(options: LanSignallingOptions): Promise<LanSignalling> {
    const { known, multicast = true } = options;
    const listener = listen(known?.port);
    try {
      const joined = multicast ? await joinMulticast(options, listener.addr.port) : undefined;
      if (known !== undefined) known.port = listener.addr.port;
      return new LanSignalling(options, listener, joined);
    } catch (error) {
      listener.close();
      throw error;
    }
  }

  /** The TCP port on which it takes signals. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Peers that have been heard of on the local network. */
  peers(): PeerId[] {
    return this.#multicast?.discovery.peers() ?? [];
  }

  send(to: PeerId, signal: Signal): Promise<void> {
    return this.#underway.add(this.#send(to, signal));
  }

  async #send(to: PeerId, signal: Signal): Promise<void> {
    const line = `${JSON.stringify({ from: this.#self, to, signal } satisfies Envelope)}\n`;
    const failures: string[] = [];
    for (const finder of this.#finders) {
      this.#over.signal.throwIfAborted();
      try {
        const addresses = await finder.find(to);
        if (await this.#deliver(addresses, line, failures)) return;
        finder.forget?.(to);
      } catch (error) {
        failures.push((error as Error).message);
      }
    }
    this.#over.signal.throwIfAborted();
    throw new PeerError(
      "peer_unreachable",
      `the peer takes no signals: ${failures.join(", ") || "not known"}`,
    );
  }

  onSignal(listener: (from: PeerId, signal: Signal) => void): void {
    this.#listen = listener;
  }

  /** None: nothing names any. The next time it may be the service that is asked. */
  servers(): Promise<MeetingServers> {
    return Promise.resolve({ stun: [], turn: [], expiresIn: 0 });
  }

  /** Says goodbye and ends everything. Resolves when nothing of it is under way any more. */
  async close(): Promise<void> {
    this.#over.abort(new PeerError("closed"));
    this.#multicast?.discovery.close();
    this.#listener.close();
    for (const conn of this.#open) close(conn);
    await this.#underway.over();
    await this.#multicast?.socket.close();
  }

  /** Tries all addresses at once and tells the first that takes it: most of them belong to other networks. */
  async #deliver(addresses: readonly Address[], line: string, failures: string[]): Promise<boolean> {
    const attempts = addresses.map((address) => ({ address, conn: Deno.connect({ ...address }) }));
    const waiting = new Set(attempts);
    const until = performance.now() + PATIENCE;
    const late = (): PeerError => new PeerError("peer_unreachable", `no answer within ${PATIENCE} ms`);
    const { signal } = this.#over;
    try {
      while (waiting.size > 0) {
        const settled = [...waiting].map((attempt) => attempt.conn.then(() => attempt, () => attempt));
        const first = await deadline(Promise.race(settled), until - performance.now(), late, { signal });
        waiting.delete(first);
        try {
          await deadline(say(await first.conn, line), until - performance.now(), late, { signal });
          return true;
        } catch (error) {
          failures.push(`${formatAddress(first.address)}: ${(error as Error).message}`);
        }
      }
      return false;
    } finally {
      for (const { conn } of attempts) conn.then(close, () => {});
    }
  }

  async #accept(): Promise<void> {
    for (;;) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (this.#over.signal.aborted) return;
        // Too many open files, for one: it listens again when there is room.
        this.#options.onError?.(error);
        await delay(ACCEPT_PAUSE);
        continue;
      }
      if (this.#hasRoomFor(conn)) void this.#underway.add(this.#take(conn));
      else close(conn);
    }
  }

  #hasRoomFor({ remoteAddr }: Deno.TcpConn): boolean {
    const same = [...this.#open].filter((other) => other.remoteAddr.hostname === remoteAddr.hostname);
    return this.#open.size < MAX_CONNECTIONS && same.length < MAX_OF_ADDRESS;
  }

  async #take(conn: Deno.TcpConn): Promise<void> {
    this.#open.add(conn);
    try {
      const late = (): Error => new Error(`no signal within ${PATIENCE} ms`);
      const { from, to, signal } = JSON.parse(await deadline(readLine(conn), PATIENCE, late)) as Partial<
        Envelope
      >;
      if (typeof from !== "string" || !isPeerId(from) || to !== this.#self || !isSignal(signal)) {
        throw new TypeError("not a signal for this peer");
      }
      if (this.#multicast === undefined && this.#options.known?.get(from) === undefined) {
        throw new TypeError("a signal of a peer that was never met");
      }
      await writeAll(conn, TAKEN);
      if (!this.#over.signal.aborted) this.#listen(from, signal);
    } catch (error) {
      if (!this.#over.signal.aborted) this.#options.onError?.(error);
    } finally {
      this.#open.delete(conn);
      close(conn);
    }
  }
}

/** Membership in the group of multicast DNS. */
interface Multicast {
  readonly socket: UdpSocket;
  readonly discovery: LanDiscovery;
}

async function joinMulticast(
  { self, clock = systemClock }: LanSignallingOptions,
  port: number,
): Promise<Multicast> {
  // Other programs of this machine speak multicast DNS on the same port.
  const conn = Deno.listenDatagram({
    transport: "udp",
    hostname: "0.0.0.0",
    port: MULTICAST.port,
    reuseAddress: true,
    loopback: true,
  });
  try {
    await conn.joinMulticastV4(MULTICAST.hostname, "0.0.0.0");
  } catch (error) {
    conn.close();
    throw error;
  }
  const socket = new UdpSocket(conn, 16);
  return {
    socket,
    discovery: new LanDiscovery({ socket, clock, self, port, addresses: interfaceAddresses }),
  };
}

function listen(port = 0): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: "0.0.0.0", port });
  } catch (error) {
    if (port === 0) throw error;
    return Deno.listen({ hostname: "0.0.0.0", port: 0 });
  }
}

async function say(conn: Deno.TcpConn, line: string): Promise<void> {
  await writeAll(conn, line);
  if (await readLine(conn) !== TAKEN.trim()) {
    throw new PeerError("peer_unreachable", "the signal was refused");
  }
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch { /* It is closed already. */ }
}

async function writeAll(conn: Deno.TcpConn, text: string): Promise<void> {
  for (let bytes = new TextEncoder().encode(text); bytes.length > 0;) {
    bytes = bytes.subarray(await conn.write(bytes));
  }
}

async function readLine(conn: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(MAX_LINE);
  for (let length = 0; length < MAX_LINE;) {
    const read = await conn.read(buffer.subarray(length));
    if (read === null) throw new Error("ended before its line was complete");
    const end = buffer.subarray(0, length += read).indexOf(10);
    if (end >= 0) return new TextDecoder().decode(buffer.subarray(0, end));
  }
  throw new Error("a line that does not end");
}
