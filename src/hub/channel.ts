/**
 * A channel and its subscribers on this node.
 *
 * @module
 */

import type { StoredRecord } from "../engine/contract.ts";
import { Encoded, EncodedBatch, type ErrorName, type Message } from "../protocol/mod.ts";
import type { Coalescer, Flushable } from "./coalescer.ts";
import type { Delivery, HubSession, SubscribedChannel, Subscription } from "./session.ts";

/** What a channel tells its hub. */
export interface ChannelEvents {
  /** `subscription` cannot go on: remove it and tell its client why. */
  end(subscription: Subscription, reason: ErrorName): void;
  failed(error: unknown, stage: string): void;
}

/** Bytes of JSON that wait at most before they are sent: a batch and one message more fit into one frame. */
const MOST_HELD = 16_384;

/** A channel that has subscribers on this node, or had some a moment ago. */
export class Channel implements SubscribedChannel, Flushable {
  readonly name: string;
  /** Set while the engine begins to follow the channel; rejects when it cannot. */
  ready: Promise<void> | undefined;
  /** Empty until the engine has named it. */
  epoch = "";
  /** Offset of the last message fanned out, or held back for a moment. */
  offset = 0;
  /** Those that are sent each message. */
  readonly live: Subscription[] = [];
  /** Those that are still sent what they missed. */
  readonly waiting = new Set<Subscription>();
  /** The newest messages since a subscription began to catch up, oldest first. */
  tail: Delivery[] = [];
  /** All messages after this offset that were fanned out are in `tail`. */
  floor = 0;
  readonly #events: ChannelEvents;
  readonly #coalescer: Coalescer;
  readonly #most: number;
  #past = "";
  /** Held back, oldest first, and their bytes. */
  #held: Delivery[] = [];
  #heldBytes = 0;
  /** How many of `live` are on QUIC or WebTransport. */
  #packets = 0;

  /** `tail`: how many messages are kept at hand while a subscription catches up. */
  constructor(name: string, events: ChannelEvents, coalescer: Coalescer, tail: number) {
    this.name = name;
    this.#most = tail;
    this.#events = events;
    this.#coalescer = coalescer;
  }

  /** How many subscribers get messages, or will. */
  get size(): number {
    return this.live.length + this.waiting.size;
  }

  /** Adds a subscription that has to catch up first. */
  join(subscription: Subscription): void {
    if (this.waiting.size === 0) {
      this.tail = [];
      this.floor = this.offset;
    }
    this.waiting.add(subscription);
  }

  /** Moves a subscription that has caught up into the fan-out. */
  goLive(subscription: Subscription): void {
    this.#stopWaiting(subscription);
    subscription.state = "live";
    subscription.index = this.live.push(subscription) - 1;
    this.#packets += packetsOf(subscription);
  }

  /** Removes a subscription. */
  remove(subscription: Subscription, state: "stopped" | "gone"): void {
    subscription.state = state;
    if (subscription.index < 0) return this.#stopWaiting(subscription);
    this.#packets -= packetsOf(subscription);
    const last = this.live.pop()!;
    if (last !== subscription) {
      this.live[subscription.index] = last;
      last.index = subscription.index;
    }
    subscription.index = -1;
  }

  /** Sends a committed message to all subscribers, once each; under load together with what follows within a moment. */
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
    // Into the tail first: a subscription that goes live during the loop below reads it there.
    if (this.waiting.size > 0) this.#keep({ offset, message });
    if (live.length === 0) return;
    if (this.#coalescer.holds(live.length + this.#packets) || this.#held.length > 0) {
      this.#hold({ offset, message });
    } else this.#send(offset, message);
  }

  /** See `Flushable`. To be called before anything that has to come after what is held back. */
  flush(): number {
    const held = this.#held;
    if (held.length === 0) return 0;
    this.#held = [];
    this.#heldBytes = 0;
    const first = held[0]!, last = held.at(-1)!;
    if (first === last) this.#send(first.offset, first.message);
    else this.#send(last.offset, new EncodedBatch(held.map(({ message }) => message)), held);
    return this.#packets;
  }

  /** Sends something that is not kept, to all subscribers whose `subscribe` was answered. */
  push(message: Encoded, except: (session: HubSession) => boolean): void {
    this.flush();
    for (let i = this.live.length - 1; i >= 0; i--) this.#pushTo(this.live[i], message, except);
    if (this.waiting.size === 0) return;
    for (const subscription of this.waiting) {
      if (subscription.state === "catching") this.#pushTo(subscription, message, except);
    }
  }

  /**
   * Takes the epoch that the engine names. A new epoch means that the history was lost: subscriptions of the earlier one
   * cannot go on.
   */
  meet(epoch: string): void {
    if (epoch === this.epoch || epoch === this.#past) return;
    const before = this.epoch;
    this.flush();
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

  #hold(delivery: Delivery): void {
    const bytes = delivery.message.size("json");
    if (this.#heldBytes + bytes > MOST_HELD) this.flush();
    if (bytes > MOST_HELD) return this.#send(delivery.offset, delivery.message);
    this.#heldBytes += bytes;
    if (this.#held.push(delivery) === 1) this.#coalescer.wait(this);
    else this.#coalescer.look();
  }

  /** Sends `message`, whose last offset is `offset`, to all subscribers. `parts`: it is several. */
  #send(offset: number, message: Encoded, parts?: readonly Delivery[]): void {
    const live = this.live;
    const first = parts === undefined ? offset : parts[0]!.offset;
    // Backwards, because sending may remove subscriptions: the last one then takes the free index, and it was served
    // already.
    for (let i = live.length - 1; i >= 0; i--) {
      const subscription = live[i];
      if (subscription === undefined || subscription.cursor >= offset) continue;
      if (subscription.cursor < first) this.#sendTo(subscription, offset, message);
      else {
        // It has read the beginning in the history.
        for (const part of parts!) {
          if (part.offset > subscription.cursor) this.#sendTo(subscription, part.offset, part.message);
        }
      }
    }
  }

  #sendTo(subscription: Subscription, offset: number, message: Encoded): void {
    subscription.cursor = offset;
    try {
      subscription.client.send(message, subscription.lane);
    } catch (error) {
      this.#events.failed(error, "send");
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

/** What a delivery costs above a write to a WebSocket: about as much again, where it is a packet of its own. */
function packetsOf({ client: { transport } }: Subscription): number {
  return transport === "quic" || transport === "webtransport" ? 1 : 0;
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
