/**
 * An engine whose every answer waits until the test lets it go on, in an order the test picks.
 *
 * @module
 */

import type {
  Bookmark,
  Engine,
  EphemeralListener,
  EphemeralMessage,
  Follower,
  NewRecord,
  Page,
  Position,
  PresenceEntry,
  PresenceListener,
  Published,
  PublishOptions,
  ReadOptions,
} from "../../src/engine/contract.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";

/**
 * Wraps a memory engine. Each call is acted on at one step and answered at a later one, so answers are stale and
 * overtake each other; what a follower is told waits too, but stays in order within its channel, as the contract
 * says.
 */
export class DelayedEngine implements Engine {
  readonly name = "delayed";
  readonly inner = new MemoryEngine();
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

  publish(
    channel: string,
    record: NewRecord,
    options: PublishOptions,
  ): Promise<Published> {
    return this.#later(() => this.inner.publish(channel, record, options));
  }

  read(channel: string, options?: ReadOptions): Promise<Page> {
    return this.#later(() => this.#failOr("read", () => this.inner.read(channel, options)));
  }

  position(channel: string): Promise<Position> {
    return this.#later(() => this.#failOr("position", () => this.inner.position(channel)));
  }

  trim(channel: string, offset: number): Promise<void> {
    return this.#later(() => this.inner.trim(channel, offset));
  }

  bookmark(channel: string, name: string): Promise<Bookmark | undefined> {
    return this.#later(() => this.inner.bookmark(channel, name));
  }

  setBookmark(channel: string, name: string, bookmark: Bookmark): Promise<Position> {
    return this.#later(() => this.inner.setBookmark(channel, name, bookmark));
  }

  follow(channel: string, follower: Follower): Promise<void> {
    const turn = ++this.#turn;
    this.#follows.set(channel, turn);
    const queue: (() => void)[] = [];
    return this.#later(() =>
      this.#failOr("follow", () => {
        if (this.#follows.get(channel) !== turn) return;
        this.inner.follow(channel, (name, record, epoch) => {
          queue.push(() => follower(name, record, epoch));
          this.#tasks.push(() => {
            const next = queue.shift();
            if (this.#follows.get(channel) === turn) next?.();
          });
        });
      })
    );
  }

  unfollow(channel: string): void {
    this.#follows.delete(channel);
    this.inner.unfollow(channel);
  }

  publishEphemeral(channel: string, message: EphemeralMessage): void {
    this.#tasks.push(() => this.inner.publishEphemeral(channel, message));
  }

  onEphemeral(listener: EphemeralListener): void {
    this.inner.onEphemeral(listener);
  }

  presenceEnter(channel: string, entry: PresenceEntry, ttl: number): void {
    this.inner.presenceEnter(channel, entry, ttl);
  }

  presenceLeave(channel: string, sessionId: string): void {
    this.inner.presenceLeave(channel, sessionId);
  }

  presence(channel: string): Promise<readonly PresenceEntry[]> {
    return this.#later(() => this.inner.presence(channel));
  }

  onPresence(listener: PresenceListener): void {
    this.inner.onPresence(listener);
  }

  sweep(now: number): void {
    this.inner.sweep(now);
  }

  healthy(): boolean {
    return this.inner.healthy();
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
