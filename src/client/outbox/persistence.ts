/**
 * The outbox beside a storage: what is kept is read at the start, what changes is written in the background. A storage
 * that does not work is done without.
 *
 * @module
 */

import { deadline, settles } from "../../async/deadline.ts";
import type { Clock } from "../clock.ts";
import { SkeinError } from "../errors.ts";
import { type OutboxStorage, StorageWriter, type StoredMessage } from "./storage.ts";

/** Milliseconds a storage has to give what is kept, and to write what waits when the client closes. */
const PATIENCE = 10_000;

/** What is told of a storage. */
export interface PersistenceEvents {
  /** An earlier run has left messages; nothing of them: it is known that there are none, or they cannot be had. */
  restored(messages: readonly StoredMessage[]): void;
  /** Another client has left messages behind. */
  adopted(messages: readonly StoredMessage[]): void;
  /** It does not work: what is published is kept in memory only. */
  failed(error: SkeinError): void;
}

/** Keeps messages, where there is a storage. */
export class Persistence {
  readonly #storage: OutboxStorage | undefined;
  readonly #clock: Clock;
  readonly #events: PersistenceEvents;
  #writer: StorageWriter | undefined;
  #isTold = false;
  /** Resolves when what was kept has been told, or cannot be had. */
  readonly loaded: Promise<void>;
  /** The same. */
  isLoaded: boolean;

  constructor(storage: OutboxStorage | undefined, clock: Clock, events: PersistenceEvents) {
    this.#storage = storage;
    this.#clock = clock;
    this.#events = events;
    this.isLoaded = storage === undefined;
    if (storage !== undefined) {
      this.#writer = new StorageWriter(storage, clock, (cause) => this.#failed(cause));
    }
    this.loaded = storage === undefined ? Promise.resolve() : this.#load(storage);
  }

  /** Keeps a message. */
  add(message: StoredMessage): void {
    this.#writer?.add(message);
  }

  /** Forgets a message. */
  remove(id: string): void {
    this.#writer?.remove(id);
  }

  /** Resolves when all is written, or cannot be. */
  async close(): Promise<void> {
    const written = this.loaded.then(() => this.#writer?.idle());
    await settles(written, PATIENCE, { timers: this.#clock });
    await this.#storage?.close?.();
  }

  async #load(storage: OutboxStorage): Promise<void> {
    let messages: readonly StoredMessage[] = [];
    try {
      // What it throws is a rejection, too.
      const loading = Promise.resolve().then(() => storage.load((later) => this.#events.adopted(later)));
      const late = () => new Error(`no answer within ${PATIENCE} ms`);
      messages = await deadline(loading, PATIENCE, late, { timers: this.#clock });
    } catch (cause) {
      this.#writer = undefined;
      this.#failed(cause);
    }
    this.isLoaded = true;
    this.#events.restored(messages);
  }

  #failed(cause: unknown): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const text = "the outbox cannot be stored: messages are in memory only";
    this.#events.failed(new SkeinError("storage", text, { cause }));
  }
}
