/**
 * The events that wait for one endpoint, its dead letters, and how far it was told: all of it kept by the engine, so that
 * every node finds it, and a restart as well.
 *
 * Events are the messages of a log channel, which no client can name because of its `$`. Keeping one costs what a message
 * costs, and reading goes on from a checkpoint that is written now and then: after a crash some events are sent again.
 *
 * @module
 */

import type { Engine, MaybePromise, Position, Retention, StoredRecord } from "../engine/contract.ts";
import type { Endpoint, Notification, WebhookEvent } from "./contract.ts";

const EVENT = "webhook_event";
const DEAD = "webhook_dead";
const GONE = "webhook_resent";
const DAY = 86_400_000;
/** How long dead letters are kept, in milliseconds. */
const DEAD_AGE = 30 * DAY;
/** Messages that are read at once where only their number or their being there matters. */
const PAGE = 500;
/** The name of the checkpoint. */
const TOLD = "told";

/** An event in the queue. */
export interface Queued {
  readonly offset: number;
  readonly event: WebhookEvent;
}

/** A part of the queue. */
export interface QueuePage {
  readonly events: readonly Queued[];
  /** The last offset that was read: the next page begins after it. */
  readonly last: number;
  readonly epoch: string;
  /** Events were lost, because more waited than may. */
  readonly hasGap: boolean;
  /** There is more. */
  readonly more: boolean;
}

/** An event that was given up. */
export interface DeadLetter {
  readonly offset: number;
  readonly event: WebhookEvent;
  /** When it was given up, in milliseconds since the epoch. */
  readonly at: number;
  /** Requests that were made with it. */
  readonly attempts: number;
  /** Why the last of them failed. */
  readonly failure: string;
}

/** What is kept for one endpoint. */
export class WebhookQueue {
  readonly #engine: Pick<Engine, "log" | "values">;
  readonly #channel: string;
  readonly #deadChannel: string;
  readonly #limits: () => Pick<Endpoint, "queue" | "deadLetters" | "retry">;

  constructor(
    engine: Pick<Engine, "log" | "values">,
    name: string,
    limits: () => Pick<Endpoint, "queue" | "deadLetters" | "retry">,
  ) {
    this.#engine = engine;
    this.#channel = `$webhooks:${name}`;
    this.#deadChannel = `$webhooks-dead:${name}`;
    this.#limits = limits;
  }

  /** Keeps an event; the same one once. Resolves when it is committed. */
  append(event: WebhookEvent): MaybePromise<unknown> {
    const { id, type, user, timestamp, data } = event;
    const { queue, retry } = this.#limits();
    // Kept for longer than it is tried, so that its age ends in a dead letter and not in silence.
    const retention: Retention = { size: queue, age: 2 * retry.maxAge + DAY };
    // Bytes stand at the top of a payload alone; `data` holds JSON.
    const record = { type: EVENT, id, from: user, timestamp, payload: { type, data } };
    return this.#engine.log.publish(this.#channel, record, { retention, dedupeKey: id });
  }

  /** Calls `listener` at each event that is kept from now on. One listener. */
  follow(listener: () => void): MaybePromise<void> {
    return this.#engine.log.follow(this.#channel, listener);
  }

  /** Ends `follow`. */
  unfollow(): void {
    this.#engine.log.unfollow(this.#channel);
  }

  /** Events after `since`, the oldest first. */
  async read(since: number, limit: number): Promise<QueuePage> {
    const { records, epoch, offset, complete } = await this.#engine.log.read(this.#channel, { since, limit });
    const last = records.at(-1)?.offset ?? since;
    const events = records.map(queuedOf).filter((queued) => queued !== undefined);
    return { events, last, epoch, hasGap: !complete, more: records.length > 0 && last < offset };
  }

  /**
   * Those of some events, in order, that the queue still holds: an event of an erased user has nothing left to tell.
   * `hasGap`: some were lost, because more waited than may.
   */
  async kept(queued: readonly Queued[]): Promise<{ events: readonly Queued[]; hasGap: boolean }> {
    const last = queued.at(-1)!.offset;
    const ids = new Set<string>();
    let hasGap = false;
    for (let since = queued[0]!.offset - 1, more = true; more && since < last;) {
      const page = await this.read(since, Math.min(PAGE, last - since));
      for (const { event } of page.events) ids.add(event.id);
      hasGap ||= page.hasGap;
      since = page.last;
      ({ more } = page);
    }
    return { events: queued.filter(({ event }) => ids.has(event.id)), hasGap };
  }

  /** How far the endpoint was told. */
  async told(): Promise<Position> {
    const [value, { epoch }] = await Promise.all([
      this.#engine.values.get({ channel: this.#channel, name: TOLD }),
      this.#engine.log.position(this.#channel),
    ]);
    // A queue that was lost and made anew begins at its beginning.
    return value?.at?.epoch === epoch ? value.at : { epoch, offset: 0 };
  }

