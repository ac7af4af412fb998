/**
 * The small values of the SQLite engine.
 *
 * @module
 */

import type { Content, MaybePromise, PutOptions, Value, ValueKey, Values } from "../contract.ts";
import type { Pending, Storage } from "./storage.ts";
import type { Touched } from "./transactions.ts";

/** Bytes above which a value is committed alone: if there is no room for it, that harms nobody else. */
const LARGE = 4096;

/** Values in the database. Small ones are committed together with what is published. */
export class SqliteValues implements Values {
  readonly #storage: Storage;
  readonly #idle: number;

  /** `idle`: milliseconds after which a channel that has values alone is forgotten. */
  constructor(storage: Storage, idle: number) {
    this.#storage = storage;
    this.#idle = idle;
  }

  get(key: ValueKey): Value | undefined {
    return this.#storage.read(() => this.#storage.values.get(key));
  }

  put(key: ValueKey, content: Content, options: PutOptions = {}): MaybePromise<number | undefined> {
    if ((content.data?.length ?? 0) > LARGE) {
      return this.#storage.write((touched) => this.#write(key, content, options, touched));
    }
    return new Promise((resolve, reject) => {
      let revision: number | undefined;
      const pending: Pending = {
        write: (touched) => void (revision = this.#write(key, content, options, touched)),
        committed: () => resolve(revision),
        failed: reject,
      };
      this.#storage.add(pending);
    });
  }

  delete(key: ValueKey, revision?: number): boolean {
    return this.#storage.write(() => this.#storage.values.delete(key, revision));
  }

  #write(key: ValueKey, content: Content, options: PutOptions, touched: Touched): number | undefined {
    const { values, now } = this.#storage;
    // Without a row a channel would never be forgotten, nor its values with it.
    if (key.channel !== undefined && this.#storage.channel(key.channel, touched).id === 0) {
      const channel = this.#storage.touch(key.channel, touched);
      channel.touched = now();
      channel.due = channel.touched + this.#idle;
    }
    return values.put(key, content, options);
  }
}
