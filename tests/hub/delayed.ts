/**
 * An engine whose every answer waits until the test lets it go on, in an order the test picks.
 *
 * @module
 */

import type { Commands, Engine, EngineStatus, Log, Presence, Values } from "../../src/engine/contract.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";

/**
 * Wraps a memory engine. Each call is acted on at one step and answered at a later one, so answers are stale and
 * overtake each other; what a follower is told waits too, but stays in order within its channel, as the contract
 * says.
 */
export class DelayedEngine implements Engine {
  readonly name = "delayed";
  /** All channels count together, so offsets have gaps. */
  readonly inner = new MemoryEngine({ offsets: "store" });
  /** The next calls of this kind are rejected, this often. */
  readonly failing = { read: 0, follow: 0, position: 0 };
  readonly #tasks: (() => void)[] = [];
  readonly #follows = new Map<string, number>();
  #turn = 0;

  /** How much waits to be done. */
  get waiting(): number {
    return this.#tasks.length;
  }

  /** Does one of the waiting things. */
  step(pick: number): void {
    const [task] = this.#tasks.splice(pick % this.#tasks.length, 1);
    task?.();
  }

  /** At once: the hub has no use for files. */
  readonly blobs = this.inner.blobs;

  readonly log: Log = {
    publish: (...args) => this.#later(() => this.inner.log.publish(...args)),
    read: (...args) => this.#later(() => this.#failOr("read", () => this.inner.log.read(...args))),
    get: (...args) => this.#later(() => this.#failOr("read", () => this.inner.log.get(...args))),
    position: (channel) =>
      this.#later(() => this.#failOr("position", () => this.inner.log.position(channel))),
    trim: (...args) => this.#later(() => this.inner.log.trim(...args)),
    follow: (channel, follower) => {
      const turn = ++this.#turn;
      this.#follows.set(channel, turn);
      const queue: (() => void)[] = [];
      return this.#later(() =>
        this.#failOr("follow", () => {
          if (this.#follows.get(channel) !== turn) return;
          this.inner.log.follow(channel, (name, record, epoch) => {
            queue.push(() => follower(name, record, epoch));
            this.#tasks.push(() => {
              const next = queue.shift();
              if (this.#follows.get(channel) === turn) next?.();
            });
          });
        })
      );
    },
    unfollow: (channel) => {
      this.#follows.delete(channel);
      this.inner.log.unfollow(channel);
    },
    publishEphemeral: (...args) => void this.#tasks.push(() => this.inner.log.publishEphemeral(...args)),
    grow: (...args) => this.#later(() => this.inner.log.grow(...args)),
    onPiece: (listener) => this.inner.log.onPiece(listener),
    onInterruption: (listener) => this.inner.log.onInterruption(listener),
    onEphemeral: (listener) => this.inner.log.onEphemeral(listener),
    forget: (channel) => this.#later(() => this.inner.log.forget(channel)),
    onForget: (listener) =>
      this.inner.log.onForget((channel) => void this.#tasks.push(() => listener(channel))),
    redact: (...args) => this.#later(() => this.inner.log.redact(...args)),
    list: (options) => this.#later(() => this.inner.log.list(options)),
  };

  readonly presence: Presence = {
    enter: (...args) => this.inner.presence.enter(...args),
    leave: (...args) => this.inner.presence.leave(...args),
    list: (channel) => this.#later(() => this.inner.presence.list(channel)),
    onChange: (listener) => this.inner.presence.onChange(listener),
  };

  readonly values: Values = {
    get: (key) => this.#later(() => this.inner.values.get(key)),
    put: (...args) => this.#later(() => this.inner.values.put(...args)),
    delete: (...args) => this.#later(() => this.inner.values.delete(...args)),
  };

  readonly commands: Commands = {
    node: this.inner.commands.node,
    announce: (...args) => this.#later(() => this.inner.commands.announce(...args)),
    retire: () => this.#later(() => this.inner.commands.retire()),
    nodes: () => this.#later(() => this.inner.commands.nodes()),
    claim: (...args) => this.#later(() => this.inner.commands.claim(...args)),
    release: (...args) => this.#later(() => this.inner.commands.release(...args)),
    locate: (session) => this.#later(() => this.inner.commands.locate(session)),
    find: (of) => this.#later(() => this.inner.commands.find(of)),
    onLost: (listener) =>
      this.inner.commands.onLost((...loss) => void this.#tasks.push(() => listener(...loss))),
    send: (...args) => this.#later(() => this.inner.commands.send(...args)).then((answer) => answer),
    broadcast: (...args) =>
      this.#later(() => this.inner.commands.broadcast(...args)).then((answers) => answers),
    onCommand: (handler) => this.inner.commands.onCommand(handler),
  };

  sweep(): void {
    this.inner.sweep();
  }

  scrub(): void {
    this.inner.scrub();
  }

  healthy(): boolean {
    return this.inner.healthy();
  }

  status(): EngineStatus {
    return this.inner.status();
  }

  close(): void {
    this.inner.close();
  }

  #later<T>(act: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#tasks.push(() => {
      try {
        const result = act();
        this.#tasks.push(() => resolve(result));
      } catch (error) {
        this.#tasks.push(() => reject(error));
      }
    });
    return promise;
  }

  #failOr<T>(what: keyof typeof this.failing, act: () => T): T {
    if (this.failing[what] === 0) return act();
    this.failing[what]--;
    throw new Error(`${what} fails`);
  }
}
