/**
 * Everything published, from the call until the server has acknowledged it: ordered, bounded, sent again after each
 * resume. Pure: says what is to be sent, and is told what became of it.
 *
 * @module
 */

import type { MessageAck, Payload } from "../../protocol/mod.ts";
import { SkeinError } from "../errors.ts";
import type { StoredMessage } from "./storage.ts";

/** What happens to a publish for which there is no room. */
export type OverflowPolicy = "refuse" | "drop-oldest";

/** Bounds of an outbox. */
export interface OutboxOptions {
  /** Messages. @default 10000 */
  readonly maxMessages?: number;
  /** Bytes, about. @default 8388608 */
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
  /** Its bytes on the wire, about. */
  readonly size: number;
  /** How often the server asked to try it again. */
  refusals: number;
  /** Sent on the connection of now. */
  sent: boolean;
}

interface Waiter {
  resolve(receipt: Receipt): void;
  reject(error: SkeinError): void;
}

/**
 * Bytes that may be unacknowledged at once. A server that pauses a WebSocket keeps a quarter of a megabyte for it and
 * refuses what is above, which would put messages out of order.
 */
const WINDOW = 196_608;
/** Bytes of an envelope and of what a payload's fields add. */
const ENVELOPE = 160;

/** The messages of one client that are not acknowledged. */
export class Outbox {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #overflow: OverflowPolicy;
  readonly #entries = new Map<string, OutboxEntry>();
  readonly #waiters = new Map<string, Waiter>();
  #queue: OutboxEntry[] = [];
  #head = 0;
  #bytes = 0;
  #inFlight = 0;

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

  /** Their ids, oldest first. */
  ids(): string[] {
    return [...this.#entries.keys()];
  }

  /**
   * Takes a message in; the promise settles with the server's answer. Throws `outbox_full` when there is no room and
   * the policy is to refuse. `dropped` are the ids that were given up for it.
   */
  add(message: StoredMessage): { receipt: Promise<Receipt>; dropped: string[] } {
    const size = sizeOf(message.payload);
    const dropped: string[] = [];
    if (size > this.#maxBytes) {
      throw new SkeinError("outbox_full", `a message of about ${size} bytes is larger than the outbox`);
    }
    while (this.#entries.size >= this.#maxMessages || this.#bytes + size > this.#maxBytes) {
      if (this.#overflow === "refuse") {
        throw new SkeinError("outbox_full", `${this.#entries.size} messages wait to be acknowledged`, {
          temporary: true,
        });
      }
      const [oldest] = this.#entries.keys();
      this.reject(oldest!, new SkeinError("dropped", "given up for a newer message"));
      dropped.push(oldest!);
    }
    this.#insert(message, size);
    const receipt = new Promise<Receipt>((resolve, reject) =>
      this.#waiters.set(message.id, { resolve, reject })
    );
    // The application may not look: a refusal is told as an event too.
    receipt.catch(() => {});
    return { receipt, dropped };
  }

  /** Takes in what an earlier run left behind; known ids are skipped. To be called before anything is sent. */
  restore(messages: readonly StoredMessage[]): void {
    const newer = [...this.#entries.values()];
    this.#entries.clear();
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#inFlight = 0;
    for (const message of [...messages, ...newer]) {
      if (!this.#entries.has(message.id)) this.#insert(message, sizeOf(message.payload));
    }
  }

  /** Takes in what another client has left behind, behind everything that is there; known ids are skipped. */
  adopt(messages: readonly StoredMessage[]): void {
    for (const message of messages) {
      if (!this.#entries.has(message.id)) this.#insert(message, sizeOf(message.payload));
    }
  }

  /** The next message to send, marked as sent; undefined when none waits or too much is on its way. */
  take(): OutboxEntry | undefined {
    for (; this.#head < this.#queue.length; this.#head++) {
      const entry = this.#queue[this.#head]!;
      if (entry.sent || this.#entries.get(entry.id) !== entry) continue;
      if (this.#inFlight > 0 && this.#inFlight + entry.size > WINDOW) break;
      this.#head++;
      entry.sent = true;
      this.#inFlight += entry.size;
      this.#trim();
      return entry;
    }
    this.#trim();
    return undefined;
  }

  /** Offers what waits, in order, until one is not wanted; those that are wanted are marked as sent. */
  offer(isWanted: (entry: OutboxEntry) => boolean): void {
    for (let at = this.#head; at < this.#queue.length; at++) {
      const entry = this.#queue[at]!;
      if (entry.sent || this.#entries.get(entry.id) !== entry) continue;
      if (!isWanted(entry)) return;
      entry.sent = true;
      this.#inFlight += entry.size;
    }
  }

  /** Everything is to be sent again, in order: another connection, or the server asked for it. */
  rewind(): void {
    this.#queue = [...this.#entries.values()];
    this.#head = 0;
    this.#inFlight = 0;
    for (const entry of this.#queue) entry.sent = false;
  }

  /** The message, while it is not acknowledged. */
  get(id: string): OutboxEntry | undefined {
    return this.#entries.get(id);
  }

  /** The server has committed it. False when it is not known (any more). */
  acknowledge(id: string, ack: MessageAck): boolean {
    const waiter = this.#waiters.get(id);
    if (!this.#remove(id)) return false;
    waiter?.resolve({ id, ...ack });
    return true;
  }

  /** It will never be committed. False when it is not known. */
  reject(id: string, error: SkeinError): boolean {
    const waiter = this.#waiters.get(id);
    if (!this.#remove(id)) return false;
    waiter?.reject(error);
    return true;
  }

  /** The client is closed: promises are rejected, messages stay (in the storage). */
  abandon(error: SkeinError): void {
    for (const waiter of this.#waiters.values()) waiter.reject(error);
    this.#waiters.clear();
  }

  #insert({ id, type, timestamp, payload }: StoredMessage, size: number): void {
    const entry: OutboxEntry = { id, type, timestamp, payload, size, refusals: 0, sent: false };
    this.#entries.set(id, entry);
    this.#queue.push(entry);
    this.#bytes += size;
  }

  #remove(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    this.#waiters.delete(id);
    this.#bytes -= entry.size;
    if (entry.sent) this.#inFlight -= entry.size;
    return true;
  }

  #trim(): void {
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }
}

/** About how many bytes a payload takes on the wire: exact is not needed, and encoding twice would cost more. */
function sizeOf({ text, data }: Payload): number {
  return ENVELOPE + (typeof text === "string" ? text.length : (JSON.stringify(data) ?? "").length);
}
