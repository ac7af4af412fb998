/**
 * Everything published, from the call until the server has acknowledged it: ordered, bounded, sent again after each
 * resume. Pure: says what is to be sent, and is told what became of it.
 *
 * @module
 */

import { BROADCAST_CHANNEL, inboxOf } from "../../protocol/core.ts";
import type { MessageAck, Payload } from "../../protocol/mod.ts";
import { type Deferred, quietDeferred } from "../../async/deferred.ts";
import { SkeinError } from "../errors.ts";
import type { StoredMessage } from "./storage.ts";

/** What happens to a publish for which there is no room. */
export type OverflowPolicy = "refuse" | "drop-oldest";

/** Bounds of an outbox. */
export interface OutboxOptions {
  /** Messages. @default 10000 */
  readonly maxMessages?: number;
  /** Bytes of what waits, as it travels. @default 8388608 */
  readonly maxBytes?: number;
  /** `refuse` rejects the new message with `outbox_full`, `drop-oldest` gives up the oldest with `dropped`. @default "refuse" */
  readonly overflow?: OverflowPolicy;
}

/** The server has committed a message. */
export interface Receipt extends MessageAck {
  readonly id: string;
}

/** A message that waits or is on its way. */
export interface OutboxEntry extends StoredMessage {
  /** Its bytes on the wire, or some more. */
  readonly size: number;
  /** The channel it is kept in: within it messages keep their order. */
  readonly target: string;
  /** How often the server asked to try it again. */
  refusals: number;
  /** Sent on the connection of now, since the last rewind. */
  sent: boolean;
  /** Answers to it that are still to come on the connection of now: an error with more to come is out of date. */
  unanswered: number;
  /** When it was first sent, in the clock's milliseconds; -Infinity: in an earlier run, perhaps. */
  sentAt: number | undefined;
  /** Numbers its last place in the queue: places before that one no longer count. */
  turn: number;
}

/** A place in the queue. */
interface Place {
  readonly entry: OutboxEntry;
  readonly turn: number;
}

/**
 * Bytes that may be unacknowledged at once. A server that pauses a WebSocket keeps a quarter of a megabyte for it and
 * refuses what is above.
 */
const WINDOW = 196_608;
/** Bytes of an envelope and of the field `after`, at most. */
const ENVELOPE = 256;

/** The messages of one client that are not acknowledged. */
export class Outbox {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #overflow: OverflowPolicy;
  readonly #entries = new Map<string, OutboxEntry>();
  readonly #waiters = new Map<string, Deferred<Receipt>>();
  #queue: Place[] = [];
  #head = 0;
  #turns = 0;
  /** Channels of which nothing is sent at the moment. */
  readonly #held = new Set<string>();
  #bytes = 0;
  #inFlight = 0;
  /** Whose messages may be sent; undefined: it is not known who the user is. */
  user: string | undefined;

