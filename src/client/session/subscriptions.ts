/**
 * The channels the session is on: where each stands, what is asked for again after a change of connection, and what is
 * done about gaps.
 *
 * @module
 */

import type { AuthResponse, Payload, ResumeChannel, Subscribed } from "../../protocol/mod.ts";
import type { Clock } from "../clock.ts";
import { SkeinError } from "../errors.ts";
import { ChannelInbox, type Placed, type Position } from "./inbox.ts";
import type { Link } from "./link.ts";
import type { Requests } from "./requests.ts";

/** Milliseconds a message that came too early waits for the one before it, which may be on another lane. */
const GAP_PATIENCE = 500;
/** Wait before a subscription that failed for now is asked for again; doubled each time, up to 30 s. */
const RETRY = 1000;
/** Bytes of `auth_request` that the server takes before authentication, less some room. */
const AUTH_ROOM = 7600;

/** A kept message as it is delivered. */
export interface Delivered extends Placed {
  readonly type: string;
  readonly id: string;
  /** Milliseconds since the epoch, at the server. */
  readonly timestamp: number;
  readonly channel: string;
  /** The sender's user id. */
  readonly from: string;
  readonly text?: string;
  readonly data?: unknown;
  /** The recipient, of a direct message. */
  readonly to?: string;
  /** The offset of the message that an edit or a deletion is about. */
  readonly target?: number;
  /** Of a message whose content was taken away: the offset of what did it. */
  readonly deleted?: number;
}

/** Messages of a channel between these places cannot be had any more: its history does not reach back that far. */
export interface Discontinuity {
  readonly channel: string;
  /** The last message that was delivered. */
  readonly from: Position;
  /** Where the channel goes on. */
  readonly to: Position;
}

/** What subscriptions tell. */
export interface SubscriptionEvents {
  delivered(message: Delivered): void;
  discontinuity(gap: Discontinuity): void;
  /** The session is no longer on a channel, and why. */
  ended(channel: string, error: SkeinError): void;
}

interface Entry {
  readonly channel: string;
  readonly inbox: ChannelInbox<Delivered>;
  /** Asked for by the application; inbox and broadcast channel are not. */
  readonly wanted: boolean;
  /** The server has confirmed it on the connection of now. */
  joined: boolean;
  asking: Promise<Subscribed> | undefined;
  retries: number;
  cancel: (() => void) | undefined;
}

/** The session's channels. */
export class Subscriptions {
  readonly #clock: Clock;
  readonly #requests: Requests;
  readonly #events: SubscriptionEvents;
  readonly #entries = new Map<string, Entry>();
  #link: Link | undefined;

  constructor(clock: Clock, requests: Requests, events: SubscriptionEvents) {
    this.#clock = clock;
    this.#requests = requests;
    this.#events = events;
  }

