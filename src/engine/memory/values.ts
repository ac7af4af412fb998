/**
 * Small values in memory.
 *
 * @module
 */

import type { Clock } from "../../async/clock.ts";
import type { Content, PutOptions, Value, ValueKey, Values } from "../contract.ts";

interface Entry {
  readonly value: Value;
  /** When it goes, in milliseconds of the clock. */
  readonly expires: number;
}

/** The values of a store. */
export class MemoryValues implements Values {
  readonly #clock: Clock;
  readonly #belongs: (channel: string) => void;
  /** By channel (empty for those without one), then by name. */
  readonly #channels = new Map<string, Map<string, Entry>>();
  #revision = 0;
  #expiring = 0;

  /** `belongs` is told of the first value of a channel. */
  constructor(clock: Clock, belongs: (channel: string) => void) {
    this.#clock = clock;
    this.#belongs = belongs;
  }

  get({ channel = "", name }: ValueKey): Value | undefined {
    const entry = this.#channels.get(channel)?.get(name);
    if (entry === undefined || (entry.expires !== Infinity && entry.expires <= this.#clock.now())) {
      return undefined;
    }
    return entry.value;
  }

  put(key: ValueKey, content: Content, options: PutOptions = {}): number | undefined {
    const { channel = "", name } = key;
    const { revision, ttl = Infinity } = options;
    if (revision !== undefined && (this.get(key)?.revision ?? 0) !== revision) return undefined;
    let values = this.#channels.get(channel);
    if (values === undefined) {
      this.#channels.set(channel, values = new Map());
      if (channel !== "") this.#belongs(channel);
    }
    if ((values.get(name)?.expires ?? Infinity) !== Infinity) this.#expiring--;
    if (ttl !== Infinity) this.#expiring++;
    const value: Value = { ...content, revision: ++this.#revision };
    values.set(name, { value, expires: this.#clock.now() + ttl });
    return value.revision;
  }

  delete(key: ValueKey, revision?: number): boolean {
    const known = this.get(key);
    if (known === undefined || (revision !== undefined && known.revision !== revision)) return false;
    this.#remove(key.channel ?? "", key.name);
    return true;
  }

  /** Removes the values of a channel. */
  forget(channel: string): void {
    for (const name of [...this.#channels.get(channel)?.keys() ?? []]) this.#remove(channel, name);
  }

  /** Removes what has expired. */
  sweep(): void {
    if (this.#expiring === 0) return;
    const now = this.#clock.now();
    for (const [channel, values] of this.#channels) {
      for (const [name, { expires }] of values) if (expires <= now) this.#remove(channel, name);
    }
  }

  #remove(channel: string, name: string): void {
    const values = this.#channels.get(channel);
    const entry = values?.get(name);
    if (values === undefined || entry === undefined) return;
    if (entry.expires !== Infinity) this.#expiring--;
    values.delete(name);
    if (values.size === 0) this.#channels.delete(channel);
  }
}
