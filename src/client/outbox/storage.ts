/**
 * Where unacknowledged messages are kept, so that a reload or a crash loses none.
 *
 * @module
 */

import { type AcknowledgedType, isAcknowledged, isId } from "../../protocol/core.ts";
import type { Payload } from "../../protocol/mod.ts";
import type { Clock } from "../clock.ts";
import { delay } from "../../async/deadline.ts";

/** A message as it is kept: it is sent again with the same `id`, so it has one effect. */
export interface StoredMessage {
  readonly id: string;
  readonly type: AcknowledgedType;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly payload: Payload;
  /** Who published it: it is said in nobody else's name. Absent when that was not known yet. */
  readonly user?: string;
}

/** Keeps messages in the order they were added. Calls come one at a time. */
export interface OutboxStorage {
  /**
   * All that is kept and that nobody else sends, oldest first. Called once, before anything else. `later` is called with
   * what another client that shares the storage leaves behind afterwards.
   */
  load(later?: (messages: readonly StoredMessage[]) => void): Promise<StoredMessage[]>;
  /** Resolves when these survive a crash. */
  add(messages: readonly StoredMessage[]): Promise<void>;
  /** Ids that are not kept are ignored. */
  remove(ids: readonly string[]): Promise<void>;
  /** Gives up files and handles. */
  close?(): Promise<void> | void;
}

/** Times a storage that fails is asked again. */
const RETRIES = 3;
const RETRY_DELAY = 200;

/** Writes to a storage in the background: in order, one call at a time, with what waits put together. */
export class StorageWriter {
  readonly #storage: OutboxStorage;
  readonly #clock: Clock;
  readonly #failed: (error: unknown) => void;
  #isFailing = false;
  readonly #added = new Map<string, StoredMessage>();
  readonly #removed = new Set<string>();
  #running: Promise<void> | undefined;

  /**
   * `failed` is told when something could not be written after several attempts, once until writing works again: those
   * messages are kept in memory only.
   */
  constructor(storage: OutboxStorage, clock: Clock, failed: (error: unknown) => void) {
    this.#storage = storage;
    this.#clock = clock;
    this.#failed = failed;
  }

  /** Keeps a message. */
  add(message: StoredMessage): void {
    this.#added.set(message.id, message);
    this.#wake();
  }

  /** Forgets a message. */
  remove(id: string): void {
    // Acknowledged before it was written: there is nothing to write.
    if (!this.#added.delete(id)) this.#removed.add(id);
    this.#wake();
  }

  /** Resolves when all is written, or has been given up. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  #wake(): void {
    this.#running ??= Promise.resolve().then(() => this.#run()).finally(() => {
      this.#running = undefined;
      if (this.#added.size > 0 || this.#removed.size > 0) this.#wake();
    });
  }

  async #run(): Promise<void> {
    while (this.#added.size > 0 || this.#removed.size > 0) {
      const added = [...this.#added.values()], removed = [...this.#removed];
      this.#added.clear();
      this.#removed.clear();
      if (added.length > 0) await this.#try(() => this.#storage.add(added));
      if (removed.length > 0) await this.#try(() => this.#storage.remove(removed));
    }
  }

  async #try(write: () => Promise<void>): Promise<void> {
    for (let attempt = 1;; attempt++) {
      try {
        await write();
        this.#isFailing = false;
        return;
      } catch (error) {
        // A storage that has failed before is not waited for again and again.
        if (attempt > RETRIES || this.#isFailing) {
          if (!this.#isFailing) this.#failed(error);
          this.#isFailing = true;
          return;
        }
        await delay(RETRY_DELAY * attempt, { timers: this.#clock });
      }
    }
  }
}

/** Whether `value` is a kept message: what is read back may have been written by another version, or by chance. */
export function isStored(value: unknown): value is StoredMessage {
  if (typeof value !== "object" || value === null) return false;
  const { id, type, timestamp, payload, user } = value as Record<string, unknown>;
  return typeof id === "string" && isId(id) && typeof type === "string" &&
    isAcknowledged(type) && (user === undefined || typeof user === "string") &&
    Number.isFinite(timestamp) && typeof payload === "object" && payload !== null && !Array.isArray(payload);
}
