/**
 * How streamed messages grow within a group.
 *
 * @module
 */

import type { Grown, Growth } from "../contract.ts";
import { type GrowthEffect, growthOf, interruptionOf } from "../growth.ts";
import type { Listeners } from "../local/bus.ts";
import type { Pending, Storage } from "./storage.ts";
import type { Touched } from "./transactions.ts";

/** A change of a streamed message that waits for its group to be committed. */
abstract class PendingChange implements Pending {
  #change: GrowthEffect["change"];

  constructor(
    readonly storage: Storage,
    readonly listeners: Listeners,
    readonly channel: string,
    readonly target: number,
  ) {}

  write(touched: Touched): void {
    const { storage, channel: name, target } = this;
    const channel = storage.channel(name, touched);
    const kept = storage.store.message(channel, target);
    const change = this.#change = this.decide(kept, channel.epoch);
    if (change !== undefined) storage.store.replace(channel, target, change.payload);
    if (change?.piece.end !== undefined) storage.streams.delete(name, target);
  }

  committed(): void {
    const { storage, channel: name, target } = this;
    const change = this.#change;
    if (change !== undefined) {
      const channel = storage.channels.get(name);
      storage.channels.grew(channel.replace(target, change.payload, change.piece.content.length));
      this.listeners.grown(name, change.piece, channel.epoch);
    }
    this.told(change);
  }

  /** What is to be changed, within the transaction. */
  protected abstract decide(
    kept: Parameters<typeof growthOf>[0],
    epoch: string,
  ): GrowthEffect["change"];
  /** It is committed. */
  protected abstract told(change: GrowthEffect["change"]): void;
  abstract failed(error: unknown): void;
}

/** A message that its sender makes longer. */
export class PendingGrowth extends PendingChange {
  #grown: Grown = { length: 0 };

  constructor(
    storage: Storage,
    listeners: Listeners,
    channel: string,
    readonly growth: Growth,
    readonly resolve: (grown: Grown) => void,
    readonly reject: (error: unknown) => void,
  ) {
    super(storage, listeners, channel, growth.target);
  }

  protected override decide(
    kept: Parameters<typeof growthOf>[0],
    epoch: string,
  ): GrowthEffect["change"] {
    const { grown, change } = growthOf(kept, this.growth, epoch);
    this.#grown = grown;
    return change;
  }

  protected override told(change: GrowthEffect["change"]): void {
    const { storage: { streams }, channel, target, growth } = this;
    if (change !== undefined) {
      if (growth.end === undefined) streams.touch(channel, target, growth.patience);
      else streams.remove(channel, target);
    }
    this.resolve(this.#grown);
  }

  override failed(error: unknown): void {
    this.reject(error);
  }
}

/** A message that is ended because its sender was silent for too long. */
export class PendingInterruption extends PendingChange {
  protected override decide(kept: Parameters<typeof growthOf>[0]): GrowthEffect["change"] {
    const change = interruptionOf(kept, this.target);
    if (change === undefined) this.storage.streams.delete(this.channel, this.target);
    return change;
  }

  protected override told(change: GrowthEffect["change"]): void {
    this.storage.streams.remove(this.channel, this.target);
    if (change !== undefined) this.listeners.interrupted(this.channel, this.target);
  }

  /** The next sweep tries again. */
  override failed(): void {}
}
