/**
 * A UDP socket of the runtime.
 *
 * @module
 */

import { type Address, plainHostname } from "./address.ts";
import type { DatagramListener, DatagramSocket } from "./ports.ts";

/** Largest datagram taken: QUIC's are at most 1,452 bytes, those of TURN a little more. */
const MAX_DATAGRAM = 2048;
/** Datagrams on their way to the kernel; more are dropped, as a full queue of a router would. */
const MAX_IN_FLIGHT = 1024;
/** Milliseconds before reading again after the kernel refused. */
const RETRY_PAUSE = 10;

/** Options of `openUdpSocket`. */
export interface UdpOptions {
  /** IP address to bind. */
  readonly hostname: string;
  /** @default 0, any free port */
  readonly port?: number;
  /**
   * Receive buffers used in turn. A datagram that is passed on keeps its buffer until the kernel has taken it, so a
   * socket with much traffic needs more. @default 16
   */
  readonly buffers?: number;
}

/** Binds a UDP socket. Throws what Deno throws when that fails. Needs `"unstable": ["net"]`. */
export function openUdpSocket(options: UdpOptions): UdpSocket {
  const { hostname, port = 0, buffers = 16 } = options;
  return new UdpSocket(Deno.listenDatagram({ transport: "udp", hostname, port }), buffers);
}

/** Sockets on all addresses of this machine, one of each family it has. Throws what `open` throws for IPv4. */
export function openSockets(
  buffers: number,
  open: (options: UdpOptions) => DatagramSocket = openUdpSocket,
): DatagramSocket[] {
  const sockets = [open({ hostname: "0.0.0.0", buffers })];
  try {
    sockets.push(open({ hostname: "::", buffers }));
  } catch { /* A machine without IPv6. */ }
  return sockets;
}

/** A bound UDP socket. */
export class UdpSocket implements DatagramSocket {
  readonly address: Address;
  /** Datagrams that were dropped because too many were on their way. */
  dropped = 0;
  readonly #conn: Deno.DatagramConn;
  /** Made when they are first needed. */
  readonly #buffers: (Uint8Array<ArrayBuffer> | undefined)[];
  #listener: DatagramListener | undefined;
  #inFlight = 0;
  /** Called when nothing is on its way any more. */
  #whenSent: (() => void) | undefined;
  #reading: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(conn: Deno.DatagramConn, buffers: number) {
    this.#conn = conn;
    this.#buffers = Array(buffers).fill(undefined);
    const { hostname, port } = conn.addr as Deno.NetAddr;
    this.address = { hostname, port };
  }

  send(bytes: Uint8Array, to: Address): Promise<void> | void {
    if (this.#inFlight >= MAX_IN_FLIGHT || this.#closed) {
      this.dropped++;
      return;
    }
    this.#inFlight++;
    // As it is: the runtime reads the address at once, and another object for each packet costs.
    return this.#conn.send(bytes, to as Deno.NetAddr).then(this.#sent, this.#sent);
  }

  /** An error is one of the way there (no route, port unreachable): as good as lost. */
  readonly #sent = (): void => {
    if (--this.#inFlight === 0) this.#whenSent?.();
  };

  onDatagram(listener: DatagramListener): void {
    const first = this.#listener === undefined;
    this.#listener = listener;
    if (first) this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    const held: (Promise<void> | void)[] = [];
    const from = { hostname: "", port: 0 };
    let lastHostname = "", plain = "";
    for (let turn = 0; !this.#closed; turn = (turn + 1) % this.#buffers.length) {
      // The kernel has not taken what came in this buffer last time.
      if (held[turn] !== undefined) await held[turn];
      const buffer = this.#buffers[turn] ??= new Uint8Array(MAX_DATAGRAM);
      try {
        const [bytes, address] = await this.#conn.receive(buffer);
        const { hostname, port } = address as Deno.NetAddr;
        if (hostname !== lastHostname) {
          lastHostname = hostname;
          plain = plainHostname(hostname);
        }
        from.hostname = plain;
        from.port = port;
        held[turn] = this.#listener!(bytes, from);
      } catch (error) {
        if (this.#closed || error instanceof Deno.errors.BadResource) return;
        // On Linux an ICMP error of an earlier send is reported by a later receive.
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE));
      }
    }
  }

  /** Ends it. Resolves when nothing of it is under way any more. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#closed = true;
    this.#conn.close();
    await this.#reading;
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#whenSent = resolve);
  }
}
