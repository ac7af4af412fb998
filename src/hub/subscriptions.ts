/**
 * The channels of this node, and how sessions are subscribed to them.
 *
 * @module
 */

import type { Log, MaybePromise, Page, Position } from "../engine/contract.ts";
import { BROADCAST_CHANNEL, Encoded, type ErrorName, ProtocolError, uuidv7 } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { Coalescer } from "./coalescer.ts";
import { catchUp, type CatchUpParts, PAGE_BYTES } from "./catchup.ts";
import { Channel, type ChannelEvents } from "./channel.ts";
import type { ReplayOptions, Subscribed } from "./contract.ts";
import type { Leases } from "./leases.ts";
import type { SessionEvents } from "./session_events.ts";
import { type HubSession, type SubscribedChannel, Subscription } from "./session.ts";
import { isBuiltIn, type NamespaceLookup, refuseSubscribe, settingsOf } from "./settings.ts";

/** What subscriptions need; see `HubOptions`. */
export interface SubscriptionParts {
  readonly log: Log;
  readonly namespace: NamespaceLookup;
  readonly maxChannels: () => number;
  readonly leases: Leases;
  readonly events: SessionEvents;
  readonly replay: ReplayOptions;
  readonly coalescer: Coalescer;
  readonly now: () => number;
  readonly failed: (error: unknown, stage: string) => void;
}

