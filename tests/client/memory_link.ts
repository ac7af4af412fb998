/**
 * A client's transport in memory, over a path that can be slow, silent or cut.
 *
 * @module
 */

import type { Path } from "../../src/client/policy/paths.ts";
import { type ClientTransport, noTraffic } from "../../src/client/transport/contract.ts";
import type { Encoded, Message } from "../../src/protocol/mod.ts";
import { memoryPair, type MemoryPeer } from "../support/memory.ts";
import type { World } from "./support.ts";

/** Milliseconds between attempts of a silent path. */
const RETRANSMIT = 100;

interface Road {
  waiting: { at: number; arrive: () => void }[];
  last: number;
  retrying: boolean;
}

/** A client's transport in a world. What is under way when it is cut is lost. */
export class MemoryLink implements ClientTransport {
  readonly kind: "webtransport" | "websocket";
  readonly laneful: boolean;
  readonly traffic = noTraffic();
  /** Lanes messages were sent on, by type. */
  readonly sentOn: { type: string; channel: unknown; lane: number }[] = [];
  onMessage: ClientTransport["onMessage"] = () => {};
  onClose: ClientTransport["onClose"] = () => {};
  onLaneLost: ClientTransport["onLaneLost"] = () => {};
  onError: ClientTransport["onError"] = () => {};
  #peer: MemoryPeer | undefined;
  #ended = false;
  #datagramsStopped = false;
  readonly #roads = new Map<string, Road>();
  readonly #reading = new Map<number, Promise<void>>();

  constructor(readonly world: World, readonly path: Path, readonly owner: string) {
    this.kind = path === "quic" ? "webtransport" : "websocket";
    this.laneful = path === "quic";
  }

  get maxDatagramSize(): number {
    return this.laneful && !this.#datagramsStopped ? 1200 : 0;
  }

  async connect(signal?: AbortSignal): Promise<void> {
    const { world, path } = this;
    world.dials.push({ path, at: world.clock.now() });
    const { dial, latency } = world.paths[path];
    await new Promise<void>((resolve, reject) => {
      const aborted = (): void => {
        cancel();
        reject(signal!.reason);
      };
      // A round trip for the handshake, or for ever.
      const cancel = world.clock.after(dial === "dropped" ? 1e9 : latency * 2, () => {
        signal?.removeEventListener("abort", aborted);
        if (dial === "open" && world.up && !world.paths[path].silent) resolve();
        else reject(new Error(`${path} refused`));
      });
      signal?.addEventListener("abort", aborted, { once: true });
    });
    const { server, client } = memoryPair(`memory:${world.dials.length}`);
    const admitted = world.sessions.admit(server.remoteAddress);
    if ("refused" in admitted) throw new Error(admitted.refused);
    this.#peer = client;
    client.onMessage = (message, lane, datagram) => this.#fromServer(message, lane, datagram);
    void client.closed.then(({ code, reason, by }) =>
      this.#travel("closing", () => this.#end({ code, reason, by: by === "local" ? "remote" : "local" }))
    );
    world.sessions.accept(server, admitted);
    world.links.add(this);
  }

  send(message: Encoded, lane: number): void {
    const { type, payload } = message.message;
    this.sentOn.push({ type, channel: payload.channel, lane });
    this.traffic.messagesOut++;
    this.traffic.bytesOut += message.size("json");
    // What goes over a wire is a copy.
    const copy: Message = JSON.parse(message.text());
    this.#travel(
      `out ${this.laneful ? lane : 0}`,
      () => this.#read(lane, () => this.#peer!.send(copy, lane)),
    );
  }

  sendDatagram(message: Encoded): boolean {
    if (this.maxDatagramSize === 0) return false;
    if (this.world.paths[this.path].dropDatagrams) return true;
    this.#travel("out datagram", () => void this.#peer!.sendDatagram(message.message));
    return true;
  }

  stopDatagrams(): void {
    this.#datagramsStopped = true;
  }

  openLane(): void {}

  close(code = 1000, reason = ""): Promise<void> {
    if (!this.#ended && this.#peer !== undefined) {
      const peer = this.#peer;
      // The good-bye travels behind what was sent.
      this.#travel("out 0", () => this.#read(0, () => peer.close(code, reason)));
      this.#end({ code, reason, by: "local" }, false);
    }
    return Promise.resolve();
  }

  /** The network between the two is gone; each side finds out by itself. */
  cut(): void {
    if (this.#ended) return;
    this.#end({ code: 0, reason: "cut", by: "error" });
    this.#peer!.close(0, "cut");
  }

  /** The server reads a lane's next message when it is done with the one before, or says so. */
  #read(lane: number, next: () => void | Promise<void>): void {
    const road = this.laneful ? lane : 0;
    const before = this.#reading.get(road);
    const reading = before === undefined ? next() : before.then(next);
    if (reading === undefined) return;
    const done: Promise<void> = reading.then(() => {
      if (this.#reading.get(road) === done) this.#reading.delete(road);
    });
    this.#reading.set(road, done);
  }

  #fromServer(message: Message, lane: number, datagram: boolean): void {
    if (datagram && this.world.paths[this.path].dropDatagrams) return;
    if (this.world.swallow(message)) return;
    this.#travel(`in ${datagram ? "datagram" : this.laneful ? lane : 0}`, () => {
      this.traffic.messagesIn++;
      this.traffic.bytesIn += JSON.stringify(message).length;
      this.onMessage(message, lane, datagram);
    });
  }

  /**
   * Arrives after the latency of the path and in order on each road; later when the path is silent meanwhile, as what is
   * sent again does; not at all when the link is cut before.
   */
  #travel(name: string, arrive: () => void): void {
    const { clock, random } = this.world;
    const { latency, spread } = this.world.paths[this.path];
    let road = this.#roads.get(name);
    if (road === undefined) this.#roads.set(name, road = { waiting: [], last: 0, retrying: false });
    // The end comes behind everything else.
    const before = name === "closing" ? [...this.#roads.values()].map(({ last }) => last) : [road.last];
    road.last = Math.max(clock.now() + latency + random() * spread, ...before);
    road.waiting.push({ at: road.last, arrive });
    const isOut = name.startsWith("out");
    clock.after(road.last - clock.now(), () => this.#arrive(road, isOut));
  }

  #arrive(road: Road, isOut: boolean): void {
    const { clock } = this.world;
    while (road.waiting.length > 0 && road.waiting[0]!.at <= clock.now()) {
      if (this.#ended && !(isOut && this.#saidGoodBye)) return void (road.waiting = []);
      if (this.world.paths[this.path].silent) {
        if (!road.retrying) {
          road.retrying = true;
          clock.after(RETRANSMIT, () => {
            road.retrying = false;
            this.#arrive(road, isOut);
          });
        }
        return;
      }
      road.waiting.shift()!.arrive();
    }
  }

  #saidGoodBye = false;

  #end(end: Parameters<ClientTransport["onClose"]>[0], isCut = true): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#saidGoodBye = !isCut;
    this.world.links.delete(this);
    this.onClose(end);
  }
}
