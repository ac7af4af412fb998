/**
 * A cache of channels, bounded by the memory they take.
 *
 * @module
 */

import type { Channel } from "./channel.ts";

/**
 * Two generations of channels. When the young one takes half of the allowed memory, the old one is dropped as a whole and
 * the young one becomes the old one. A channel that is asked for moves to the young one, so channels in use are not
 * dropped. A channel that is followed (pinned) loses only its messages.
 */
export class ChannelCache {
  readonly #half: number;
  readonly #load: (name: string) => Channel;
  readonly #pinned = new Map<string, Channel>();
  #young = new Map<string, Channel>();
  #old = new Map<string, Channel>();
  #weight = 0;

  /** `most`: bytes, about. `load` reads a channel that is not in the cache; it makes one when there is no row. */
  constructor(most: number, load: (name: string) => Channel) {
    this.#half = most / 2;
    this.#load = load;
  }

  /** A channel. Its `id` is 0 when it was never published to. */
  get(name: string): Channel {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    let channel = this.#old.get(name);
    if (channel === undefined) channel = this.#pinned.get(name) ?? this.#load(name);
    else this.#old.delete(name);
    this.#young.set(name, channel);
    this.grew(channel.weight);
    return channel;
  }

  /** Adds `bytes`, which a channel has grown by, to what the cache weighs. */
  grew(bytes: number): void {
    this.#weight += bytes;
    if (this.#weight < this.#half) return;
    for (const channel of this.#old.values()) channel.dropTail();
    this.#old = this.#young;
    this.#young = new Map();
    this.#weight = 0;
  }

  /** Keeps a channel in the cache until `unpin`. */
  pin(name: string): Channel {
    const channel = this.get(name);
    this.#pinned.set(name, channel);
    return channel;
  }

  /** Undoes `pin`. */
  unpin(name: string): void {
    this.#pinned.delete(name);
  }

  /** Whether a channel is pinned. */
  isPinned(name: string): boolean {
    return this.#pinned.has(name);
  }

  /** Removes a channel that was deleted, so that a new one of the same name is not mistaken for it. */
  forget(name: string): void {
    this.#young.delete(name);
    this.#old.delete(name);
    this.#pinned.delete(name);
  }

  /** How many channels are in the cache. */
  get size(): number {
    const names = new Set([...this.#young.keys(), ...this.#old.keys(), ...this.#pinned.keys()]);
    return names.size;
  }
}
