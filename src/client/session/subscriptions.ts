/**
 * The channels the session is on: what is resumed on the next connection, what is asked for again, and who gets what
 * the server says about channels.
 *
 * @module
 */

import type { Message, Payload } from "../../protocol/core.ts";
import type { ErrorName, ResumeChannel } from "../../protocol/mod.ts";
import type { Clock } from "../clock.ts";
import { SkeinError } from "../errors.ts";
import type { Position } from "./inbox.ts";
import type { Link } from "./link.ts";
import type { SessionPart } from "./part.ts";
import { readPayload } from "./payloads.ts";
import type { Requests } from "./requests.ts";
import {
  type Delivered,
  Subscription,
  type SubscriptionEvents,
  type SubscriptionHost,
} from "./subscription.ts";

/** Bytes of `auth_request` that the server takes before authentication, less some room. */
const AUTH_ROOM = 7600;

/** The session's channels. */
export class Subscriptions implements SessionPart, SubscriptionHost {
  readonly clock: Clock;
  readonly requests: Requests;
  readonly events: SubscriptionEvents;
  readonly #subscriptions = new Map<string, Subscription>();
  #link: Link | undefined;

  constructor(clock: Clock, requests: Requests, events: SubscriptionEvents) {
    this.clock = clock;
    this.requests = requests;
    this.events = events;
  }

  get connected(): boolean {
    return this.#link !== undefined;
  }

  /** Channels the application asked for. */
  get channels(): string[] {
    return [...this.#subscriptions.values()].filter(({ wanted, automatic }) => wanted && !automatic)
      .map(({ channel }) => channel);
  }

  /** Whether the session is to be on a channel and nothing is known of its place: no resume brings it back. */
  isUnplaced(channel: unknown): boolean {
    const subscription = this.#subscriptions.get(channel as string);
    return subscription?.wanted === true && subscription.position === undefined;
  }

  /** Where a channel stands; undefined when that is not known. */
  position(channel: string): Position | undefined {
    return this.#subscriptions.get(channel)?.position;
  }

  /**
   * Joins a channel, and joins it again after each change of connection. Resolves when the server has confirmed it.
   * `since`: what comes after it is wanted too. Rejects with the server's error.
   */
  subscribe(channel: string, since?: Position): Promise<void> {
    return this.#of(channel, false).join(since);
  }

  /** Leaves a channel. */
  unsubscribe(channel: string): Promise<void> {
    const subscription = this.#subscriptions.get(channel);
    return subscription === undefined || subscription.automatic ? Promise.resolve() : subscription.leave();
  }

  /**
   * What `resume` of `auth_request` says on `link`: as many channels as fit beside a token of `used` characters. The
   * others are subscribed to afterwards.
   */
  resumePoints(link: Link, used: number): Record<string, ResumeChannel> {
    const points: Record<string, ResumeChannel> = {};
    let room = AUTH_ROOM - used;
    for (const { channel, position, wanted } of this.#subscriptions.values()) {
      if (position === undefined || !wanted) continue;
      const point = link.transport.laneful
        ? { ...position, lane: link.laneOf("subscribe", channel) }
        : position;
      room -= JSON.stringify(point).length + JSON.stringify(channel).length + 2;
      if (room < 0) break;
      points[channel] = point;
    }
    return points;
  }

  attach(link: Link): void {
    const { channels, refused } = link.response;
    this.#link = link;
    for (const [channel, { epoch, offset, recovered }] of Object.entries(channels)) {
      this.#of(channel, true).placed({ epoch, offset }, recovered);
      if (link.transport.laneful) link.transport.openLane(link.laneOf("subscribe", channel));
    }
    for (const [channel, name] of Object.entries(refused)) {
      const error = new SkeinError(name, `${channel}: ${name}`, { temporary: name === "not_available" });
      this.#subscriptions.get(channel)?.ended(error);
    }
    // What the server was not told of, or not all of, when it resumed.
    for (const subscription of [...this.#subscriptions.values()]) subscription.reconcile();
  }

  detach(): void {
    this.#link = undefined;
    for (const subscription of this.#subscriptions.values()) subscription.detach();
  }

  laneLost(lane: number, link: Link): void {
    for (const subscription of this.#subscriptions.values()) {
      // The lane is marked as lost already: such a channel is now on the control lane.
      const isHit = lane !== 0 && link.laneOf("subscribe", subscription.channel) === 0;
      if (subscription.joined && isHit) subscription.catchUp();
    }
  }

  take({ type, re, id, timestamp, payload }: Message): boolean {
    // What has a place in a channel is kept there, also of types this version does not know: places must not be missed.
    if (isKept(payload)) {
      const subscription = this.#subscriptions.get(payload.channel);
      subscription?.deliver({ ...payload, type, id, timestamp });
      return subscription !== undefined;
    }
    if (type === "server_notice" && payload.kind === "discontinuity") {
      const notice = readPayload(type, payload);
      // The server has stopped a channel that we did not read fast enough.
      if (notice.kind !== "discontinuity") return false;
      const { epoch, offset } = notice;
      const subscription = this.#subscriptions.get(notice.channel);
      if (notice.reason === "message_too_large" && epoch !== undefined && offset !== undefined) {
        subscription?.skipped({ epoch, offset });
        return subscription !== undefined;
      }
      subscription?.catchUp();
      return this.#subscriptions.has(notice.channel);
    }
    if (type !== "unsubscribed" || re !== undefined) return false;
    const { channel, reason = "not_subscribed" } = readPayload(type, payload) as {
      channel: string;
      reason?: ErrorName;
    };
    const temporary = reason === "not_available";
    const error = new SkeinError(reason, `the server ended the subscription of ${channel}`, { temporary });
    this.#subscriptions.get(channel)?.ended(error);
    return true;
  }

  stop(error: SkeinError): void {
    for (const subscription of [...this.#subscriptions.values()]) subscription.stop(error);
  }

  close(): void {
    this.#subscriptions.clear();
  }

  gone(subscription: Subscription): void {
    const { channel } = subscription;
    if (this.#subscriptions.get(channel) !== subscription) return;
    this.#subscriptions.delete(channel);
    this.#link?.releaseLane("subscribe", channel);
  }

  #of(channel: string, automatic: boolean): Subscription {
    let subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) {
      subscription = new Subscription(channel, automatic, this);
      this.#subscriptions.set(channel, subscription);
    }
    return subscription;
  }
}

/** What every kept message has; checked by hand, because it runs for every message. */
function isKept(payload: Payload): payload is Payload & Omit<Delivered, "type" | "id" | "timestamp"> {
  const { channel, from, offset, prev, text, replay } = payload;
  // What is replayed has no place any more.
  return replay === undefined && isPlace(offset) && isPlace(prev) && typeof channel === "string" &&
    typeof from === "string" &&
    (text === undefined || typeof text === "string");
}

function isPlace(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
