/**
 * A world for client tests: a clock that is moved by hand, and a network in memory whose links can be slow, cut or
 * blocked. At its other end are the real sessions, hub, handlers and engine.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Clock } from "../../src/client/clock.ts";
import type { Environment, EnvironmentEvent } from "../../src/client/environment.ts";
import type { ClientOptions } from "../../src/client/options.ts";
import type { OutboxStorage, StoredMessage } from "../../src/client/outbox/storage.ts";
import type { Path } from "../../src/client/policy/race.ts";
import { type ClientTransport, noTraffic } from "../../src/client/transport/contract.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { routes } from "../../src/handlers/mod.ts";
import { DEFAULT_NAMESPACE, Hub } from "../../src/hub/mod.ts";
import { type Encoded, type Message, ProtocolError } from "../../src/protocol/mod.ts";
import { Router } from "../../src/router/mod.ts";
import { Sessions } from "../../src/session/mod.ts";
import { memoryPair, type MemoryPeer } from "../../src/transport/mod.ts";
import { principal, Recorder, testSettings } from "../session/support.ts";

/** Lets everything run that waits for nothing but its turn. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #now = 1_700_000_000_000;
  #order = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, fn };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass, timer by timer. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (;;) {
      let next: Timer | undefined;
      for (const timer of this.#timers) {
        if (timer.at > until) continue;
        if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) {
          next = timer;
        }
      }
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fn();
      await settle();
    }
    this.#now = until;
  }

  /** Lets time pass in which no timer runs, as on a device that sleeps. */
  sleep(ms: number): void {
    this.#now += ms;
  }
}

/** Numbers by chance that are the same each time. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 0x1_0000_0000;
  };
}

/** Surroundings that a test changes. */
export class FakeEnvironment implements Environment {
  isOnline = true;
  name = "wifi";
  readonly #watchers = new Set<(event: EnvironmentEvent) => void>();

  online(): boolean {
    return this.isOnline;
  }

  network(): string {
    return this.name;
  }

  watch(fn: (event: EnvironmentEvent) => void): () => void {
    this.#watchers.add(fn);
    return () => this.#watchers.delete(fn);
  }

  /** Tells the clients. */
  tell(event: EnvironmentEvent): void {
    for (const fn of [...this.#watchers]) fn(event);
  }

  /** How many clients watch. */
  get watchers(): number {
    return this.#watchers.size;
  }
}

/** An outbox that outlives its client. */
export class KeptOutbox implements OutboxStorage {
  readonly messages = new Map<string, StoredMessage>();
  load = () => Promise.resolve([...this.messages.values()]);
  add(messages: readonly StoredMessage[]): Promise<void> {
    for (const message of messages) this.messages.set(message.id, message);
    return Promise.resolve();
  }
  remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.messages.delete(id);
    return Promise.resolve();
  }
}

/** How a path treats its links. */
export interface PathConditions {
  /** `open` connects, `refused` fails at once, `dropped` never answers. */
  dial: "open" | "refused" | "dropped";
  /** Milliseconds one way. */
  latency: number;
  /** Up to so many milliseconds more, another number for each lane. */
  spread: number;
  /** Links that exist bring nothing for now. */
  silent: boolean;
  /** Datagrams do not arrive. */
  dropDatagrams: boolean;
}

/** A network with a service in it. */
export class World {
  readonly clock = new FakeClock();
  readonly environment = new FakeEnvironment();
  readonly random: () => number;
  readonly engine = new MemoryEngine({ now: () => this.clock.now() });
  readonly observer = new Recorder();
  readonly paths: Record<Path, PathConditions> = { quic: conditions(), websocket: conditions() };
  readonly links = new Set<MemoryLink>();
  /** Dials so far, oldest first. */
  readonly dials: { path: Path; at: number }[] = [];
  readonly tokens = new Map<string, number>();
  /** Users whose tokens are refused. */
  readonly refused = new Set<string>();
  settings = testSettings();
  /** Messages to clients that get lost on a link that lives, as on a stream that breaks. */
  swallow: (message: Message) => boolean = () => false;
  up = true;
  sessions!: Sessions;
  hub!: Hub;

