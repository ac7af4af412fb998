/**
 * Sends what is in the outbox, again after each change of connection, and tells what became of it.
 *
 * @module
 */

import { clientRow, Encoded, type Message, type Payload } from "../../protocol/core.ts";
import type { MessageAck } from "../../protocol/mod.ts";
import type { Clock } from "../clock.ts";
import { readBytes } from "../documents/bytes.ts";
import { SkeinError } from "../errors.ts";
import { Outbox, type OutboxEntry, type OutboxOptions, type Receipt, utf8Length } from "../outbox/outbox.ts";
import { Persistence } from "../outbox/persistence.ts";
import type { OutboxStorage, StoredMessage } from "../outbox/storage.ts";
import { Waits } from "../outbox/waits.ts";
import { Pace } from "../policy/pace.ts";
import type { Link } from "./link.ts";
import type { SessionPart } from "./part.ts";
import { readAck, readPayload } from "./payloads.ts";
import type { PublisherEvents, Publishing } from "./publishing.ts";
import type { Requests } from "./requests.ts";
import { settle } from "./settle.ts";
import { subjectOf } from "./tokens.ts";

/** Times the server may ask to send one message again before it is given up. */
const MAX_REFUSALS = 20;
/** Wait after a first refusal, in milliseconds; doubled with each, up to 30 s. */
const REFUSED_WAIT = 500;
/** Refusals that concern all that is sent, whatever channel it is for. */
const OF_ALL: ReadonlySet<string> = new Set(["rate_limited", "too_early", "unauthorized", "token_expired"]);
/** Bytes of one message that goes out behind `auth_request`: the least that a server takes before it knows who speaks. */
const EARLY_BYTES = 512;
/** Such messages on one connection. */
const MAX_EARLY = 8;
/** Milliseconds for which a server surely remembers the ids of messages, also when the session was resumed. */
const REMEMBERED = 10_000;

/** The outbox at work. */
export class Publisher implements SessionPart {
  readonly #clock: Clock;
  readonly #requests: Requests;
  readonly #events: PublisherEvents;
  readonly #outbox: Outbox;
  readonly #pace = new Pace();
  readonly #kept: Persistence;
  #link: Link | undefined;
  readonly #waits: Waits;
  /** The server is being asked what it has committed: nothing is sent before it has answered. */
  #settling: object | undefined;
  /** The last message sent on the connection, by the channel it is for. */
  readonly #last = new Map<string, string>();
  /** What went out on a link behind `auth_request`, on the control lane; `open`: ids of what is not answered of it. */
  #early: { readonly link: Link; readonly sent: Set<string>; readonly open: Set<string> } | undefined;

