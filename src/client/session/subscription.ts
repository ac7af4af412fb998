/**
 * One channel of the session: whether the session is to be on it, whether the server has it there, and what is asked
 * so that the two agree.
 *
 * @module
 */

import type { PriorityName } from "../../protocol/core.ts";
import type { Clock } from "../clock.ts";
import { type Deferred, quietDeferred } from "../../async/deferred.ts";
import { SkeinError } from "../errors.ts";
import { ChannelInbox, type Placed, type Position } from "./inbox.ts";
import type { Requests } from "./requests.ts";

/** Milliseconds a message that came too early waits for the one before it, which may be on another lane. */
const GAP_PATIENCE = 500;
/** Wait before a subscription that failed for now is asked for again; doubled each time, up to 30 s. */
const RETRY = 1000;

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
  /** A JSON value, or bytes when `bytes` is there. */
  readonly data?: unknown;
  readonly bytes?: true;
  readonly priority?: PriorityName;
  /** The sender asked for a receipt, which the client gives by itself. */
  readonly receipt?: true;
  /** Of a receipt: the id of the message that was taken. */
  readonly message?: string;
  /** The recipient, of a direct message. */
  readonly to?: string;
  /** The offset of the message that an edit or a deletion is about. */
  readonly target?: number;
  /** Of a message whose content was taken away: the offset of what did it. */
  readonly deleted?: number;
  /** Why a message of an answer has no content: it was kept when the limit for messages was higher. */
  readonly omitted?: "message_too_large";
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
  /** The session is not, or no longer, on a channel, and why. */
  ended(channel: string, error: SkeinError): void;
}

/** What a subscription needs of the session. */
export interface SubscriptionHost {
  readonly clock: Clock;
  readonly requests: Requests;
  readonly events: SubscriptionEvents;
  readonly connected: boolean;
  /** The session is not on the channel, and is not to be. */
  gone(subscription: Subscription): void;
}

/**
 * A channel of the session. What the application wants may change while the server is still being asked: so one
 * question is under way at a time, and the next one follows from what is wanted when it is answered.
 */
export class Subscription {
  readonly channel: string;
  /** The server puts every session on it: the user's inbox, the broadcast channel. It is never left. */
  readonly automatic: boolean;
  readonly #host: SubscriptionHost;
  readonly #inbox = new ChannelInbox<Delivered>();
  #wanted = true;
  /** The server has confirmed it on the connection of now. */
  #joined = false;
  /** The server has confirmed it once: then it outlives a `disconnect`. */
  #confirmed = false;
  /** Messages may be missing: they are asked for, from the position on. */
  #stale = false;
  #reconciling = false;
  #joining: Deferred<void> | undefined;
  #leaving: Deferred<void> | undefined;
  #retries = 0;
  /** What open questions are rejected with because the application has disconnected. */
  #stopReason: SkeinError | undefined;
  /** Ends what is waited for: a gap that may close by itself, or another attempt. */
  #cancel: (() => void) | undefined;

  constructor(channel: string, automatic: boolean, host: SubscriptionHost) {
    this.channel = channel;
    this.automatic = automatic;
    this.#host = host;
  }

  /** The session is to be on it. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** The server has confirmed it on the connection of now. */
  get joined(): boolean {
    return this.#joined;
  }

  /** The last message that was delivered; undefined before the server said where the channel stands. */
  get position(): Position | undefined {
    return this.#inbox.position;
  }