  /** Channels the application asked for. */
  get channels(): string[] {
    return [...this.#entries.values()].filter(({ wanted }) => wanted).map(({ channel }) => channel);
  }

  /** Whether the session is on a channel, or is to be. */
  has(channel: string): boolean {
    return this.#entries.has(channel);
  }

  /** Whether the session is to be on a channel and nothing is known of its place: no resume brings it back. */
  awaits(channel: unknown): boolean {
    const entry = this.#entries.get(channel as string);
    return entry !== undefined && entry.inbox.position === undefined;
  }

  /** Where a channel stands; undefined when that is not known. */
  position(channel: string): Position | undefined {
    return this.#entries.get(channel)?.inbox.position;
  }

  /**
   * Joins a channel, and joins it again after each change of connection. Resolves when the server has confirmed it.
   * `since`: what comes after it is wanted too. Rejects with the server's error.
   */
  async subscribe(channel: string, since?: Position): Promise<void> {
    let entry = this.#entries.get(channel);
    if (entry === undefined) {
      entry = {
        channel,
        inbox: new ChannelInbox(),
        wanted: true,
        joined: false,
        asking: undefined,
        retries: 0,
        cancel: undefined,
      };
      this.#entries.set(channel, entry);
      if (since !== undefined) entry.inbox.place(since, true);
    }
    if (entry.joined) return;
    await this.#ask(entry);
  }

  /** Leaves a channel. */
  async unsubscribe(channel: string): Promise<void> {
    const entry = this.#entries.get(channel);
    if (entry === undefined) return;
    this.#drop(entry);
    if (this.#link === undefined || !entry.joined) return;
    try {
      await this.#requests.ask("unsubscribe", { channel });
    } catch (error) {
      // Not on it: that is what was wanted.
      if (!(error instanceof SkeinError && error.error === "not_subscribed")) throw error;
    }
  }

  /**
   * What `resume` of `auth_request` says on `link`: as many channels as fit beside a token of `used` characters. The
   * others are subscribed to afterwards.
   */
  resumePoints(link: Link, used: number): Record<string, ResumeChannel> {
    const points: Record<string, ResumeChannel> = {};
    let room = AUTH_ROOM - used;
    for (const { channel, inbox } of this.#entries.values()) {
      const { position } = inbox;
      if (position === undefined) continue;
      const point = link.transport.laneful
        ? { ...position, lane: link.laneOf("subscribe", channel) }
        : position;
      room -= JSON.stringify(point).length + JSON.stringify(channel).length + 2;
      if (room < 0) break;
      points[channel] = point;
    }
    return points;
  }

  /** Another connection carries the session: `response` says which channels it is on, the others are asked for. */
  attach(link: Link, { channels, refused }: AuthResponse): void {
    this.#link = link;
    for (const [channel, { epoch, offset, recovered }] of Object.entries(channels)) {
      let entry = this.#entries.get(channel);
      if (entry === undefined) {
        entry = {
          channel,
          inbox: new ChannelInbox(),
          wanted: false,
          joined: true,
          asking: undefined,
          retries: 0,
          cancel: undefined,
        };
        this.#entries.set(channel, entry);
      }
      entry.joined = true;
      entry.retries = 0;
      this.#place(entry, { epoch, offset }, recovered);
      if (link.transport.laneful) link.transport.openLane(link.laneOf("subscribe", channel));
    }
    for (const [channel, name] of Object.entries(refused)) {
      const entry = this.#entries.get(channel);
      if (entry !== undefined) {
        this.#refused(
          entry,
          new SkeinError(name, `${channel}: ${name}`, { temporary: name === "not_available" }),
        );
      }
    }
    for (const entry of this.#entries.values()) {
      if (!entry.joined && entry.wanted) this.#askAgain(entry);
    }
  }

  /** No connection. */
  detach(): void {
    this.#link = undefined;
    for (const entry of this.#entries.values()) {
      entry.joined = false;
      entry.cancel?.();
      entry.cancel = undefined;
    }
  }

  /** A lane is gone, and deliveries with it, perhaps: its channels are caught up. */
  laneLost(lane: number, link: Link): void {
    for (const entry of this.#entries.values()) {
      // The lane is marked as lost already: such a channel is now on the control lane.
      if (entry.joined && lane !== 0 && link.laneOf("subscribe", entry.channel) === 0) this.#catchUp(entry);
    }
  }

  /** Takes a kept message. */
  deliver(message: Delivered): void {
    const entry = this.#entries.get(message.channel);
    if (entry === undefined) return;
    const wasWaiting = entry.inbox.waiting;
    for (const ready of entry.inbox.accept(message)) this.#events.delivered(ready);
    if (entry.inbox.waiting && !wasWaiting && entry.inbox.position !== undefined) this.#awaitGap(entry);
  }

  /** The server stopped a channel that we did not read fast enough: what was dropped is asked for. */
  stopped(channel: string): void {
    const entry = this.#entries.get(channel);
    if (entry !== undefined) this.#catchUp(entry);
  }

  /** The server ended a subscription. */
  ended(channel: string, reason: string | undefined): void {
    const entry = this.#entries.get(channel);
    if (entry === undefined) return;
    entry.joined = false;
    const lost = reason === "unrecoverable_position" || reason === "not_available";
    if (lost && this.#link !== undefined) {
      return reason === "not_available" ? this.#retry(entry) : this.#catchUp(entry);
    }
    this.#drop(entry);
    const name = reason === undefined ? "not_subscribed" : reason as SkeinError["error"];
    this.#events.ended(channel, new SkeinError(name, `the server ended the subscription of ${channel}`));
  }

  /** Forgets everything. */
  close(): void {
    this.detach();
    this.#entries.clear();
  }

  #ask(entry: Entry): Promise<Subscribed> {
    return entry.asking ??= this.#join(entry).finally(() => entry.asking = undefined);
  }