  constructor(
    clock: Clock,
    requests: Requests,
    options: OutboxOptions & { storage?: OutboxStorage },
    events: PublisherEvents,
  ) {
    this.#clock = clock;
    this.#requests = requests;
    this.#events = events;
    this.#outbox = new Outbox(options);
    this.#waits = new Waits(clock, (target) => {
      if (target !== undefined) this.#outbox.release(target);
      this.#flush();
    });
    this.#kept = new Persistence(options.storage, clock, {
      restored: (messages) => this.#found(() => this.#outbox.restore(messages)),
      adopted: (messages) => this.#found(() => this.#outbox.adopt(messages)),
      failed: (error) => events.failed(error),
    });
  }

  /** Messages that are not acknowledged. */
  get pending(): number {
    return this.#outbox.size;
  }

  /** Resolves when what an earlier run left behind has been read, or cannot be. */
  get loaded(): Promise<void> {
    return this.#kept.loaded;
  }

  /**
   * Publishes, all or nothing; each promise resolves when the server has committed that message, whatever happens to
   * connections meanwhile. They reject with the server's error, `dropped`, or `closed`. Throws `outbox_full`.
   */
  publish(publishings: readonly Publishing[]): Promise<Receipt>[] {
    const timestamp = this.#clock.wall(), { user } = this.#outbox;
    const messages = publishings.map((each): StoredMessage => ({
      ...each,
      timestamp,
      ...(user === undefined ? {} : { user }),
    }));
    const { receipts, dropped } = this.#outbox.add(messages);
    this.#gone(dropped, new SkeinError("dropped", "given up for a newer message"));
    for (const message of messages) this.#kept.add(message);
    this.#events.changed(this.#outbox.size);
    this.#flush();
    return receipts;
  }

  /**
   * A connection has just said `auth_request` with `token`: the first messages follow on the same lane without waiting
   * for the answer, which saves a round trip. Not those of a channel that is `awaited`: it is joined first, to hear them.
   */
  early(link: Link, token: string, isAwaited: (channel: unknown) => boolean): void {
    if (this.#link !== undefined || !this.#kept.isLoaded) return;
    const sent = new Set<string>(), open = new Set<string>();
    this.#early = { link, sent, open };
    const user = this.#outbox.user = subjectOf(token) ?? this.#outbox.user;
    this.#rewind(true);
    const now = this.#clock.now();
    // Whose messages may go is not known, or what of them has gone already.
    const isUnclear = [...this.#outbox.entries()].some((each) =>
      each.user !== undefined && user === undefined
    );
    if (isUnclear || this.#unsettled(now).length > 0) return void (this.#early = undefined);
    this.#outbox.offer((entry) => {
      const { id, type, payload } = entry;
      if (sent.size === MAX_EARLY || clientRow(type)?.lane === "document" || isAwaited(payload.channel)) {
        return false;
      }
      const message = this.#encoded(entry);
      if (utf8Length(message.text()) > EARLY_BYTES) return false;
      sent.add(id);
      open.add(id);
      this.#pace.take(entry.size, now);
      this.#last.set(entry.target, id);
      link.sendEncoded(message, 0);
      return true;
    }, now);
  }

  /** Everything that is not acknowledged is sent on the connection, in order. */
  attach(link: Link): void {
    const { limits, userId } = link.response;
    this.#link = link;
    this.#pace.limit(limits.rates, this.#clock.now());
    const goesOn = this.#early?.link === link && this.#outbox.user === userId;
    this.#outbox.user = userId;
    if (goesOn) return this.#flush();
    this.#early = undefined;
    this.#begin(link);
  }

  /** What is published waits. */
  detach(): void {
    this.#link = undefined;
    this.#early = undefined;
    this.#settling = undefined;
    this.#waits.clear();
  }

  /** Part of what was sent may be lost, and of the answers: all of it is sent again. */
  laneLost(): void {
    this.#rewind(true);
    this.#flush();
  }

  /** Why the server refused what goes to a channel is over: it is sent again now. */
  retry(target: string): void {
    this.#waits.end(target);
  }

  /** Takes an acknowledgement, or the refusal of a message; false when it is about neither. */
  take({ re, type, payload }: Message, isCurrent = true): boolean {
    const entry = re === undefined ? undefined : this.#outbox.get(re);
    if (entry === undefined) return type === "message_ack";
    if (type === "message_ack") {
      this.#acknowledged(entry, readAck(payload));
      this.#flush();
      return true;
    }
    let error: SkeinError;
    if (type === "doc_nack") {
      error = SkeinError.temporary("checksum_mismatch", "it came corrupted");
    } else if (type === "error") error = SkeinError.from(readPayload("error", payload));
    else return false;
    if (isCurrent) this.#refused(entry, error);
    return true;
  }

  /** The application disconnects: who connects next is not known. What was published by the user before waits for them. */
  stop(): void {
    this.#outbox.user = undefined;
  }

  /** The client is closed: promises are rejected; what is stored stays stored. Resolves when all is written. */
  async close(error: SkeinError): Promise<void> {
    this.detach();
    this.#outbox.abandon(error);
    await this.#kept.close();
  }

  /** Sends all that waits, once it is known what of it the server has committed. */
  #begin({ response }: Link): void {
    this.#rewind(true);
    const unsettled = this.#unsettled(response.resumed ? this.#clock.now() : Infinity);
    if (unsettled.length > 0) this.#settle(unsettled);
    this.#flush();
  }

  /** Another run or client has left messages. The server is asked about them first: they may have been sent. */
  #found(take: () => void): void {
    const before = this.#outbox.size;
    take();
    if (this.#outbox.size > before) this.#events.changed(this.#outbox.size);
    if (this.#link !== undefined) this.#begin(this.#link);
  }

  /** Messages that the server may have committed, and whose ids it may have forgotten since. */
  #unsettled(now: number): OutboxEntry[] {
    return [...this.#outbox.entries()].filter(({ sentAt, user }) =>
      sentAt !== undefined && now - sentAt > REMEMBERED && (user === undefined || user === this.#outbox.user)
    );
  }

  #settle(entries: readonly OutboxEntry[]): void {
    const round = this.#settling = {};
    const isOver = (): boolean => this.#settling !== round;
    void settle(this.#requests, this.#clock, entries, isOver, (entry, ack) => {
      if (this.#outbox.get(entry.id) === entry) this.#acknowledged(entry, ack);
    }).then(() => {
      if (isOver()) return;
      this.#settling = undefined;
      this.#flush();
    });
  }

  #acknowledged(entry: OutboxEntry, ack: MessageAck): void {
    this.#outbox.acknowledge(entry, ack);
    this.#gone([entry]);
    this.#events.acknowledged({ id: entry.id, ...ack });
  }

  #refused(entry: OutboxEntry, error: SkeinError): void {
    const early = this.#early;
    if (error.error === "unauthorized" && early?.sent.has(entry.id)) {
      // The server refused early messages because it read them before it had granted `auth_request`. Each of them gets
      // this answer; the first one sends them all again.
      if (early.open.size === 0) return;
      early.open.clear();
      this.#rewind(true);
      return this.#flush();
    }
    if (entry.unanswered > 0) entry.unanswered--;
    if (!error.temporary) return this.#reject(entry, error);
    this.#events.refused(entry.payload.channel, error);
    // It is to be sent again already, or has been: this answers what was sent before.
    if (!entry.sent || entry.unanswered > 0) return;
    // What stands behind another one says nothing of itself.
    const isFollower = error.error === "out_of_order";
    if (!isFollower && ++entry.refusals > MAX_REFUSALS) return this.#reject(entry, error);
    const wait = isFollower
      ? 0
      : error.retryAfter ?? Math.min(30_000, REFUSED_WAIT * 2 ** (entry.refusals - 1));
    if (OF_ALL.has(error.error)) {
      early?.open.clear();
      this.#rewind(false);
      this.#waits.begin(wait);
    } else this.#hold(entry.target, wait);
    this.#flush();
  }

  /** What goes to a channel is sent again in order, after `wait` ms. Other channels are not concerned. */
  #hold(target: string, wait: number): void {
    const open = this.#early?.open ?? new Set();
    for (const id of open) if (this.#outbox.get(id)?.target === target) open.delete(id);
    this.#last.delete(target);
    this.#outbox.hold(target);
    if (wait > 0) this.#waits.begin(wait, target);
    else this.#outbox.release(target);
  }

  #reject(entry: OutboxEntry, error: SkeinError): void {
    this.#gone(this.#outbox.reject(entry, error), error);
    this.#flush();
  }

  /** Messages are settled; `error`: they will not be sent. */
  #gone(entries: readonly OutboxEntry[], error?: SkeinError): void {
    for (const { id } of entries) {
      this.#early?.open.delete(id);
      this.#kept.remove(id);
      if (error !== undefined) this.#events.rejected(id, error);
    }
    if (entries.length === 0) return;
    this.#events.changed(this.#outbox.size);
    if (this.#outbox.hasRoom) this.#events.room();
  }

  /** All of it is sent again in order, so that nothing is overtaken. `forget`: no answers come to what was sent. */
  #rewind(forget: boolean): void {
    this.#last.clear();
    this.#outbox.rewind(forget);
    this.#waits.clear();
  }

  #flush(): void {
    const link = this.#link;
    // Older messages go first: nothing leaves before those of the earlier run are known.
    if (link === undefined || !this.#kept.isLoaded || this.#settling !== undefined) return;
    if (this.#waits.isForAll) return;
    // What follows has lanes of its own, and would overtake what is on its way on the control lane.
    if (this.#early !== undefined && this.#early.open.size > 0) return;
    const { maxMessage } = link.response.limits;
    for (let entry = this.#outbox.next(); entry !== undefined; entry = this.#outbox.next()) {
      const message = this.#encoded(entry);
      if (utf8Length(message.text()) > maxMessage) {
        this.#gone(
          this.#outbox.reject(entry, new SkeinError("message_too_large", `larger than ${maxMessage} bytes`)),
        );
        continue;
      }
      const now = this.#clock.now(), wait = this.#pace.take(entry.size, now);
      if (wait > 0) return this.#waits.begin(wait);
      this.#outbox.sent(entry, now);
      this.#last.set(entry.target, entry.id);
      link.sendEncoded(message, link.laneOf(entry.type, entry.payload.channel));
    }
  }

  #encoded({ id, type, timestamp, payload, target }: OutboxEntry): Encoded {
    // Operations of documents have an order of their own.
    const after = clientRow(type)?.lane === "document" ? {} : { after: this.#last.get(target) ?? "" };
    const said: Payload = { ...payload, ...after };
    readBytes(said);
    return new Encoded({ type, id, timestamp, payload: said });
  }
}
