/**
 * A UDP proxy on loopback for tests: it can change its outgoing port as a NAT does, swallow packets, delay and drop
 * them. Each client has an outgoing socket of its own.
 *
 * @module
 */

/** Options of a proxy; all may be changed while it runs. */
export interface UdpProxyOptions {
  /** Where packets of clients go. */
  target: { hostname: string; port: number };
  /** Milliseconds a packet is held on its way to the server. @default 0 */
  delayToServer?: number;
  /** Milliseconds a packet is held on its way to the client. @default 0 */
  delayToClient?: number;
  /** Share of packets dropped, 0 to 1, both ways. @default 0 */
  drop?: number;
  /** Bytes of the largest packet that passes to the server; larger ones are dropped. @default no limit */
  maxPacketToServer?: number;
  /** Bytes of the largest packet that passes to the client. @default no limit */
  maxPacketToClient?: number;
  /** Seed of what is dropped. @default 1 */
  seed?: number;
  /** Bytes kept of the start of each packet in `captured`; 0 keeps nothing. @default 0 */
  capture?: number;
}

/** One packet's beginning. */
export interface CapturedPacket {
  readonly toServer: boolean;
  readonly length: number;
  readonly head: Uint8Array;
}

/** Packets kept in `captured`; later ones are only counted. */
const MAX_CAPTURED = 10_000;

interface Flow {
  readonly client: Deno.NetAddr;
  socket: Deno.DatagramConn;
}

/** A proxy between any number of clients and one server. */
export class UdpProxy {
  readonly captured: CapturedPacket[] = [];
  /** Packets by what became of them. */
  readonly counters = { toServer: 0, toClient: 0, dropped: 0, swallowed: 0, rebinds: 0 };
  delayToServer: number;
  delayToClient: number;
  drop: number;
  maxPacketToServer: number;
  maxPacketToClient: number;
  /** While true nothing passes. */
  blackHole = false;
  #target: Deno.NetAddr;
  readonly #capture: number;
  readonly #front: Deno.DatagramConn;
  readonly #flows = new Map<string, Flow>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  readonly #loops: Promise<void>[] = [];
  #random: number;
  #closed = false;

  constructor(options: UdpProxyOptions) {
    this.#target = { transport: "udp", ...options.target };
    this.delayToServer = options.delayToServer ?? 0;
    this.delayToClient = options.delayToClient ?? 0;
    this.drop = options.drop ?? 0;
    this.maxPacketToServer = options.maxPacketToServer ?? Infinity;
    this.maxPacketToClient = options.maxPacketToClient ?? Infinity;
    this.#random = options.seed ?? 1;
    this.#capture = options.capture ?? 0;
    this.#front = bind();
    this.#loops.push(this.#fromClients());
  }

  /** From now on everything goes to another server on the same host. */
  retarget(port: number): void {
    this.#target = { ...this.#target, port };
  }

  /** Where clients send to, on 127.0.0.1. */
  get port(): number {
    return (this.#front.addr as Deno.NetAddr).port;
  }

  /** The outgoing ports now, one for each client. */
  get outgoingPorts(): number[] {
    return [...this.#flows.values()].map(({ socket }) => (socket.addr as Deno.NetAddr).port);
  }

  /** Changes the outgoing port of every client; what comes back to the old ones is lost. */
  rebind(): void {
    for (const flow of this.#flows.values()) {
      const before = flow.socket;
      flow.socket = bind();
      this.#loops.push(this.#fromServer(flow, flow.socket));
      before.close();
      this.counters.rebinds++;
    }
  }

  /** Closes all sockets; resolves when their loops have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#front.close();
    for (const { socket } of this.#flows.values()) socket.close();
    await Promise.all(this.#loops);
  }

  async #fromClients(): Promise<void> {
    await receive(this.#front, (packet, from) => {
      // It had come before the socket was closed: nobody would close another socket for it.
      if (this.#closed) return;
      const name = `${from.hostname}:${from.port}`;
      let flow = this.#flows.get(name);
      if (flow === undefined) {
        flow = { client: from, socket: bind() };
        this.#flows.set(name, flow);
        this.#loops.push(this.#fromServer(flow, flow.socket));
      }
      const through = flow;
      this.#pass(packet, true, () => through.socket.send(packet, this.#target));
    });
  }

  async #fromServer(flow: Flow, socket: Deno.DatagramConn): Promise<void> {
    await receive(socket, (packet) => this.#pass(packet, false, () => this.#front.send(packet, flow.client)));
  }

  #pass(packet: Uint8Array, toServer: boolean, send: () => Promise<number>): void {
    if (this.#capture > 0 && this.captured.length < MAX_CAPTURED) {
      this.captured.push({ toServer, length: packet.length, head: packet.slice(0, this.#capture) });
    }
    if (this.blackHole) {
      this.counters.swallowed++;
      return;
    }
    const isTooLarge = packet.length > (toServer ? this.maxPacketToServer : this.maxPacketToClient);
    if (isTooLarge || (this.drop > 0 && this.#next() < this.drop)) {
      this.counters.dropped++;
      return;
    }
    this.counters[toServer ? "toServer" : "toClient"]++;
    // Sending fails when a socket has just closed. That is a lost packet.
    const deliver = (): void => void send().catch(() => {});
    const delay = toServer ? this.delayToServer : this.delayToClient;
    if (delay <= 0) return deliver();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#closed) deliver();
    }, delay);
    this.#timers.add(timer);
  }

  // mulberry32: a small generator with the same numbers on every machine.
  #next(): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
}

function bind(): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
}

async function receive(
  socket: Deno.DatagramConn,
  take: (packet: Uint8Array, from: Deno.NetAddr) => void,
): Promise<void> {
  for (;;) {
    let packet: Uint8Array;
    let from: Deno.Addr;
    try {
      [packet, from] = await socket.receive(new Uint8Array(2048));
    } catch (error) {
      // A peer that has closed answers with ICMP, which fails this read. Only our own close ends the loop.
      if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
      if ((error as Error).name === "BadResource") return;
      continue;
    }
    take(packet, from as Deno.NetAddr);
  }
}