  /** Resolves when the server has confirmed it. `since`: the last message the application has. Rejects with the server's error. */
  join(since: Position | undefined): Promise<void> {
    if (since !== undefined && this.position === undefined) this.#inbox.place(since, true);
    if (this.#wanted && this.#joined) return Promise.resolve();
    this.#wanted = true;
    const { promise } = this.#joining ??= quietDeferred<void>();
    this.reconcile();
    return promise;
  }

  /** Leaves the channel. Resolves when the server knows; without a connection at once. */
  leave(): Promise<void> {
    this.#wanted = false;
    this.#joining?.reject(new SkeinError("closed", `${this.channel} was left`));
    this.#joining = undefined;
    this.#wake();
    const left = this.#leaving ??= quietDeferred<void>();
    this.reconcile();
    return this.#host.connected ? left.promise : Promise.resolve();
  }

  /** The server has the session on it, and says where it stands. */
  placed(at: Position, recovered: boolean): void {
    this.#joined = this.#host.connected;
    this.#confirmed = true;
    this.#retries = 0;
    if (!this.#wanted) return;
    const { events } = this.#host;
    const { ready, gap } = this.#inbox.place(at, recovered);
    if (gap !== undefined) events.discontinuity({ channel: this.channel, ...gap });
    for (const message of ready) events.delivered(message);
    if (this.#inbox.waiting) this.#awaitGap();
    this.#joining?.resolve();
    this.#joining = undefined;
  }

  /** Takes a kept message. */
  deliver(message: Delivered): void {
    if (!this.#wanted) return;
    const wasWaiting = this.#inbox.waiting;
    for (const ready of this.#inbox.accept(message)) this.#host.events.delivered(ready);
    if (this.#inbox.waiting && !wasWaiting && this.position !== undefined) this.#awaitGap();
  }

  /** The server left out what it cannot deliver, up to `at`, and goes on after it. */
  skipped(at: Position): void {
    const { position } = this;
    if (!this.#wanted || position?.epoch !== at.epoch || position.offset >= at.offset) return;
    const { ready, gap } = this.#inbox.place(at, false);
    if (gap !== undefined) this.#host.events.discontinuity({ channel: this.channel, ...gap });
    for (const message of ready) this.#host.events.delivered(message);
  }

  /** Messages may be missing: what follows the position is asked for, after the answer that is still to come. */
  catchUp(): void {
    if (!this.#host.connected) return;
    this.#stale = true;
    this.reconcile();
  }

  /** The server has the session on it no more, or did not put it there. */
  ended(error: SkeinError): void {
    this.#joined = false;
    if (error.temporary) return this.reconcile(this.#delay(error));
    // Its history was lost, or has grown past us: what is missing is told of by the answer to the next question.
    if (error.error !== "unrecoverable_position") this.#giveUp(error);
    this.reconcile();
  }

  /** No connection. */
  detach(): void {
    this.#joined = false;
    this.#stale = false;
    this.#wake();
  }

  /** The application disconnects: what the server has confirmed is kept for the next connection. */
  stop(error: SkeinError): void {
    this.#stopReason = error;
    this.#wanted &&= this.#confirmed;
    this.#joining?.reject(error);
    this.#joining = undefined;
    this.#wake();
    if (!this.#wanted) this.reconcile();
  }

  /** Asks, in `wait` milliseconds, until the server has the session where it is wanted. */
  reconcile(wait = 0): void {
    if (!this.#reconciling) void this.#reconcile(wait);
  }

  // Nothing in here rejects.
  async #reconcile(wait: number): Promise<void> {
    this.#reconciling = true;
    if (wait > 0) await this.#wait(wait);
    for (let goesOn = true; goesOn;) {
      if (this.#wanted ? this.#joined && !this.#stale : !this.#joined) break;
      goesOn = await (this.#wanted ? this.#subscribe() : this.#unsubscribe());
    }
    this.#reconciling = false;
    this.#leaving?.resolve();
    this.#leaving = undefined;
    if (!this.#wanted) this.#host.gone(this);
  }

  /** False: no more is asked for now. */
  async #subscribe(): Promise<boolean> {
    const { channel, position: since } = this;
    this.#stale = false;
    this.#wake();
    try {
      const payload = since === undefined ? { channel } : { channel, since };
      const { epoch, offset, recovered } = await this.#host.requests.ask("subscribe", payload);
      this.placed({ epoch, offset }, recovered);
      return true;
    } catch (cause) {
      const error = cause as SkeinError;
      if (!this.#wanted) return true;
      if (error === this.#stopReason) return false;
      if (error.temporary) await this.#wait(this.#delay(error));
      else this.#giveUp(error);
      return true;
    }
  }

  async #unsubscribe(): Promise<boolean> {
    try {
      await this.#host.requests.ask("unsubscribe", { channel: this.channel });
    } catch (error) {
      // Not on it: that is what was wanted.
      if ((error as SkeinError).error !== "not_subscribed") this.#leaving?.reject(error);
    }
    this.#joined = false;
    return true;
  }

  #giveUp(error: SkeinError): void {
    this.#wanted = false;
    this.#wake();
    this.#joining?.reject(error);
    this.#joining = undefined;
    this.#host.events.ended(this.channel, error);
  }

  #delay({ retryAfter }: SkeinError): number {
    return retryAfter ?? Math.min(30_000, RETRY * 2 ** Math.min(this.#retries++, 10));
  }

  #wait(ms: number): Promise<void> {
    this.#wake();
    return new Promise((resolve) => {
      const stop = this.#host.clock.after(ms, () => this.#wake());
      this.#cancel = () => {
        stop();
        resolve();
      };
    });
  }

  #wake(): void {
    const cancel = this.#cancel;
    this.#cancel = undefined;
    cancel?.();
  }

  #awaitGap(): void {
    if (this.#cancel !== undefined) return;
    const before = this.position?.offset;
    this.#cancel = this.#host.clock.after(GAP_PATIENCE, () => {
      this.#cancel = undefined;
      if (!this.#inbox.waiting) return;
      // As long as messages come in order the replay is under way; only a standstill is a gap.
      if (this.position?.offset !== before) return this.#awaitGap();
      this.catchUp();
    });
  }
}
