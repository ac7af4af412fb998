/**
 * Tells one endpoint of the events that wait for it: several at once, each at least once, until it takes them or they are
 * given up. One node at a time does it.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import { Underway } from "../async/underway.ts";
import { requestOf } from "./bodies.ts";
import type { Breaker } from "./breaker.ts";
import { retryDelay } from "./breaker.ts";
import type { Endpoint, Post, Posted, WebhookEvent } from "./contract.ts";
import { apart, type Parcel, takeSome } from "./parcels.ts";
import type { Queued, QueuePage, WebhookQueue } from "./queue.ts";

/** Events that are read and not done yet at most: what one that is never taken can hold up. */
const WINDOW = 1024;
/** Milliseconds after which an event is read again before it is sent: its user may have been erased, on any node. */
const REREAD = 1000;
/** Milliseconds until the queue is asked again after it failed. */
const AGAIN = 1000;
/** Milliseconds until it is looked whether a probe of others is over. */
const PROBE_WAIT = 250;
/** Milliseconds between two times that it is kept how far the endpoint was told: what a crash may send again. */
const TELL_INTERVAL = 250;

/** What happens, for metrics and log lines. */
export interface CourierEvents {
  /** A request was made. `events`: how many were in it. */
  sent(outcome: "taken" | "failed", events: number, ms: number, posted: Posted): void;
  /** An event became a dead letter. */
  buried(event: WebhookEvent, attempts: number, failure: string): void;
  /** Events were lost, because more waited than may. */
  lost(): void;
  /** The engine could not be asked. */
  failed(error: unknown, stage: string): void;
}

/** What a courier needs. */
export interface CourierParts {
  readonly endpoint: Endpoint;
  readonly queue: Pick<WebhookQueue, "read" | "kept" | "told" | "tell" | "bury" | "follow" | "unfollow">;
  readonly post: Post;
  readonly breaker: Breaker;
  readonly clock: Clock;
  readonly random: () => number;
  readonly events: CourierEvents;
}

/** Works from `start` to `stop`. */
export class Courier {
  readonly #parts: CourierParts;
  #epoch = "";
  /** Everything up to here was read. */
  #read = 0;
  /** Offsets of events that were read and are not done, in order; another set for another epoch. */
  #open = new Set<number>();
  /** Read, and in no request yet. */
  #loose: Queued[] = [];
  /** Since when the first of those waits. */
  #looseSince = 0;
  /** Made, and never sent. */
  #fresh: Parcel[] = [];
  /** Sent and not taken. */
  readonly #retries = new Set<Parcel>();
  #sending = 0;
  #mayHaveMore = true;
  #reading = false;
  /** What was kept last of how far the endpoint was told. */
  #told = 0;
  #telling = false;
  /** Cancels the wait until it is kept again. */
  #cancelTelling: (() => void) | undefined;
  #cancel: (() => void) | undefined;
  /** Cancels the wait after the queue failed. */
  #cancelAgain: (() => void) | undefined;
  #running = false;
  readonly #underway = new Underway();
  readonly #giveUp = new AbortController();

  constructor(parts: CourierParts) {
    this.#parts = parts;
  }

  /** Events that are read and not done. */
  get open(): number {
    return this.#open.size;
  }

  /** Begins where the endpoint was told last. */
  async start(): Promise<void> {
    const { queue } = this.#parts;
    const { epoch, offset } = await queue.told();
    this.#epoch = epoch;
    this.#read = this.#told = offset;
    this.#running = true;
    await queue.follow(() => {
      this.#mayHaveMore = true;
      this.#pump();
    });
    this.#pump();
  }

