/**
 * Signalling on the local network, without any service: peers are found by multicast DNS and signals sent over TCP, one a
 * connection. Nothing of it has to be trusted: introductions are signed, and the QUIC connection that follows proves
 * who is there.
 *
 * @module
 */

import { type Clock, systemClock } from "../../async/clock.ts";
import { deadline, delay } from "../../async/deadline.ts";
import { type Address, formatAddress } from "../address.ts";
import { PeerError } from "../errors.ts";
import { interfaceAddresses } from "../gather.ts";
import { isPeerId, type PeerId } from "../identity.ts";
import type { MeetingServers, Signal, Signalling } from "../ports.ts";
import { UdpSocket } from "../udp_socket.ts";
import { LanDiscovery, MULTICAST } from "./discovery.ts";
import { isSignal } from "./signal.ts";

/** Options of `LanSignalling`. */
export interface LanSignallingOptions {
  /** The id of this peer. */
  readonly self: PeerId;
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
/** Milliseconds before a listener that could not accept tries again. */
const ACCEPT_PAUSE = 100;
const TAKEN = "+\n";

/** What is sent: who says what to whom. */
interface Envelope {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly signal: Signal;
}

/** Signalling on the local network. Others on it see the id of this peer. */
export class LanSignalling implements Signalling {
  readonly #self: PeerId;
  readonly #options: LanSignallingOptions;
  readonly #socket: UdpSocket;
  readonly #listener: Deno.TcpListener;
  readonly #discovery: LanDiscovery;
  readonly #open = new Set<Deno.TcpConn>();
  #listen: (from: PeerId, signal: Signal) => void = () => {};
  #accepting: Promise<void>;
  #closed = false;

  private constructor(options: LanSignallingOptions, socket: UdpSocket, listener: Deno.TcpListener) {
    this.#self = options.self;
    this.#options = options;
    this.#socket = socket;
    this.#listener = listener;
    this.#discovery = new LanDiscovery({
      socket,
      clock: options.clock ?? systemClock,
      self: options.self,
      port: listener.addr.port,
      addresses: interfaceAddresses,
    });
    this.#accepting = this.#accept();
  }

  /** Joins the group of multicast DNS. Rejects with what Deno says when that is not possible. */
  static async open(options: LanSignallingOptions): Promise<LanSignalling> {
    const { hostname, port } = MULTICAST;
    // Other programs of this machine speak multicast DNS on the same port.
    const conn = Deno.listenDatagram({
      transport: "udp",
      hostname: "0.0.0.0",
      port,
      reuseAddress: true,
      loopback: true,
    });
    try {
      await conn.joinMulticastV4(hostname, "0.0.0.0");
      return new LanSignalling(
        options,
        new UdpSocket(conn, 16),
        Deno.listen({ hostname: "0.0.0.0", port: 0 }),
      );
    } catch (error) {
      conn.close();
      throw error;
    }
  }

  /** Peers that have been heard of on the local network. */
  peers(): PeerId[] {
    return this.#discovery.peers();
  }

  async send(to: PeerId, signal: Signal): Promise<void> {
    const addresses = await this.#discovery.find(to);
    const line = `${JSON.stringify({ from: this.#self, to, signal } satisfies Envelope)}\n`;
    const failures: string[] = [];
    for (const address of addresses) {
      try {
        return await this.#deliver(address, line);
      } catch (error) {
        failures.push(`${formatAddress(address)}: ${(error as Error).message}`);
      }
    }
    this.#discovery.forget(to);
    throw new PeerError("peer_unreachable", `the peer takes no signals: ${failures.join(", ")}`);
  }

  onSignal(listener: (from: PeerId, signal: Signal) => void): void {
    this.#listen = listener;
  }

  /** None: on the local network nothing is in between. */
  servers(): Promise<MeetingServers> {
    return Promise.resolve({ stun: [], turn: [], expiresIn: 3_600_000 });
  }

  /** Says goodbye and ends everything. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#discovery.close();
    this.#listener.close();
    for (const conn of this.#open) close(conn);
    await this.#accepting;
    await this.#socket.close();
  }

  async #deliver(address: Address, line: string): Promise<void> {
    const late = (): PeerError => new PeerError("peer_unreachable", `no answer within ${PATIENCE} ms`);
    const connecting = Deno.connect({ hostname: address.hostname, port: address.port });
    const work = async (): Promise<void> => {
      const conn = await connecting;
      await writeAll(conn, line);
      if (await readLine(conn) !== TAKEN.trim()) {
        throw new PeerError("peer_unreachable", "the signal was refused");
      }
    };
    try {
      await deadline(work(), PATIENCE, late);
    } finally {
      connecting.then(close, () => {});
    }
  }

  async #accept(): Promise<void> {
    for (;;) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (this.#closed) return;
        // Too many open files, for one: it listens again when there is room.
        this.#options.onError?.(error);
        await delay(ACCEPT_PAUSE);
        continue;
      }
      if (this.#open.size >= MAX_CONNECTIONS) close(conn);
      else void this.#take(conn);
    }
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
      await writeAll(conn, TAKEN);
      this.#listen(from, signal);
    } catch (error) {
      this.#options.onError?.(error);
    } finally {
      this.#open.delete(conn);
      close(conn);
    }
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
