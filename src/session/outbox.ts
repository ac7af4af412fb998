/**
 * What waits for one connection: a bounded queue per lane, taken from by the transport when it can write. The table of
 * message types says how each message waits. A slow peer is handled in grades: messages are replaced by newer ones,
 * then what may be lost is dropped, then the channel that holds most is stopped, and at last the connection ends.
 *
 * @module
 */

import { type Encoded, type Form, NORMAL } from "../protocol/mod.ts";
import type { OutboxSource, Queued, Unwritten } from "../transport/contract.ts";
import { LaneQueue, type QueuedItem } from "./lane_queue.ts";

/** Why a channel is stopped: its client is slow, or has stopped the lane on which deliveries were under way. */
export type StopReason = "slow_consumer" | "lane_lost";

/** What an outbox tells its session. */
export interface OutboxEvents {
  /** `channel` was stopped: at least `dropped` of its messages are lost. The owner must send no more of them. */
  stopped(channel: string, dropped: number, reason: StopReason): void;
  /** Messages that may be lost were replaced by newer ones, or dropped. */
  dropped(grade: "coalesced" | "ephemeral", count: number): void;
  /** The outbox is full although every channel was stopped: the connection has to end. */
  overflow(): void;
}

/** Share of the bound from which on nothing is taken in that may be dropped. */
const DROPPABLE_SHARE = 0.5;
/** Bytes above the bound that replies and notices may still use. */
const RESERVE = 1.25;
/**
 * Messages a lane may have waiting while others hold most of the outbox, and the share of its bytes they may take: enough
 * to go on with, too little to fill it.
 */
const LANE_MESSAGES = 4, LANE_SHARE = 1 / 8;

/** The outbox of one connection. */
export class Outbox implements OutboxSource {
  readonly #lanes = new Map<number, LaneQueue>();
  /** By descending priority. */
  #order: LaneQueue[] = [];
  /** What may be dropped. A newer message with the same key replaces one that waits; an ephemeral one has a key of its own. */
  readonly #droppable = new Map<string | number, QueuedItem>();
  #nextKey = 0;
  /** What waits for room, by lane. */
  readonly #rooms = new Map<number | undefined, PromiseWithResolvers<void>>();
  readonly #events: OutboxEvents;
  #max: number;
  #bytes = 0;
  #count = 0;
  #form: () => Form;