  /**
   * Begins no more requests. Resolves when nothing is under way; requests are given up after `deadline` milliseconds. Never
   * rejects.
   */
  async stop(deadline = 0): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    this.#cancel?.();
    this.#cancelTelling?.();
    this.#cancelAgain?.();
    const { queue, clock, events } = this.#parts;
    queue.unfollow();
    const giveUp = (): void => this.#giveUp.abort();
    const cancel = deadline > 0 ? clock.after(deadline, giveUp) : giveUp();
    await this.#underway.over();
    cancel?.();
    try {
      await this.#tell();
    } catch (error) {
      events.failed(error, "checkpoint");
    }
  }

  /** Does everything that can be done now, and sets the timer for the rest. */
  #pump(): void {
    if (!this.#running) return;
    this.#cancel?.();
    this.#cancel = undefined;
    void this.#underway.add(this.#fill());
    this.#pack();
    const { clock, breaker, endpoint } = this.#parts;
    for (;;) {
      if (this.#sending >= endpoint.concurrency) return;
      const now = clock.now();
      const parcel = this.#next(now, breaker.state(now) !== "closed");
      if (parcel === undefined || !breaker.take(now)) return this.#wait(now);
      void this.#underway.add(this.#send(parcel));
    }
  }

  /** The parcel that is to go now. `isProbing`: those that failed least come first, so that one alone blocks nobody. */
  #next(now: number, isProbing: boolean): Parcel | undefined {
    let due: Parcel | undefined;
    for (const parcel of this.#retries) {
      if (parcel.nextAt <= now && (due === undefined || parcel.attempts < due.attempts)) due = parcel;
    }
    return isProbing ? this.#fresh[0] ?? due : due ?? this.#fresh[0];
  }

  /** Sets the timer for what is due next. */
  #wait(now: number): void {
    const { breaker, clock, endpoint } = this.#parts;
    let at = Infinity;
    for (const { nextAt } of this.#retries) at = Math.min(at, nextAt);
    if (this.#fresh.length > 0) at = now;
    const open = breaker.nextAt(now);
    // A decision may be the probe, and nobody tells of its end.
    if (at < Infinity) at = Math.max(at, open ?? now + PROBE_WAIT);
    if (this.#loose.length > 0) at = Math.min(at, this.#looseSince + endpoint.batch.delay);
    if (at === Infinity) return;
    // Round up: fractional milliseconds fire early.
    this.#cancel = clock.after(Math.max(1, Math.ceil(at - now)), () => this.#pump());
  }

  /** Reads what waits, as long as there is room. */
  async #fill(): Promise<void> {
    if (this.#reading || !this.#mayHaveMore || this.#open.size >= WINDOW) return;
    const { queue, events, clock } = this.#parts;
    this.#reading = true;
    this.#mayHaveMore = false;
    let page: QueuePage;
    try {
      page = await queue.read(this.#read, WINDOW - this.#open.size);
    } catch (error) {
      events.failed(error, "queue");
      this.#mayHaveMore = true;
      this.#reading = false;
      if (this.#running) this.#cancelAgain = clock.after(AGAIN, () => this.#pump());
      return;
    }
    this.#reading = false;
    if (page.epoch !== this.#epoch) {
      // The queue was lost and made anew.
      this.#epoch = page.epoch;
      this.#read = this.#told = 0;
      this.#open = new Set();
      this.#loose = [];
      this.#mayHaveMore = true;
      return this.#pump();
    }
    if (page.hasGap) events.lost();
    if (page.more) this.#mayHaveMore = true;
    this.#read = page.last;
    if (this.#loose.length === 0) this.#looseSince = clock.now();
    for (const queued of page.events) {
      this.#open.add(queued.offset);
      this.#loose.push(queued);
    }
    if (page.events.length > 0 || this.#mayHaveMore) this.#pump();
    void this.#underway.add(this.#tellSoon());
  }

  /** Makes requests of loose events: full ones, and the rest when it has waited long enough. */
  #pack(): void {
    const { batch: { size, delay } } = this.#parts.endpoint;
    const isDue = this.#parts.clock.now() - this.#looseSince >= delay;
    while (this.#loose.length >= size || (this.#loose.length > 0 && isDue)) {
      const queued = takeSome(this.#loose, this.#parts.endpoint.batch);
      const readAt = this.#looseSince;
      this.#fresh.push({ queued, open: this.#open, attempts: 0, nextAt: 0, failure: "", readAt });
    }
  }

  async #send(parcel: Parcel): Promise<void> {
    const { clock, breaker } = this.#parts;
    if (this.#fresh[0] === parcel) this.#fresh.shift();
    this.#retries.delete(parcel);
    this.#sending++;
    const isFresh = clock.now() - parcel.readAt < REREAD;
    const current = isFresh ? parcel : await this.#reread(parcel);
    if (current === undefined) breaker.gaveUp();
    else await this.#post(current);
    this.#sending--;
    this.#pump();
  }

  async #post(parcel: Parcel): Promise<void> {
    const { post, clock, endpoint, events, breaker } = this.#parts;
    const began = clock.now();
    const isProbe = breaker.state(began) !== "closed";
    const posted = await post({
      ...requestOf(parcel.queued, endpoint.batch.size > 1),
      wantsBody: false,
      signal: this.#giveUp.signal,
    });
    const now = clock.now();
    const isTaken = posted.failure === undefined;
    if (this.#giveUp.signal.aborted && !isTaken) return breaker.gaveUp();
    if (posted.isDown === true) breaker.failed(now, posted.retryAfter);
    else breaker.succeeded();
    events.sent(isTaken ? "taken" : "failed", parcel.queued.length, now - began, posted);
    if (isTaken) this.#done(parcel);
    else await this.#failed(parcel, posted, isProbe);
  }

  /** What the queue still holds of a parcel; undefined: nothing, or that cannot be known now. Never rejects. */
  async #reread(parcel: Parcel): Promise<Parcel | undefined> {
    const { queue, clock, events } = this.#parts;
    try {
      const readAt = clock.now();
      const { events: queued, hasGap } = await queue.kept(parcel.queued);
      if (hasGap) events.lost();
      this.#done({ ...parcel, queued: parcel.queued.filter((one) => !queued.includes(one)) });
      return queued.length === 0 ? undefined : { ...parcel, queued, readAt };
    } catch (error) {
      events.failed(error, "queue");
      parcel.nextAt = clock.now() + AGAIN;
      this.#retries.add(parcel);
      return undefined;
    }
  }

  /** Keeps a parcel for another time, or gives its events up. */
  async #failed(parcel: Parcel, posted: Posted, isProbe: boolean): Promise<void> {
    const { endpoint: { retry }, clock, random } = this.#parts;
    const { queued } = parcel;
    // A failure may have taken any time: what is sent again is read again first.
    parcel.readAt = -Infinity;
    if (posted.isDown !== true && queued.length > 1) {
      // Some event is refused: each goes on its own, so that only that one is given up.
      const nextAt = clock.now() + (posted.retryAfter ?? 0);
      for (const one of apart(parcel, nextAt, posted.failure!)) this.#retries.add(one);
      return;
    }
    parcel.failure = posted.failure!;
    // A probe says more about the endpoint than about its events.
    if (!isProbe || posted.isDown !== true) parcel.attempts++;
    const isOld = clock.wall() - Math.min(...queued.map(({ event }) => event.again ?? event.timestamp)) >=
      retry.maxAge;
    if (parcel.attempts < retry.attempts && !isOld) {
      const delay = Math.max(retryDelay(Math.max(1, parcel.attempts), retry, random), posted.retryAfter ?? 0);
      parcel.nextAt = clock.now() + delay;
      this.#retries.add(parcel);
      return;
    }
    await this.#bury(parcel, posted.failure!);
  }

  async #bury(parcel: Parcel, failure: string): Promise<void> {
    const { queue, clock, events, endpoint: { retry } } = this.#parts;
    const { attempts, queued } = parcel;
    try {
      // Not those of a user who was erased while the request was under way.
      for (const one of (await queue.kept(queued)).events) {
        await queue.bury(one, { attempts, failure, at: clock.wall() });
        events.buried(one.event, attempts, failure);
      }
      this.#done(parcel);
    } catch (error) {
      // It stays in the queue, and is tried again.
      events.failed(error, "dead letters");
      parcel.nextAt = clock.now() + retry.maxDelay;
      this.#retries.add(parcel);
    }
  }

  #done({ queued, open }: Parcel): void {
    for (const { offset } of queued) open.delete(offset);
    void this.#underway.add(this.#tellSoon());
  }

  /** Keeps how far the endpoint was told, and some time later what was done meanwhile. */
  async #tellSoon(): Promise<void> {
    if (this.#telling || !this.#running || this.#reached <= this.#told) return;
    this.#telling = true;
    try {
      await this.#tell();
    } catch (error) {
      this.#parts.events.failed(error, "checkpoint");
    }
    if (!this.#running) return;
    this.#cancelTelling = this.#parts.clock.after(TELL_INTERVAL, () => {
      this.#telling = false;
      void this.#underway.add(this.#tellSoon());
    });
  }

  async #tell(): Promise<void> {
    const offset = this.#reached;
    if (offset <= this.#told) return;
    await this.#parts.queue.tell({ epoch: this.#epoch, offset });
    this.#told = Math.max(this.#told, offset);
  }

  /** Everything up to this offset is done. */
  get #reached(): number {
    for (const first of this.#open) return first - 1;
    return this.#read;
  }
}
