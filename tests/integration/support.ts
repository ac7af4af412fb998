/**
 * Clients of the running service over real sockets, with a proxy on each path and a clock that is moved by hand: what a
 * client does in five seconds is seen exactly, and without waiting for them.
 *
 * @module
 */

import { type ClientOptions, QuicTransport, SkeinClient, WebSocketTransport } from "../../src/client/mod.ts";
import { NativeQuicTransport } from "../../src/client/native.ts";
import type { Path } from "../../src/client/policy/paths.ts";
import type { ClientTransport } from "../../src/client/transport/contract.ts";
import { FakeEnvironment } from "../client/support.ts";
import { FakeClock } from "../support/clock.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";
import { UdpProxy } from "../support/udp_proxy.ts";

const UNLIMITED = { messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 0, byteBurst: 0 };

/** Settings under which no limit of connections or messages takes part in a test. */
export const OPEN = {
  session: {
    perIp: { connections: 10_000, rate: 100_000, burst: 100_000 },
    rates: { connection: UNLIMITED, user: UNLIMITED },
  },
};

/** Runs a test with a service. `input` takes the place of `OPEN` where both name a section. */
export async function withService(
  run: (service: TestService) => Promise<void>,
  input: Parameters<typeof startTestService>[0] = {},
): Promise<void> {
  const service = await startTestService({ ...OPEN, ...input });
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

/** Waits for something that real sockets bring about; `ms` without it is a hang. */
export async function until(
  what: string,
  test: () => boolean | Promise<boolean>,
  ms = 20_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!await test()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Which QUIC a client dials. */
export type QuicKind = "webtransport" | "quic";

/** The two, to run one test over each. */
export const QUIC_KINDS: readonly QuicKind[] = ["webtransport", "quic"];

/** One client's paths to a service, its clock and its surroundings. */
export class Network implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly environment = new FakeEnvironment();
  readonly udp: UdpProxy;
  readonly tcp: TcpProxy;
  /** Dials so far, oldest first; `at` is the client's clock. */
  readonly dials: { readonly path: Path; readonly at: number }[] = [];
  /** What QUIC dials from now on expect of the certificate. */
  certificate: "right" | "wrong" = "right";
  /** What WebSocket dials from now on meet: the service, or a port where nobody listens. */
  websocket: "open" | "refused" = "open";
  /** Milliseconds of the client's clock that pings on streams and WebSockets are held back. */
  latency = 0;
  /** Datagrams of QUIC leave and never arrive. */
  dropDatagrams = false;
  /** Pings so far on streams and WebSockets, and by datagram: how many of those left, were dropped, were answered. */
  readonly pings = { sent: 0, datagrams: 0, dropped: 0, answered: 0 };
  /** The round trip that the server was told of last. */
  toldRtt: number | undefined;
  /** Dials that have neither succeeded nor failed yet. */
  dialling = 0;
  readonly #service: TestService;
  readonly #kind: QuicKind;
  readonly #clients: SkeinClient[] = [];
  readonly #unanswered = new Set<string>();

  constructor(service: TestService, kind: QuicKind) {
    this.#service = service;
    this.#kind = kind;
    this.udp = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
    const { port } = service.service.addresses.http;
    this.tcp = new TcpProxy({ target: { hostname: "127.0.0.1", port } });
  }

  /** A client of the user whose token it is. Nothing happens before its clock is moved or it is told to. */
  client(token: string, over: Partial<ClientOptions> = {}): SkeinClient {
    const client = new SkeinClient({
      token,
      autoConnect: false,
      ...over,
      parts: {
        clock: this.clock,
        environment: this.environment,
        transports: {
          quic: () => {
            this.dials.push({ path: "quic", at: this.clock.now() });
            return this.#watched(this.#quic());
          },
          websocket: () => {
            this.dials.push({ path: "websocket", at: this.clock.now() });
            const port = this.websocket === "open" ? this.tcp.port : deafPort();
            return this.#watched(new WebSocketTransport(`ws://127.0.0.1:${port}/connection/websocket`));
          },
        },
        ...over.parts,
      },
    });
    this.#clients.push(client);
    return client;
  }

  /** Pings on streams and WebSockets that have no pong yet. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  /** Cuts WebSockets, and swallows every packet of QUIC from now on. */
  cut(): void {
    this.udp.blackHole = true;
    this.tcp.cut();
  }

  /** Lets the client's time pass, in steps in which real sockets get their turn, until `test` holds. */
  async pass(what: string, test: () => boolean, most: number, step = 100): Promise<void> {
    for (let passed = 0; !test(); passed += step) {
      if (passed >= most) throw new Error(`not within ${most} ms of the client's clock: ${what}`);
      await this.clock.advance(step);
      for (let turn = 0; turn < 3 && !test(); turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Lets so much of the client's time pass; its pings are answered meanwhile. `step` is below its patience. */
  async live(ms: number, step = 1000): Promise<void> {
    for (let left = ms; left > 0; left -= step) {
      await this.clock.advance(Math.min(step, left));
      if (this.unanswered > 0) await until("the pings are answered", () => this.unanswered === 0);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = Promise.all(this.#clients.map((client) => client.close()));
    let isClosed = false;
    void closing.then(() => isClosed = true);
    // A good-bye has deadlines, which are the clock's.
    while (!isClosed) {
      await this.clock.advance(100);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all([this.udp.close(), this.tcp.close()]);
  }

  #watched(transport: ClientTransport): ClientTransport {
    const connect = transport.connect.bind(transport);
    transport.connect = async (signal) => {
      this.dialling++;
      try {
        await connect(signal);
      } finally {
        this.dialling--;
      }
    };
    const own = new Set<string>();
    let ended = false;
    // Nobody waits any more for what this one has not answered, whichever side ended it.
    const forget = (): void => {
      ended = true;
      for (const id of own) this.#unanswered.delete(id);
    };
    const close = transport.close.bind(transport);
    transport.close = (...args) => {
      forget();
      return close(...args);
    };
    let onClose = transport.onClose;
    Object.defineProperty(transport, "onClose", {
      set: (wanted) => onClose = wanted,
      get: () => (...args: Parameters<typeof onClose>) => {
        forget();
        onClose(...args);
      },
    });
    const send = transport.send.bind(transport), sendDatagram = transport.sendDatagram.bind(transport);
    transport.send = (message, lane) => {
      const { rtt } = message.message.payload;
      if (typeof rtt === "number") this.toldRtt = rtt;
      if (message.message.type !== "ping") return send(message, lane);
      this.pings.sent++;
      if (!ended) {
        own.add(message.message.id);
        this.#unanswered.add(message.message.id);
      }
      if (this.latency === 0) send(message, lane);
      else this.clock.after(this.latency, () => send(message, lane));
    };
    transport.sendDatagram = (message) => {
      if (!this.dropDatagrams && !sendDatagram(message)) return false;
      this.pings.datagrams++;
      if (this.dropDatagrams) this.pings.dropped++;
      return true;
    };
    let listener = transport.onMessage;
    Object.defineProperty(transport, "onMessage", {
      set: (wanted) => listener = wanted,
      get: () => (...args: Parameters<typeof listener>) => {
        listener(...args);
        const [{ re }, , datagram] = args;
        if (datagram) this.pings.answered++;
        this.#unanswered.delete(re ?? "");
      },
    });
    return transport;
  }

  #quic(): QuicTransport | NativeQuicTransport {
    const hash = this.certificate === "right" ? this.#service.certificateHash : new Uint8Array(32).fill(7);
    const options = { certificateHashes: [hash], timeout: 60_000 };
    const authority = `127.0.0.1:${this.udp.port}`;
    return this.#kind === "quic"
      ? new NativeQuicTransport(`quic://${authority}`, options)
      : new QuicTransport(`https://${authority}/connection/webtransport`, options);
  }
}

/** A TCP port where nobody listens. */
function deafPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