  /** Holds at most about `max` bytes. */
  constructor(max: number, form: () => Form, events: OutboxEvents) {
    this.#max = max;
    this.#form = form;
    this.#events = events;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that wait. */
  get length(): number {
    return this.#count;
  }

  /**
   * Undefined while it is less than half full; else resolves once three quarters are free, or when it is cleared. What
   * can be dropped names its `lane`: there is room as long as hardly anything waits on that one, so that a lane the
   * peer does not read does not hold up the others.
   */
  whenRoom(lane?: number): Promise<void> | undefined {
    if (this.#bytes <= this.#max / 2) return undefined;
    if (lane !== undefined) {
      const queue = this.#lanes.get(lane);
      if (queue === undefined) return undefined;
      if (queue.length <= LANE_MESSAGES && queue.bytes <= this.#max * LANE_SHARE) return undefined;
    }
    let room = this.#rooms.get(lane);
    if (room === undefined) this.#rooms.set(lane, room = Promise.withResolvers<void>());
    return room.promise;
  }

  /** Takes a message in as the table says for its type. False: it was dropped. */
  add(message: Encoded, lane: number): boolean {
    const { policy, key } = message.queueing;
    if (policy === "always") this.push(message, lane);
    else if (policy === "channel") {
      this.#add(message, lane, key);
      if (this.#bytes > this.#max) this.#relieve();
    } else return this.#addDroppable(message, lane, policy === "latest" ? key : ++this.#nextKey);
    return true;
  }

  /** Takes in a reply or a notice, whatever its type: it is never dropped. */
  push(message: Encoded, lane: number): void {
    this.#add(message, lane, undefined);
    if (this.#bytes > this.#max * RESERVE) this.#relieve();
    if (this.#bytes > this.#max * RESERVE) this.#events.overflow();
  }

  /** The message that leaves last on `lane`. */
  last(lane: number): Encoded | undefined {
    return this.#lanes.get(lane)?.last;
  }

  /** Counts one message more, of `bytes`, in the `last` one on `lane`. False: there is no room for it. */
  growLast(lane: number, bytes: number): boolean {
    if (this.#bytes + bytes > this.#max * RESERVE) return false;
    this.#lanes.get(lane)!.growLast(bytes);
    this.#bytes += bytes;
    this.#count++;
    return true;
  }

  take(lane?: number): Queued | undefined {
    const item = lane === undefined
      ? this.#takeFirst()
      : this.#takeFrom(this.#lanes.get(lane), true) ?? this.#takeDroppable(lane);
    if (item !== undefined) {
      this.#bytes -= item.size;
      this.#count -= item.message.count;
      if (this.#rooms.size > 0 && this.#bytes <= this.#max / 4) this.#roomAgain();
    }
    return item;
  }

  reroute(lane: number): void {
    if (lane === 0) return;
    const queue = this.#lanes.get(lane);
    if (queue !== undefined) {
      this.#letGo(lane);
      this.#lanes.delete(lane);
      this.#order = this.#order.filter((other) => other !== queue);
      for (const item of queue.rest()) this.#queue(0).push({ ...item, lane: 0 });
    }
    for (const [key, item] of this.#droppable) {
      if (item.lane === lane) this.#droppable.set(key, { ...item, lane: 0 });
    }
  }

  laneLost(lane: number, { inFlight, waiting }: Unwritten<Encoded>): void {
    const stopped = new Map<string, number>();
    for (const channel of this.#lanes.get(lane)?.delivered ?? []) stopped.set(channel, 0);
    const again: Encoded[] = [];
    for (const message of inFlight) {
      const { policy, key } = message.queueing;
      if (policy === "channel") stopped.set(key, (stopped.get(key) ?? 0) + message.count);
      else if (policy === "always") again.push(message);
    }
    for (const message of waiting) {
      const { policy, key } = message.queueing;
      const count = policy === "channel" ? stopped.get(key) : undefined;
      if (count === undefined) again.push(message);
      else if (policy === "channel") stopped.set(key, count + message.count);
    }
    // What was taken comes before what waits: `reroute` puts that behind it.
    for (const message of again) this.#add(message, 0, channelOf(message));
    this.reroute(lane);
    for (const [channel, lost] of stopped) {
      this.#events.stopped(channel, lost + this.#drop(channel), "lane_lost");
    }
  }

  /** Drops everything: the connection is gone. */
  clear(): void {
    this.#lanes.clear();
    this.#order = [];
    this.#droppable.clear();
    this.#bytes = 0;
    this.#count = 0;
    this.#roomAgain();
  }

  #roomAgain(): void {
    for (const lane of this.#rooms.keys()) this.#letGo(lane);
  }

  #letGo(lane: number | undefined): void {
    this.#rooms.get(lane)?.resolve();
    this.#rooms.delete(lane);
  }

  /** A message that waits under the same `key` is replaced. False: there is no room for this one. */
  #addDroppable(message: Encoded, lane: number, key: string | number): boolean {
    const older = this.#droppable.get(key);
    if (older !== undefined) {
      this.#bytes -= older.size;
      this.#count--;
      this.#droppable.delete(key);
      this.#events.dropped("coalesced", 1);
    }
    const size = message.size(this.#form());
    // What takes no more room than the one it replaces is not dropped: the client would be left with neither.
    if (size > (older?.size ?? 0) && this.#bytes + size > this.#max * DROPPABLE_SHARE) {
      this.#events.dropped("ephemeral", 1);
      return false;
    }
    this.#droppable.set(key, { message, lane, size, channel: undefined, priority: NORMAL });
    this.#bytes += size;
    this.#count++;
    return true;
  }

  #add(message: Encoded, lane: number, channel: string | undefined): void {
    const size = message.size(this.#form());
    this.#queue(lane).push({ message, lane, size, channel, priority: message.queueing.priority });
    this.#bytes += size;
    this.#count += message.count;
  }

  #queue(lane: number): LaneQueue {
    let queue = this.#lanes.get(lane);
    if (queue === undefined) {
      queue = new LaneQueue(lane);
      this.#lanes.set(lane, queue);
      this.#order.push(queue);
      this.#order.sort((a, b) => b.priority - a.priority);
    }
    return queue;
  }

  #takeFrom(queue: LaneQueue | undefined, forStream: boolean): QueuedItem | undefined {
    const item = queue?.take(forStream);
    if (item !== undefined && queue!.length === 0) this.#letGo(queue!.lane);
    return item;
  }

  #takeFirst(): QueuedItem | undefined {
    for (const queue of this.#order) {
      const item = this.#takeFrom(queue, false);
      if (item !== undefined) return item;
    }
    return this.#takeDroppable();
  }

  #takeDroppable(lane?: number): QueuedItem | undefined {
    if (this.#droppable.size === 0) return undefined;
    for (const [key, item] of this.#droppable) {
      if (lane === undefined || item.lane === lane) {
        this.#droppable.delete(key);
        return item;
      }
    }
    return undefined;
  }

  /**
   * Drops all messages that may be dropped. If that is not enough, it stops channels, those with the most bytes
   * first, until half of the outbox is free.
   */
  #relieve(): void {
    if (this.#droppable.size > 0) {
      for (const item of this.#droppable.values()) this.#bytes -= item.size;
      this.#count -= this.#droppable.size;
      this.#events.dropped("ephemeral", this.#droppable.size);
      this.#droppable.clear();
    }
    if (this.#bytes <= this.#max) return;
    const held = new Map<string, number>();
    for (const queue of this.#order) {
      for (const { channel, size } of queue.rest()) {
        if (channel !== undefined) held.set(channel, (held.get(channel) ?? 0) + size);
      }
    }
    const most = [...held].sort((a, b) => b[1] - a[1]);
    for (const [channel] of most) {
      if (this.#bytes <= this.#max / 2) return;
      this.#events.stopped(channel, this.#drop(channel), "slow_consumer");
      if (this.#bytes <= this.#max / 4) this.#roomAgain();
    }
  }

  #drop(channel: string): number {
    let dropped = 0;
    for (const queue of this.#order) {
      const { count, bytes } = queue.drop(channel);
      dropped += count;
      this.#bytes -= bytes;
      this.#count -= count;
      if (queue.length === 0) this.#letGo(queue.lane);
    }
    return dropped;
  }
}

/** The channel whose stop drops a message. */
function channelOf({ queueing: { policy, key } }: Encoded): string | undefined {
  return policy === "channel" ? key : undefined;
}
