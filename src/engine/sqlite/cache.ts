/**
 * Channels in memory, as many as fit.
 *
 * @module
 */

import type { Channel } from "./channel.ts";

/**
 * Two generations of channels: when the younger one weighs half of what is allowed, the older one is let go of as a
 * whole. Whoever is asked for moves to the younger one. A channel that is followed stays, but without its messages.
 */
export class ChannelCache {
  readonly #half: number;
  readonly #load: (name: string) => Channel;
  readonly #pinned = new Map<string, Channel>();
  #young = new Map<string, Channel>();
  #old = new Map<string, Channel>();
  #weight = 0;

  /** `most`: bytes, about; `load` finds or makes a channel that is not in memory. */
  constructor(most: number, load: (name: string) => Channel) {
    this.#half = most / 2;
    this.#load = load;
  }

  /** A channel; it has no row when it was never published to. */
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

  /** A channel got heavier. */
  grew(bytes: number): void {
    this.#weight += bytes;
    if (this.#weight < this.#half) return;
    for (const channel of this.#old.values()) channel.dropTail();
    this.#old = this.#young;
    this.#young = new Map();
    this.#weight = 0;
  }

  /** Keeps a channel in memory. */
  pin(name: string): Channel {
    const channel = this.get(name);
    this.#pinned.set(name, channel);
    return channel;
  }

  /** The channel need not be kept in memory. */
  unpin(name: string): void {
    this.#pinned.delete(name);
  }

  /** Whether it is kept in memory. */
  isPinned(name: string): boolean {
    return this.#pinned.has(name);
  }

  /** The channel is no more; the next one of its name is another one. */
  forget(name: string): void {
    this.#young.delete(name);
    this.#old.delete(name);
    this.#pinned.delete(name);
  }

  /** How many channels are in memory. */
  get size(): number {
    const names = new Set([...this.#young.keys(), ...this.#old.keys(), ...this.#pinned.keys()]);
    return names.size;
  }
}