  async #join(entry: Entry): Promise<Subscribed> {
    const { channel, inbox } = entry;
    const since = inbox.position;
    const payload: Payload = since === undefined ? { channel } : { channel, since };
    for (;;) {
      try {
        const answer = await this.#requests.ask("subscribe", payload);
        if (this.#entries.get(channel) !== entry) {
          void this.#requests.ask("unsubscribe", { channel }).catch(() => {});
          throw new SkeinError("closed", `${channel} was left before the server answered`);
        }
        entry.joined = this.#link !== undefined;
        entry.retries = 0;
        this.#place(entry, { epoch: answer.epoch, offset: answer.offset }, answer.recovered);
        return answer;
      } catch (error) {
        if (!(error instanceof SkeinError) || !error.temporary || this.#entries.get(channel) !== entry) {
          if (this.#entries.get(channel) === entry) this.#drop(entry);
          throw error;
        }
        await this.#wait(entry, error.retryAfter ?? this.#retryDelay(entry));
      }
    }
  }

  #wait(entry: Entry, ms: number): Promise<void> {
    return new Promise((resolve) => {
      entry.cancel?.();
      const stop = this.#clock.after(ms, () => {
        entry.cancel = undefined;
        resolve();
      });
      entry.cancel = () => {
        stop();
        resolve();
      };
    });
  }

  #retryDelay(entry: Entry): number {
    return Math.min(30_000, RETRY * 2 ** Math.min(entry.retries++, 10));
  }

  /** Asks in the background: whoever subscribed has had an answer before. */
  #askAgain(entry: Entry): void {
    if (entry.asking !== undefined) return;
    this.#ask(entry).catch((error) => {
      if (error instanceof SkeinError && error.error !== "closed") this.#events.ended(entry.channel, error);
    });
  }

  #retry(entry: Entry): void {
    entry.cancel?.();
    entry.cancel = this.#clock.after(this.#retryDelay(entry), () => {
      entry.cancel = undefined;
      this.#catchUp(entry);
    });
  }

  /** Asks for everything after our place. */
  #catchUp(entry: Entry): void {
    if (this.#link === undefined) return;
    entry.cancel?.();
    entry.cancel = undefined;
    this.#askAgain(entry);
  }

  #awaitGap(entry: Entry): void {
    if (entry.cancel !== undefined) return;
    const before = entry.inbox.position?.offset;
    entry.cancel = this.#clock.after(GAP_PATIENCE, () => {
      entry.cancel = undefined;
      if (!entry.inbox.waiting) return;
      // As long as messages come in order the replay is under way; only a standstill is a gap.
      if (entry.inbox.position?.offset !== before) return this.#awaitGap(entry);
      this.#catchUp(entry);
    });
  }

  #place(entry: Entry, at: Position, recovered: boolean): void {
    const { ready, gap } = entry.inbox.place(at, recovered);
    if (gap !== undefined) this.#events.discontinuity({ channel: entry.channel, ...gap });
    for (const message of ready) this.#events.delivered(message);
    if (entry.inbox.waiting) this.#awaitGap(entry);
  }

  #refused(entry: Entry, error: SkeinError): void {
    entry.joined = false;
    if (error.temporary) return this.#retry(entry);
    this.#drop(entry);
    this.#events.ended(entry.channel, error);
  }

  #drop(entry: Entry): void {
    entry.cancel?.();
    entry.cancel = undefined;
    this.#entries.delete(entry.channel);
    this.#link?.releaseLane("subscribe", entry.channel);
  }
}