  constructor(seed = 1) {
    this.random = seeded(seed);
    this.start();
  }

  /** Starts the service, with what the engine has kept. */
  start(): void {
    this.up = true;
    const hub = this.hub = new Hub({
      engine: this.engine,
      namespace: () => DEFAULT_NAMESPACE,
      now: () => this.clock.now(),
    });
    const reports = {
      rtt: () => {},
      report: (_client: unknown, report: object) => this.observer.report("memory", report),
    };
    const router = new Router(routes({ hub, reports }));
    this.sessions = new Sessions({
      settings: () => this.settings,
      authenticator: {
        verify: (token) => {
          const [user = "", seconds] = token.split(" ");
          if (this.refused.has(user)) return Promise.reject(new ProtocolError("invalid_token"));
          return Promise.resolve(
            principal(user, seconds === undefined ? Infinity : Date.now() + Number(seconds) * 1000),
          );
        },
      },
      membership: hub,
      observer: this.observer,
      node: "test",
      dispatch: (context) => router.dispatch(context),
    });
  }

  /** Kills the service: nobody is told anything. */
  kill(): void {
    this.up = false;
    this.cut();
    this.hub = undefined as never;
  }

  /** Cuts links as a broken network does; all of them, or those of one path. */
  cut(path?: Path): void {
    for (const link of [...this.links]) if (path === undefined || link.path === path) link.cut();
  }

  /** Options of a client in this world. */
  options(user: string, over: Partial<ClientOptions> = {}): ClientOptions {
    return {
      getToken: () => {
        this.tokens.set(user, (this.tokens.get(user) ?? 0) + 1);
        return user;
      },
      ...over,
      parts: {
        clock: this.clock,
        random: this.random,
        environment: this.environment,
        transports: {
          quic: () => new MemoryLink(this, "quic", user),
          websocket: () => new MemoryLink(this, "websocket", user),
        },
        ...over.parts,
      },
    };
  }

  /** Lets time pass until `condition` holds; fails after `most` milliseconds. */
  async until(condition: () => boolean, most = 60_000, step = 20): Promise<void> {
    for (let passed = 0; !condition(); passed += step) {
      if (passed > most) throw new Error(`not within ${most} ms: ${condition}`);
      await this.clock.advance(step);
    }
  }
}

function conditions(): PathConditions {
  return { dial: "open", latency: 5, spread: 0, silent: false, dropDatagrams: false };
}

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
  readonly #roads = new Map<string, Road>();

  constructor(readonly world: World, readonly path: Path, readonly owner: string) {
    this.kind = path === "quic" ? "webtransport" : "websocket";
    this.laneful = path === "quic";
  }

  get maxDatagramSize(): number {
    return this.laneful ? 1200 : 0;
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
    const refused = world.sessions.admit(server.remoteAddress);
    if (refused !== undefined) throw new Error(refused);
    this.#peer = client;
    client.onMessage = (message, lane, datagram) => this.#fromServer(message, lane, datagram);
    void client.closed.then(({ code, reason, by }) =>
      this.#travel("closing", () => this.#end({ code, reason, by: by === "local" ? "remote" : "local" }))
    );
    world.sessions.accept(server);
    world.links.add(this);
  }

  send(message: Encoded, lane: number): void {
    const { type, payload } = message.message;
    this.sentOn.push({ type, channel: payload.channel, lane });
    this.traffic.messagesOut++;
    this.traffic.bytesOut += message.size("json");
    // What goes over a wire is a copy.
    const copy: Message = JSON.parse(message.text());
    this.#travel(`out ${this.laneful ? lane : 0}`, () => void this.#peer!.send(copy, lane));
  }

  sendDatagram(message: Encoded): boolean {
    if (!this.laneful || this.world.paths[this.path].dropDatagrams) return this.laneful;
    this.#travel("out datagram", () => void this.#peer!.sendDatagram(message.message));
    return true;
  }

  openLane(): void {}

  close(code = 1000, reason = ""): Promise<void> {
    if (!this.#ended && this.#peer !== undefined) {
      const peer = this.#peer;
      // The good-bye travels behind what was sent.
      this.#travel("out 0", () => peer.close(code, reason));
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
