/**
 * What waits for one lane.
 *
 * @module
 */

import { type Encoded, lanePriority, place } from "../protocol/mod.ts";
import type { Queued } from "../transport/contract.ts";

/** A message that waits. */
export interface QueuedItem extends Queued {
  /** The channel whose stop drops it; `undefined`: it is not in a channel's deliveries. */
  readonly channel: string | undefined;
  size: number;
  /** Of the message, or of a more urgent one of its channel that waits behind it. */
  priority: number;
}

/** Channels remembered for each lane: more than a session can be on at once, with the default limits. */
const MAX_DELIVERED = 256;
/** Taken messages that are kept in the array before it is cut. */
const MAX_TAKEN = 1024;

/** A queue that is taken from at one end, and from which a channel's messages can be dropped. */
export class LaneQueue {
  readonly lane: number;
  readonly priority: number;
  #items: QueuedItem[] = [];
  #head = 0;
  #bytes = 0;
  /** The last one taken from is at the end. Made for the first delivery on a stream. */
  #delivered: Set<string> | undefined;
  #lastDelivered: string | undefined;

  constructor(lane: number) {
    this.lane = lane;
    this.priority = lanePriority(lane);
  }

  /** Messages that wait. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Channels whose deliveries were taken for the lane's stream. */
  get delivered(): Iterable<string> {
    return this.#delivered ?? [];
  }

  /** Adds a message: at the end, or before less urgent ones of other channels. */
  push(item: QueuedItem): void {
    place(this.#items, this.#head, item, orderOf);
    this.#bytes += item.size;
  }

  /** The message that leaves last. */
  get last(): Encoded | undefined {
    return this.#items.at(-1)?.message;
  }

  /** The one that leaves last becomes `bytes` longer. */
  growLast(bytes: number): void {
    this.#items.at(-1)!.size += bytes;
    this.#bytes += bytes;
  }

  /** Takes the first message. `forStream`: it goes on a stream of this lane, whose loss may take it along. */
  take(forStream: boolean): QueuedItem | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head++]!;
    this.#bytes -= item.size;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > MAX_TAKEN && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    if (forStream && item.channel !== undefined && item.channel !== this.#lastDelivered) {
      this.#remember(item.channel);
    }
    return item;
  }

  /** Drops the messages of a channel; returns how many, and their bytes. */
  drop(channel: string): { count: number; bytes: number } {
    const kept: QueuedItem[] = [];
    let bytes = 0, count = 0;
    for (const item of this.rest()) {
      if (item.channel === channel) {
        bytes += item.size;
        count += item.message.count;
      } else kept.push(item);
    }
    this.#items = kept;
    this.#head = 0;
    this.#bytes -= bytes;
    return { count, bytes };
  }

  /** What waits, in order. */
  *rest(): Generator<QueuedItem> {
    for (let i = this.#head; i < this.#items.length; i++) yield this.#items[i]!;
  }

  #remember(channel: string): void {
    this.#lastDelivered = channel;
    const delivered = this.#delivered ??= new Set();
    delivered.delete(channel);
    delivered.add(channel);
    if (delivered.size <= MAX_DELIVERED) return;
    for (const oldest of delivered) return void delivered.delete(oldest);
  }
}

/** The channel within whose order a message stays: a reply or a notice about a channel has its place there, too. */
function orderOf({ channel, message: { message: { payload } } }: QueuedItem): string | undefined {
  return channel ?? (typeof payload.channel === "string" ? payload.channel : undefined);
}
