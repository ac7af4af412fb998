/**
 * A storage that is given up only when nothing is being written to it any more.
 *
 * @module
 */

import { settles } from "../../async/deadline.ts";
import type { Clock } from "../clock.ts";
import { SkeinError } from "../errors.ts";
import type { GroupStorage } from "./storage.ts";

/** Milliseconds for what is being written when it is closed. */
const WRITING = 5_000;

/**
 * Wraps the storage of a device. Once it is closed another page may have it open: what still wants to write then gets
 * `closed`, and what was being written is waited for, at most some seconds.
 */
export class EndingStorage implements GroupStorage {
  readonly #storage: GroupStorage;
  readonly #clock: Clock;
  readonly #writing = new Set<Promise<void>>();
  #isClosed = false;

  constructor(storage: GroupStorage, clock: Clock) {
    this.#storage = storage;
    this.#clock = clock;
  }

  async open(): Promise<void> {
    await this.#storage.open?.();
  }

  async keyPair(): Promise<CryptoKeyPair> {
    this.#check();
    return await this.#storage.keyPair();
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    this.#check();
    return await this.#storage.get(name);
  }

  async put(values: Readonly<Record<string, Uint8Array | undefined>>): Promise<void> {
    this.#check();
    const written = this.#storage.put(values);
    this.#writing.add(written);
    await written.finally(() => this.#writing.delete(written));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await settles(Promise.allSettled(this.#writing), WRITING, { timers: this.#clock });
    await this.#storage.close?.();
  }

  #check(): void {
    if (this.#isClosed) throw SkeinError.closed();
  }
}
