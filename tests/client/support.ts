/**
 * A world for client tests: a clock that is moved by hand, and a network in memory whose links can be slow, cut or
 * blocked. At its other end are the real sessions, hub, handlers and engine.
 *
 * @module
 */

import type { Cipher } from "../../src/client/documents/encryption.ts";
import type { Environment, EnvironmentEvent } from "../../src/client/environment.ts";
import type { ClientOptions } from "../../src/client/options.ts";
import type { OutboxStorage, StoredMessage } from "../../src/client/outbox/storage.ts";
import type { Path } from "../../src/client/policy/paths.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { routes } from "../../src/handlers/mod.ts";
import { DEFAULT_NAMESPACE, Hub } from "../../src/hub/mod.ts";
import { type Message, ProtocolError } from "../../src/protocol/mod.ts";
import { Router } from "../../src/router/mod.ts";
import { Sessions } from "../../src/session/mod.ts";
import { principal, Recorder, testSettings } from "../session/support.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { MemoryLink } from "./memory_link.ts";

export { FakeClock, settle };

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
  quicIsDoubtful = false;
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
  /** So many milliseconds the engine is ahead of everybody else: what it remembers for a while is forgotten. */
  ahead = 0;
  readonly engine = new MemoryEngine({
    // Offsets have gaps: nothing may calculate with them.
    offsets: "store",
    clock: {
      now: () => this.clock.now() + this.ahead,
      wall: () => this.clock.wall() + this.ahead,
      after: (ms, fn) => this.clock.after(ms, fn),
    },
  });
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
      clock: this.clock,
    });
    const router = new Router(routes({ hub }));
    this.sessions = new Sessions({
      settings: () => this.settings,
      authenticator: {
        verify: (token) => {
          const [user = "", seconds] = token.split(" ");
          if (this.refused.has(user)) {
            return Promise.reject(
              new ProtocolError(user.endsWith("-late") ? "token_expired" : "invalid_token"),
            );
          }
          if (user.endsWith("-early") && !this.refused.has("begun")) {
            return Promise.reject(new ProtocolError("not_available", "not valid yet", { retryAfter: 8000 }));
          }
          const who = principal(user, seconds === undefined ? Infinity : Date.now() + Number(seconds) * 1000);
          // "dice-bot" answers the commands of "dice".
          return Promise.resolve(user.endsWith("-bot") ? { ...who, bot: user.slice(0, -4) } : who);
        },
      },
      membership: hub,
      claims: this.engine.commands,
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

  /**
   * `key` for documents in this world: other threads seal and open, and the world's clock waits for them. Each piece then
   * takes up to `spread` milliseconds of the world's time.
   */
  cipher(key: Cipher, spread = 0): Cipher {
    const taking = async (work: Promise<Uint8Array>): Promise<Uint8Array> => {
      const data = await this.clock.during(work);
      if (spread > 0) await new Promise<void>((resolve) => this.clock.after(this.random() * spread, resolve));
      return data;
    };
    return {
      seal: (kind, channel, data) => taking(key.seal(kind, channel, data)),
      open: (kind, channel, data) => taking(key.open(kind, channel, data)),
    };
  }

  /** What `work` resolves with, or its error; the clock moves while somebody waits for an answer. */
  async run<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const settled = work.finally(() => done = true);
    settled.catch(() => {});
    await this.until(() => done);
    return await settled;
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