  /** Keeps how far it was told, unless that was further already, and drops what lies before. */
  async tell(at: Position): Promise<void> {
    const key = { channel: this.#channel, name: TOLD };
    const value = await this.#engine.values.get(key);
    if (value?.at?.epoch === at.epoch && value.at.offset >= at.offset) return;
    // Lost to another node that tells the endpoint too: it is written again soon, or was by that one.
    await this.#engine.values.put(key, { at }, { revision: value?.revision ?? 0 });
    await this.#engine.log.trim(this.#channel, at.offset);
  }

  /** How many events wait, at most: events that were told and not dropped yet count too. */
  async waiting(): Promise<number> {
    const [{ offset }, end] = await Promise.all([this.told(), this.#engine.log.position(this.#channel)]);
    return Math.max(0, end.offset - offset);
  }

  /**
   * Gives an event of the queue up. Resolves when the dead letter is committed, or the event is of a user who was erased
   * meanwhile.
   */
  async bury(
    { offset, event }: Queued,
    { attempts, failure, at }: Omit<DeadLetter, "offset" | "event">,
  ): Promise<void> {
    const { id, type, user, timestamp, data } = event;
    const payload = { type, data, occurred: timestamp, attempts, failure };
    const record = { type: DEAD, id, from: user, timestamp: at, payload };
    const retention: Retention = { size: this.#limits().deadLetters, age: DEAD_AGE };
    const published = await this.#engine.log.publish(this.#deadChannel, record, { retention });
    await this.#followErasure(user, [this.#channel, offset], [this.#deadChannel, published.offset]);
  }

  /** Dead letters after `since`, the oldest first; `last` is where the next part begins. */
  async dead(since: number, limit: number): Promise<{ letters: DeadLetter[]; last: number; more: boolean }> {
    const page = await this.#engine.log.read(this.#deadChannel, { since, limit });
    const last = page.records.at(-1)?.offset ?? since;
    const letters = page.records.map(deadOf).filter((letter) => letter !== undefined);
    return { letters, last, more: page.records.length > 0 && last < page.offset };
  }

  /** How many dead letters there are. Reads all of them. */
  async countDead(): Promise<number> {
    let count = 0;
    for (let since = 0, more = true; more;) {
      const page = await this.dead(since, PAGE);
      count += page.letters.length;
      since = page.last;
      ({ more } = page);
    }
    return count;
  }

  /** Puts a dead letter back into the queue. False: there is none at this offset. */
  async revive(offset: number): Promise<boolean> {
    const { record } = await this.#engine.log.get(this.#deadChannel, offset);
    const letter = record === undefined ? undefined : deadOf(record);
    if (letter === undefined) return false;
    // First into the queue: what fails between the two is sent twice, and not lost. With a time of its own, because its
    // age is what ended it, and a key of its own, because the queue may still know its id.
    const { id, type, user, data } = letter.event;
    const now = Date.now();
    const { queue, retry } = this.#limits();
    const published = await this.#engine.log.publish(this.#channel, {
      type: EVENT,
      id,
      from: user,
      timestamp: letter.event.timestamp,
      payload: { type, data, again: now },
    }, { retention: { size: queue, age: 2 * retry.maxAge + DAY } });
    await this.#followErasure(user, [this.#deadChannel, offset], [this.#channel, published.offset]);
    await this.#engine.log.publish(this.#deadChannel, {
      type: GONE,
      id,
      from: user,
      timestamp: now,
      payload: {},
    }, {
      retention: { size: this.#limits().deadLetters, age: DEAD_AGE },
      edit: { kind: "erase", target: offset },
    });
    return true;
  }

  /**
   * An event was copied from one place to another. Its user may have been erased after it was read and before it was
   * written: then it goes there too. An erasure looks at both channels until it finds nothing.
   */
  async #followErasure(
    from: string,
    [source, offset]: readonly [string, number],
    [target, at]: readonly [string, number],
  ): Promise<void> {
    const { log } = this.#engine;
    const { record } = await log.get(source, offset);
    // A mark of its own offset is that of an erasure; a letter that was sent again is marked by the message after it.
    if (record?.payload.deleted === offset) await log.redact(target, { from, since: at - 1 });
  }
}

function queuedOf({ offset, type, id, from: user, timestamp, payload }: StoredRecord): Queued | undefined {
  if (type !== EVENT || payload.deleted !== undefined) return undefined;
  const data = payload.data as WebhookEvent["data"];
  const again = typeof payload.again === "number" ? { again: payload.again } : {};
  return { offset, event: { id, type: payload.type as Notification, user, timestamp, data, ...again } };
}

function deadOf({ offset, type, id, from: user, timestamp, payload }: StoredRecord): DeadLetter | undefined {
  if (type !== DEAD || payload.deleted !== undefined) return undefined;
  return {
    offset,
    at: timestamp,
    attempts: Number(payload.attempts),
    failure: String(payload.failure),
    event: {
      id,
      type: payload.type as Notification,
      user,
      timestamp: Number(payload.occurred),
      data: payload.data as WebhookEvent["data"],
    },
  };
}
