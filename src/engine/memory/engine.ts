/**
 * The engine that keeps everything in this process: for tests and throw-away use. It answers at once, without a turn of
 * the event loop.
 *
 * @module
 */

import type { Engine, EngineStatus } from "../contract.ts";
import { Listeners } from "../local/bus.ts";
import { LocalCommands } from "../local/commands.ts";
import { LocalPresence } from "../local/presence.ts";
import type { MemoryBlobs } from "./blobs.ts";
import { MemoryLog } from "./log.ts";
import { MemoryStore, type MemoryStoreOptions } from "./store.ts";
import type { MemoryValues } from "./values.ts";

/** Options of the memory engine; those of the store count when the engine makes it. */
export interface MemoryEngineOptions extends MemoryStoreOptions {
  /** The store, when it is to be shared with other engines. @default one of its own */
  readonly store?: MemoryStore;
  /** Told when a follower or listener throws: the publisher is not. @default ignored */
  readonly failed?: (error: unknown, stage: string) => void;
}

/** Keeps messages, presence, values, files, dedupe keys and nodes in memory. */
export class MemoryEngine implements Engine {
  readonly name = "memory";
  readonly log: MemoryLog;
  readonly presence: LocalPresence;
  readonly values: MemoryValues;
  readonly commands: LocalCommands;
  readonly blobs: MemoryBlobs;
  readonly #store: MemoryStore;
  readonly #listeners: Listeners;
  #open = true;

  constructor(options: MemoryEngineOptions = {}) {
    const store = this.#store = options.store ?? new MemoryStore(options);
    const { failed = () => {} } = options;
    const listeners = this.#listeners = new Listeners(failed);
    store.bus.join(listeners);
    this.log = new MemoryLog(store, listeners);
    this.presence = new LocalPresence(store.presence, listeners, store.clock);
    this.values = store.values;
    this.commands = new LocalCommands(store.nodes, failed);
    this.blobs = store.blobs;
  }

  sweep(): void {
    this.#store.sweep();
  }

  /** Nothing is left of what is removed from memory. */
  scrub(): void {}

  healthy(): boolean {
    return this.#open;
  }

  status(): EngineStatus {
    return { channels: this.#store.size };
  }

  close(): void {
    this.#open = false;
    this.#store.bus.leave(this.#listeners);
    this.#listeners.clear();
    this.commands.close();
  }
}