  constructor({ maxMessages = 10_000, maxBytes = 8_388_608, overflow = "refuse" }: OutboxOptions = {}) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
    this.#overflow = overflow;
  }

  /** Messages that are not acknowledged. */
  get size(): number {
    return this.#entries.size;
  }

  /** Their bytes, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Half of it is free: what was refused for lack of room may be tried again, and two that wait take turns. */
  get hasRoom(): boolean {
    return this.#entries.size * 2 <= this.#maxMessages && this.#bytes * 2 <= this.#maxBytes;
  }

  /** All of them, oldest first. */
  entries(): IterableIterator<OutboxEntry> {
    return this.#entries.values();
  }

  /**
   * Takes messages in, all or none; each promise settles with the server's answer. Throws `outbox_full` when there is no
   * room and the policy is to refuse. `dropped` are those that were given up for them.
   */
  add(messages: readonly StoredMessage[]): { receipts: Promise<Receipt>[]; dropped: OutboxEntry[] } {
    const sizes = messages.map(({ payload }) => sizeOf(payload));
    const size = sizes.reduce((sum, each) => sum + each, 0);
    if (size > this.#maxBytes || messages.length > this.#maxMessages) {
      throw new SkeinError(
        "outbox_full",
        `${size} bytes in ${messages.length} parts are more than the outbox holds`,
      );
    }
    const dropped: OutboxEntry[] = [];
    while (this.#entries.size + messages.length > this.#maxMessages || this.#bytes + size > this.#maxBytes) {
      if (this.#overflow === "refuse") {
        const text = `${this.#entries.size} messages of ${this.#bytes} bytes wait to be acknowledged`;
        throw SkeinError.temporary("outbox_full", text);
      }
      const [oldest] = this.#entries.values();
      dropped.push(...this.reject(oldest!, new SkeinError("dropped", "given up for a newer message")));
    }
    const receipts = messages.map((message, i) => {
      // Said again with its id it is the same message.
      if (!this.#entries.has(message.id)) this.#insert(message, sizes[i]!, undefined);
      // The application may not look: a refusal is told as an event too.
      const waiter = this.#waiters.get(message.id) ?? quietDeferred<Receipt>();
      this.#waiters.set(message.id, waiter);
      return waiter.promise;
    });
    return { receipts, dropped };
  }

  /** Takes in what an earlier run left behind, before everything that is there; known ids are skipped. */
  restore(messages: readonly StoredMessage[]): void {
    const newer = [...this.#entries.values()];
    this.#entries.clear();
    this.#bytes = 0;
    this.adopt(messages);
    for (const entry of newer) {
      if (!this.#entries.has(entry.id)) this.#keep(entry);
    }
    this.rewind();
  }

  /** Takes in what another client has left behind, behind everything that is there; known ids are skipped. */
  adopt(messages: readonly StoredMessage[]): void {
    for (const message of messages) {
      if (!this.#entries.has(message.id)) this.#insert(message, sizeOf(message.payload), -Infinity);
    }
  }

  /** The next message to send; undefined when none waits or too much is on its way. */
  next(): OutboxEntry | undefined {
    for (; this.#head < this.#queue.length; this.#head++) {
      const { entry } = this.#queue[this.#head]!;
      if (!this.#isDue(this.#queue[this.#head]!)) continue;
      return this.#inFlight > 0 && this.#inFlight + entry.size > WINDOW ? undefined : entry;
    }
    this.#queue = [];
    this.#head = 0;
    return undefined;
  }

  /** Offers what waits, in order, until one is not wanted; those that are wanted are marked as sent at `now`. */
  offer(isWanted: (entry: OutboxEntry) => boolean, now: number): void {
    for (const place of this.#queue.slice(this.#head)) {
      if (!this.#isDue(place)) continue;
      if (!isWanted(place.entry)) return;
      this.sent(place.entry, now);
    }
  }

  /** A message is on its way. */
  sent(entry: OutboxEntry, now: number): void {
    entry.sent = true;
    entry.unanswered++;
    entry.sentAt ??= now;
    this.#inFlight += entry.size;
    if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Everything is to be sent again, in order. `forget`: no answer comes to what was sent before. */
  rewind(forget = false): void {
    this.#queue = [];
    this.#head = 0;
    this.#inFlight = 0;
    this.#held.clear();
    for (const entry of this.#entries.values()) {
      entry.sent = false;
      if (forget) entry.unanswered = 0;
      this.#enqueue(entry);
    }
  }

  /** What goes to a channel is to be sent again, in order, once the channel is released; others go on. */
  hold(target: string): void {
    // Each message that was on its way may be refused. Nothing has left since the first.
    if (this.#held.has(target)) return;
    this.#held.add(target);
    for (const entry of this.#entries.values()) {
      if (entry.target !== target || !entry.sent) continue;
      entry.sent = false;
      this.#inFlight -= entry.size;
    }
  }

  /** What was held goes behind everything that is there. */
  release(target: string): void {
    if (!this.#held.delete(target)) return;
    for (const entry of this.#entries.values()) if (entry.target === target) this.#enqueue(entry);
  }

  /** The message, while it is not acknowledged. */
  get(id: string): OutboxEntry | undefined {
    return this.#entries.get(id);
  }

  /** The server has committed it. */
  acknowledge(entry: OutboxEntry, ack: MessageAck): void {
    this.#remove(entry)?.resolve({ id: entry.id, ...ack });
  }

  /** It will never be committed; nor will the other parts of the operation it is a part of. Returns all of them. */
  reject(entry: OutboxEntry, error: SkeinError): OutboxEntry[] {
    const op = opOf(entry);
    const gone = op === undefined ? [entry] : [...this.#entries.values()].filter((each) => opOf(each) === op);
    for (const each of gone) this.#remove(each)?.reject(error);
    return gone;
  }

  /** The client is closed: promises are rejected, messages stay (in the storage). */
  abandon(error: SkeinError): void {
    for (const waiter of this.#waiters.values()) waiter.reject(error);
    this.#waiters.clear();
  }

  /** It is still waited for, it is the user's, and this is its turn. */
  #isDue({ entry, turn }: Place): boolean {
    if (entry.sent || entry.turn !== turn || this.#held.has(entry.target)) return false;
    return this.#entries.get(entry.id) === entry && (entry.user === undefined || entry.user === this.user);
  }

  #enqueue(entry: OutboxEntry): void {
    const turn = entry.turn = ++this.#turns;
    this.#queue.push({ entry, turn });
  }

  #insert(message: StoredMessage, size: number, sentAt: number | undefined): void {
    const target = targetOf(message.payload);
    const entry = { ...message, size, target, refusals: 0, sent: false, unanswered: 0, sentAt, turn: 0 };
    this.#keep(entry);
    if (!this.#held.has(target)) this.#enqueue(entry);
  }

  #keep(entry: OutboxEntry): void {
    this.#entries.set(entry.id, entry);
    this.#bytes += entry.size;
  }

  #remove(entry: OutboxEntry): Deferred<Receipt> | undefined {
    const waiter = this.#waiters.get(entry.id);
    this.#entries.delete(entry.id);
    this.#waiters.delete(entry.id);
    this.#bytes -= entry.size;
    if (entry.sent) this.#inFlight -= entry.size;
    return waiter;
  }
}

/** The channel a message is kept in. */
function targetOf({ channel, to }: Payload): string {
  if (typeof channel === "string") return channel;
  return typeof to === "string" ? inboxOf(to) : BROADCAST_CHANNEL;
}

/** The operation of which a message is a part. */
function opOf({ payload: { part } }: StoredMessage): unknown {
  return (part as { op?: unknown } | undefined)?.op;
}

/** As the server counts: bytes, not characters. */
function sizeOf(payload: Payload): number {
  return ENVELOPE + utf8Length(JSON.stringify(payload));
}

/** Bytes of a text in UTF-8. */
export function utf8Length(text: string): number {
  // deno-lint-ignore no-control-regex -- most texts are ASCII, and looking is faster than encoding
  return /^[\x00-\x7f]*$/.test(text) ? text.length : new TextEncoder().encode(text).length;
}