/** Channels by name. Each is followed in the engine while it has subscribers. */
export class Subscriptions implements ChannelEvents {
  readonly #parts: SubscriptionParts;
  readonly #catchUp: CatchUpParts;
  readonly #channels = new Map<string, Channel>();
  /** Without subscribers. They are closed by the next sweep and not at once, so that a reconnect costs nothing. */
  readonly #empty = new Set<Channel>();

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
    this.#catchUp = { log: parts.log, page: parts.replay.page, events: this };
  }

  /** A channel that has subscribers, or had some a moment ago. */
  get(name: string): Channel | undefined {
    return this.#channels.get(name);
  }

  /** Channels with subscribers. */
  *list(): Generator<{ readonly channel: string; readonly subscribers: number }> {
    for (const { name, size } of this.#channels.values()) {
      if (size > 0) yield { channel: name, subscribers: size };
    }
  }

  /** How many channels have subscribers. */
  get count(): number {
    return this.#channels.size - this.#empty.size;
  }

  /** Why `session` may not subscribe to a channel; undefined when it may. */
  refuse(session: HubSession, name: string): ErrorName | undefined {
    const { namespace, maxChannels } = this.#parts;
    const refused = refuseSubscribe(session.principal, name, namespace);
    if (refused !== undefined || isBuiltIn(name) || session.subscriptions.has(name)) return refused;
    let own = 0;
    for (const channel of session.subscriptions.keys()) if (!isBuiltIn(channel)) own++;
    if (own >= maxChannels()) return "limit_exceeded";
    const size = this.#channels.get(name)?.size ?? 0;
    return size >= (settingsOf(name, namespace)?.maxSubscribers ?? 0) ? "limit_exceeded" : undefined;
  }

  /**
   * Subscribes `client` to a channel, in the place of an earlier subscription of the session. Throws or rejects with
   * ProtocolError.
   */
  join(
    session: HubSession,
    client: Client,
    name: string,
    lane: number,
    since?: Position,
  ): MaybePromise<Subscribed> {
    const before = session.subscriptions.get(name);
    const channel = this.#open(name);
    if (before !== undefined) this.remove(before);
    this.#empty.delete(channel);
    const subscription = new Subscription(session, client, channel, lane);
    // The session stays on the channel, so no event tells of the replacement.
    if (before?.announced === true) subscription.announced = true;
    session.subscriptions.set(name, subscription);
    channel.join(subscription);
    const ask = () => this.#standing(channel, since);
    const fail = (error: unknown): never => {
      subscription.joining = undefined;
      this.drop(subscription, "not_available");
      throw unavailable(error);
    };
    try {
      const answer = channel.ready === undefined ? ask() : channel.ready.then(ask);
      if (!(answer instanceof Promise)) return this.#joined(subscription, answer, since);
      const joining = answer.then((position) => {
        subscription.joining = undefined;
        if (subscription.state === "gone" && session.client === client && session.attached) {
          throw new ProtocolError("not_subscribed", "left before the answer came");
        }
        return this.#joined(subscription, position, since);
      }).catch(fail);
      subscription.joining = joining;
      return joining;
    } catch (error) {
      return fail(error);
    }
  }

  /** Ends a subscription; presence still shows the session on the channel. */
  remove(subscription: Subscription): void {
    const { session, channel } = subscription;
    channel.remove(subscription, "gone");
    if (session.subscriptions.get(channel.name) === subscription) session.subscriptions.delete(channel.name);
    this.closeLater(channel);
  }

  /** Ends a subscription and the session's presence on the channel. `reason`: why, unless its client asked for it. */
  drop(subscription: Subscription, reason?: ErrorName): void {
    const { session, client, channel: { name } } = subscription;
    const current = session.subscriptions.get(name) === subscription;
    this.remove(subscription);
    if (!current) return;
    if (session.present.has(name)) this.#parts.leases.leave(session, name);
    if (!subscription.announced) return;
    const { principal } = session;
    this.#parts.events.emit({ kind: "unsubscribe", client, principal, channel: name, reason });
  }

  /** Ends a subscription that cannot go on, and tells its client. */
  end(subscription: Subscription, reason: ErrorName): void {
    if (subscription.state === "gone") return;
    this.drop(subscription, reason);
    const payload = { channel: subscription.channel.name, reason };
    const message = { type: "unsubscribed", id: uuidv7(), timestamp: this.#parts.now(), payload };
    try {
      subscription.client.send(new Encoded(message), subscription.lane);
    } catch (error) {
      this.failed(error, "send");
    }
  }

  failed(error: unknown, stage: string): void {
    this.#parts.failed(error, stage);
  }

  /** Lets the next sweep close a channel that has no subscribers by then. */
  closeLater({ name }: SubscribedChannel): void {
    const channel = this.#channels.get(name);
    if (channel?.size === 0) this.#empty.add(channel);
  }

  /** Closes channels without subscribers. */
  sweep(): void {
    for (const channel of this.#empty) {
      // The engine has not begun to follow it yet.
      if (channel.ready !== undefined) continue;
      this.#empty.delete(channel);
      this.#channels.delete(channel.name);
      this.#parts.log.unfollow(channel.name);
    }
  }

  /** Where a channel stands, and its first messages after `since`. */
  #standing(channel: Channel, since: Position | undefined): MaybePromise<Page | Position> {
    const { log, replay } = this.#parts;
    const { name, epoch } = channel;
    const answer = since === undefined
      ? log.position(name)
      : log.read(name, { since: since.offset, limit: replay.page, bytes: PAGE_BYTES });
    if (!(answer instanceof Promise)) return answer;
    return answer.then((answer) => {
      // The channel has another epoch since it was asked: one of them is over, and only another answer tells which.
      const isOvertaken = channel.epoch !== epoch && channel.epoch !== answer.epoch;
      return isOvertaken ? this.#standing(channel, since) : answer;
    });
  }

  #joined(subscription: Subscription, answer: Page | Position, since: Position | undefined): Subscribed {
    const { session, channel } = subscription;
    const { leases } = this.#parts;
    const { epoch, offset } = answer;
    const nothing: Page = { epoch, offset, records: [], complete: true };
    const page: Page = "records" in answer ? answer : nothing;
    const recovered = since !== undefined && since.epoch === epoch && since.offset <= offset && page.complete;
    subscription.epoch = epoch;
    subscription.cursor = recovered ? since.offset : offset;
    channel.meet(epoch);
    const { name } = channel;
    if (subscription.state === "joining" && !session.present.has(name) && this.#countsPresence(name)) {
      leases.enter(session, name);
    }
    if (subscription.state === "joining" && !subscription.announced && !isBuiltIn(name)) {
      subscription.announced = true;
      const { client, session: { principal } } = subscription;
      this.#parts.events.emit({ kind: "subscribe", client, principal, channel: name });
    }
    return {
      state: { epoch, offset, recovered },
      start: () => {
        if (subscription.state !== "joining") return;
        subscription.state = "catching";
        catchUp(subscription, recovered ? page : nothing, this.#catchUp);
      },
      abandon: () => {
        if (subscription.state === "joining") this.drop(subscription, "not_available");
      },
    };
  }

  #countsPresence(name: string): boolean {
    if (isBuiltIn(name)) return name === BROADCAST_CHANNEL;
    return settingsOf(name, this.#parts.namespace)?.presence === true;
  }

  #open(name: string): Channel {
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    const channel = new Channel(name, this, this.#parts.coalescer, this.#parts.replay.tail);
    let following: MaybePromise<void>;
    try {
      following = this.#parts.log.follow(
        name,
        (_channel, record, epoch) => channel.deliver(record, epoch),
      );
    } catch (error) {
      throw unavailable(error);
    }
    this.#channels.set(name, channel);
    if (following instanceof Promise) {
      channel.ready = following.then(
        () => {
          channel.ready = undefined;
        },
        (error) => {
          // The next subscription tries again.
          this.#empty.delete(channel);
          if (this.#channels.get(name) === channel) this.#channels.delete(name);
          throw error;
        },
      );
    }
    return channel;
  }
}

function unavailable(error: unknown): ProtocolError {
  return error instanceof ProtocolError
    ? error
    : new ProtocolError("not_available", undefined, { cause: error });
}
