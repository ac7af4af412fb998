/**
 * A channel with its local subscribers: fan-out, and the way from catching up to live.
 *
 * @module
 */

import type { StoredRecord } from "../engine/contract.ts";
import { Encoded, type ErrorName, type Message } from "../protocol/mod.ts";
import type { Delivery, HubSession, SubscribedChannel, Subscription } from "./session.ts";

/** What a channel tells its hub. */
export interface ChannelEvents {
  /** `subscription` cannot go on: it is to be removed and told why. */
  end(subscription: Subscription, reason: ErrorName): void;
  failed(error: unknown, stage: string): void;
}

/** A channel somebody on this node is on. */
export class Channel implements SubscribedChannel {
  readonly name: string;
  /** Rejects when the engine could not be followed. */
  ready: Promise<void> | undefined;
  /** Empty until the engine said it. */
  epoch = "";
  /** Offset of the last message fanned out. */
  offset = 0;
  /** In the fan-out. */
  readonly live: Subscription[] = [];
  /** On their way there. */
  readonly waiting = new Set<Subscription>();
  /** What came since somebody began to catch up, oldest first, as far as it was kept. */
  tail: Delivery[] = [];
  /** Everything after this offset that was fanned out is in `tail`. */
  floor = 0;
  readonly #events: ChannelEvents;
  readonly #most: number;
  #past = "";

  /** `tail`: messages kept at hand while somebody catches up. */
  constructor(name: string, events: ChannelEvents, tail: number) {
    this.name = name;
    this.#most = tail;
    this.#events = events;
  }

  /** Members that get messages, or will. */
  get size(): number {
    return this.live.length + this.waiting.size;
  }

  /** Takes in a subscription that has still to catch up. */
  join(subscription: Subscription): void {
    if (this.waiting.size === 0) {
      this.tail = [];
      this.floor = this.offset;
    }
    this.waiting.add(subscription);
  }

  /** Puts a subscription that has caught up into the fan-out. */
  goLive(subscription: Subscription): void {
    this.#stopWaiting(subscription);
    subscription.state = "live";
    subscription.index = this.live.push(subscription) - 1;
  }

  /** Takes a subscription out. */
  remove(subscription: Subscription, state: "stopped" | "gone"): void {
    subscription.state = state;
    if (subscription.index < 0) return this.#stopWaiting(subscription);
    const last = this.live.pop()!;
    if (last !== subscription) {
      this.live[subscription.index] = last;
      last.index = subscription.index;
    }
    subscription.index = -1;
  }

  /** Sends a committed message to all subscribers, once each. */
  deliver(record: StoredRecord, epoch: string): void {
    if (epoch !== this.epoch) {
      if (epoch === this.#past) return;
      this.meet(epoch);
    }
    const offset = record.offset;
    if (offset <= this.offset) return;
    this.offset = offset;
    const live = this.live;
    const many = live.length + this.waiting.size;
    if (many === 0) return;
    const message = new Encoded(deliveryOf(this.name, record), many > 1);
    // First into the tail: a subscription that goes live during the loop below takes it from there.
    if (this.waiting.size > 0) this.#keep({ offset, message });
    // Backwards, because sending may take subscribers out: the last one then moves to the place that fell free, and it
    // has been served.
    for (let i = live.length - 1; i >= 0; i--) {
      const subscription = live[i];
      if (subscription === undefined || subscription.cursor >= offset) continue;
      subscription.cursor = offset;
      try {
        subscription.client.send(message, subscription.lane);
      } catch (error) {
        this.#events.failed(error, "send");
      }
    }
  }

  /** Sends what is not kept to all subscribers that have been told they are on the channel. */
  push(message: Encoded, except: (session: HubSession) => boolean): void {
    for (let i = this.live.length - 1; i >= 0; i--) this.#pushTo(this.live[i], message, except);
    if (this.waiting.size === 0) return;
    for (const subscription of this.waiting) {
      if (subscription.state === "catching") this.#pushTo(subscription, message, except);
    }
  }

  /**
   * The engine says that the channel is in `epoch`. When it was in another one, that history was lost: subscribers that
   * are not in the new one cannot go on.
   */
  meet(epoch: string): void {
    if (epoch === this.epoch || epoch === this.#past) return;
    const before = this.epoch;
    this.epoch = epoch;
    if (before === "") return;
    this.#past = before;
    this.offset = 0;
    this.tail = [];
    this.floor = 0;
    for (const subscription of [...this.live, ...this.waiting]) {
      if (subscription.epoch !== epoch && subscription.epoch !== "") {
        this.#events.end(subscription, "unrecoverable_position");
      }
    }
  }

  #pushTo(
    subscription: Subscription | undefined,
    message: Encoded,
    except: (session: HubSession) => boolean,
  ): void {
    if (subscription === undefined || except(subscription.session)) return;
    try {
      subscription.client.send(message, subscription.lane);
    } catch (error) {
      this.#events.failed(error, "send");
    }
  }

  #keep(delivery: Delivery): void {
    if (this.tail.length >= this.#most) this.floor = this.tail.shift()!.offset;
    this.tail.push(delivery);
  }

  #stopWaiting(subscription: Subscription): void {
    if (this.waiting.delete(subscription) && this.waiting.size === 0) this.tail = [];
  }
}

/** A kept message as subscribers get it. */
export function deliveryOf(channel: string, record: StoredRecord): Message {
  return {
    type: record.type,
    id: record.id,
    timestamp: record.timestamp,
    payload: {
      channel,
      from: record.from,
      ...record.payload,
      offset: record.offset,
      prev: record.prev,
    },
  };
}
