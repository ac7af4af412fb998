/**
 * A message connection in memory: real frames on numbered lanes, no network.
 *
 * @module
 */

import {
  CloseError,
  decodeFrame,
  encodeBare,
  Encoded,
  type Message,
  scanFrame,
} from "../../src/protocol/mod.ts";
import type {
  ConnectionSink,
  MessageConnection,
  OutboxSource,
  Traffic,
  TransportClose,
  WireOptions,
} from "../../src/transport/contract.ts";

/** The client's end of a memory connection. */
export interface MemoryPeer {
  /** Sends a message on a lane, opening the lane when it is not open. Resolves when the server reads on. */
  send(message: Message, lane?: number): Promise<void>;
  /** Sends the bytes of one frame as they are. */
  sendRaw(frame: Uint8Array | string, lane?: number): Promise<void>;
  sendDatagram(message: Message): Promise<void>;
  /** Called for each message that comes. */
  onMessage: (message: Message, lane: number, datagram: boolean) => void;
  /** While true nothing is taken from the server: a peer that does not read. */
  stalled: boolean;
  /** Ends a lane. */
  closeLane(lane: number): void;
  close(code?: number, reason?: string): void;
  readonly closed: Promise<TransportClose>;
}

/** Makes a connected pair: the server's end and the client's. */
export function memoryPair(address = "memory:0"): { server: MessageConnection; client: MemoryPeer } {
  const server = new MemoryConnection(address);
  return { server, client: server.peer };
}

class MemoryConnection implements MessageConnection {
  readonly kind = "memory";
  readonly maxDatagramSize = 1200;
  readonly wire: WireOptions = { form: "json", batch: "frames" };
  readonly traffic: Traffic = { bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };
  readonly peer: MemoryPeer;
  readonly #lanes = new Set<number>([0]);
  readonly #waiting = new Set<number>();
  readonly #closed = Promise.withResolvers<TransportClose>();
  #limits = { maxFrame: 8192, maxStreams: 1 };
  #sink: ConnectionSink | undefined;
  #outbox: OutboxSource | undefined;
  #stalled = false;
  #ended = false;

  constructor(readonly remoteAddress: string) {
    // deno-lint-ignore no-this-alias
    const self = this;
    this.peer = {
      closed: this.#closed.promise,
      onMessage: () => {},
      send: (message, lane = 0) => this.#in(new Encoded(message).framed("json"), lane),
      sendRaw: async (frame, lane = 0) => await this.#frame(frame, lane, false),
      sendDatagram: async (message) => await this.#frame(encodeBare(message, "json"), 0, true),
      closeLane: (lane) => {
        this.#lanes.delete(lane);
        this.#outbox?.reroute(lane);
        this.wake(0);
      },
      close: (code = 1000, reason = "") => this.#end({ code, reason, by: "remote" }),
      get stalled() {
        return self.#stalled;
      },
      set stalled(value) {
        self.#stalled = value;
        if (!value) { for (const lane of [...self.#waiting]) self.#pump(lane); }
      },
    };
  }

  get buffered(): number {
    return 0;
  }

  start(sink: ConnectionSink, outbox: OutboxSource): void {
    this.#sink = sink;
    this.#outbox = outbox;
  }

  wake(lane: number): void {
    if (this.#waiting.has(lane)) return;
    this.#waiting.add(lane);
    queueMicrotask(() => this.#pump(lane));
  }

  laneOrControl(lane: number): number {
    return this.#lanes.has(lane) ? lane : 0;
  }

  sendDatagram(message: Encoded): boolean {
    if (this.#ended || this.#stalled) return false;
    const { message: copy } = decodeFrame(encodeBare(message.message, this.wire.form));
    queueMicrotask(() => this.peer.onMessage(copy, 0, true));
    return true;
  }

  setLimits(limits: { maxFrame: number; maxStreams: number }): void {
    this.#limits = limits;
  }

  checkPath(): void {}

  close(code: number, reason: string): Promise<void> {
    for (const lane of [...this.#waiting, 0]) this.#pump(lane);
    this.#end({ code, reason, by: "local" });
    return Promise.resolve();
  }

  abort(): void {
    this.#end({ code: 0, reason: "", by: "local" });
  }

  #end(info: TransportClose): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#sink?.ended(info);
    this.#closed.resolve(info);
  }

  async #in(framed: Uint8Array, lane: number): Promise<void> {
    try {
      const scan = scanFrame(framed, 0, framed.length, this.#limits.maxFrame);
      if (scan.kind === "more") throw new CloseError("bad_request", "a frame cut off");
      await this.#frame(framed.subarray(scan.start, scan.end), lane, false);
    } catch (error) {
      this.#sink?.failed(error, "lane");
    }
  }

  #frame(frame: Uint8Array | string, lane: number, datagram: boolean): void | Promise<void> {
    if (this.#ended) return;
    if (!datagram && !this.#lanes.has(lane)) {
      if (this.#lanes.size >= this.#limits.maxStreams) {
        return this.#sink?.failed(new CloseError("bad_request", "too many streams"), "accept stream");
      }
      this.#lanes.add(lane);
    }
    this.traffic.messagesIn++;
    this.traffic.bytesIn += frame.length;
    return this.#sink?.frame(frame, { lane, datagram, early: false, overflow: false });
  }

  #pump(lane: number): void {
    if (this.#stalled || this.#outbox === undefined) return;
    this.#waiting.delete(lane);
    if (this.#ended) return;
    if (!this.#lanes.has(lane)) {
      this.#outbox.reroute(lane);
      lane = 0;
    }
    for (let queued = this.#outbox.take(lane); queued !== undefined; queued = this.#outbox.take(lane)) {
      const framed = queued.message.framed(this.wire.form);
      const scan = scanFrame(framed, 0, framed.length, Infinity);
      if (scan.kind === "more") continue;
      this.traffic.messagesOut++;
      this.traffic.bytesOut += framed.length;
      this.peer.onMessage(decodeFrame(framed.subarray(scan.start, scan.end)).message, lane, false);
    }
  }
}
