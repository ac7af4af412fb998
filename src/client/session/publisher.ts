/**
 * Sends what is in the outbox, again after each change of connection, and tells what became of it.
 *
 * @module
 */

import {
  type AcknowledgedType,
  clientRow,
  Encoded,
  type Message,
  type Payload,
  uuidv7,
} from "../../protocol/core.ts";
import type { MessageAck } from "../../protocol/mod.ts";
import { readPayload } from "./payloads.ts";
import type { Clock } from "../clock.ts";
import { SkeinError } from "../errors.ts";
import { Outbox, type OutboxEntry, type OutboxOptions, type Receipt } from "../outbox/outbox.ts";
import { type OutboxStorage, StorageWriter } from "../outbox/storage.ts";
import type { Link } from "./link.ts";
import type { SessionPart } from "./part.ts";

/** Times the server may ask to send one message again before it is given up. */
const MAX_REFUSALS = 20;
/** Wait after a first refusal, in milliseconds; doubled with each, up to 30 s. */
const REFUSED_WAIT = 500;
/** Bytes of one message that goes out behind `auth_request`: the least that a server takes before it knows who speaks. */
const EARLY_BYTES = 512;
/** Such messages on one connection. */
const MAX_EARLY = 8;

/** What a publisher tells. */
export interface PublisherEvents {
  acknowledged(receipt: Receipt): void;
  /** A message will never be sent: refused by the server, too large, or dropped for newer ones. */
  rejected(id: string, error: SkeinError): void;
  /** The server asks to send a message of this channel again later. */
  refused(channel: unknown, error: SkeinError): void;
  /** The number of messages that wait has changed. */
  changed(pending: number): void;
  failed(error: SkeinError): void;
}

/** The outbox at work. */
export class Publisher implements SessionPart {
  readonly #clock: Clock;
  readonly #events: PublisherEvents;
  readonly #outbox: Outbox;
  readonly #storage: OutboxStorage | undefined;
  readonly #writer: StorageWriter | undefined;
  readonly #loaded: Promise<void>;
  #isLoaded: boolean;
  #link: Link | undefined;
  #resume: (() => void) | undefined;
  /** Ids of what went out on a link behind `auth_request`, on the control lane; `open`: what is not settled of it. */
  #early: { readonly link: Link; readonly sent: Set<string>; readonly open: Set<string> } | undefined;

  constructor(clock: Clock, options: OutboxOptions & { storage?: OutboxStorage }, events: PublisherEvents) {
    this.#clock = clock;
    this.#events = events;
    this.#outbox = new Outbox(options);
    this.#storage = options.storage;
    this.#isLoaded = options.storage === undefined;
    if (options.storage === undefined) {
      this.#loaded = Promise.resolve();
    } else {
      this.#writer = new StorageWriter(
        options.storage,
        clock,
        (cause) => events.failed(new SkeinError("storage", "the outbox could not be written", { cause })),
      );
      this.#loaded = this.#load(options.storage);
    }
  }

  /** Messages that are not acknowledged. */
  get pending(): number {
    return this.#outbox.size;
  }

  /** Resolves when what an earlier run left behind has been read. */
  get loaded(): Promise<void> {
    return this.#loaded;
  }

  /**
   * Publishes; resolves when the server has committed it, whatever happens to connections meanwhile. Rejects with the
   * server's error, `outbox_full`, `dropped`, or `closed`.
   */
  publish(type: AcknowledgedType, payload: Payload, id: string = uuidv7()): Promise<Receipt> {
    const message = { id, type, timestamp: Date.now(), payload };
    try {
      const { receipt, dropped } = this.#outbox.add(message);
      for (const gone of dropped) {
        this.#writer?.remove(gone);
        this.#events.rejected(gone, new SkeinError("dropped", "given up for a newer message"));
      }
      this.#writer?.add(message);
      this.#events.changed(this.#outbox.size);
      this.#flush();
      return receipt;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * A connection has just said `auth_request`: the first messages follow on the same lane without waiting for the
   * answer, which saves a round trip. Not those of a channel that is `awaited`: it is joined first, to hear them.
   */
  early(link: Link, isAwaited: (channel: unknown) => boolean): void {
    if (this.#link !== undefined || !this.#isLoaded) return;
    const sent = new Set<string>();
    const open = new Set<string>();
    this.#early = { link, sent, open };
    this.#outbox.rewind();
    this.#outbox.offer(({ id, type, timestamp, payload }) => {
      if (sent.size === MAX_EARLY || clientRow(type)?.lane === "document" || isAwaited(payload.channel)) {
        return false;
      }
      const message = new Encoded({ type, id, timestamp, payload });
      if (isLonger(message.text(), EARLY_BYTES)) return false;
      sent.add(id);
      open.add(id);
      link.sendEncoded(message, 0);
      return true;
    });
  }

  /** Everything that is not acknowledged is sent on the connection, in order. */
  attach(link: Link): void {
    this.#link = link;
    if (this.#early?.link === link) return this.#flush();
    this.#early = undefined;
    this.#again(0);
  }

  /** What is published waits. */
  detach(): void {
    this.#link = undefined;
    this.#early = undefined;
    this.#resume?.();
    this.#resume = undefined;
  }

  /** Part of what was sent may be lost: all of it is sent again. */
  laneLost(): void {
    this.#again(0);
  }

  /** Takes an acknowledgement, or the refusal of a message; false when it is about neither. */
  take({ re, type, payload }: Message): boolean {
    const entry = re === undefined ? undefined : this.#outbox.get(re);
    if (entry === undefined) return type === "message_ack";
    if (type === "message_ack") {
      const ack = readAck(payload);
      this.#outbox.acknowledge(entry.id, ack);
      this.#gone(entry.id);
      this.#events.acknowledged({ id: entry.id, ...ack });
      this.#flush();
      return true;
    }
    if (type === "doc_nack") {
      this.#refused(entry, new SkeinError("checksum_mismatch", "it came corrupted", { temporary: true }));
      return true;
    }
    if (type !== "error") return false;
    const error = SkeinError.from(readPayload("error", payload));
    if (error.error === "unauthorized" && this.#early?.sent.has(entry.id)) {
      // A server that does not wait with what follows `auth_request`: now it is granted. Said once for all of it.
      if (this.#early.open.size > 0) this.#again(0);
      return true;
    }
    this.#refused(entry, error);
    return true;
  }

  /** The client is closed: promises are rejected; what is stored stays stored. Resolves when all is written. */
  async close(error: SkeinError): Promise<void> {
    this.detach();
    this.#outbox.abandon(error);
    await this.#loaded;
    await this.#writer?.idle();
    await this.#storage?.close?.();
  }

  async #load(storage: OutboxStorage): Promise<void> {
    try {
      const stored = await storage.load((messages) => {
        this.#outbox.adopt(messages);
        this.#events.changed(this.#outbox.size);
        this.#flush();
      });
      this.#outbox.restore(stored);
      if (stored.length > 0) this.#events.changed(this.#outbox.size);
    } catch (cause) {
      this.#events.failed(new SkeinError("storage", "the outbox could not be read", { cause }));
    }
    this.#isLoaded = true;
    this.#flush();
  }

  #refused(entry: OutboxEntry, error: SkeinError): void {
    if (!error.temporary || ++entry.refusals > MAX_REFUSALS) {
      this.#reject(entry.id, error);
      return this.#flush();
    }
    this.#events.refused(entry.payload.channel, error);
    // All of it waits and goes again in order: a later message must not overtake the refused one.
    const wait = error.retryAfter ?? Math.min(30_000, REFUSED_WAIT * 2 ** (entry.refusals - 1));
    this.#again(wait);
  }

  #reject(id: string, error: SkeinError): void {
    this.#outbox.reject(id, error);
    this.#gone(id);
    this.#events.rejected(id, error);
  }

  #gone(id: string): void {
    this.#early?.open.delete(id);
    this.#writer?.remove(id);
    this.#events.changed(this.#outbox.size);
  }

  #again(wait: number): void {
    this.#resume?.();
    this.#resume = undefined;
    this.#early?.open.clear();
    this.#outbox.rewind();
    if (wait === 0) return this.#flush();
    this.#resume = this.#clock.after(wait, () => {
      this.#resume = undefined;
      this.#flush();
    });
  }

  #flush(): void {
    const link = this.#link;
    // Older messages go first: nothing leaves before those of the earlier run are known.
    if (link === undefined || this.#resume !== undefined || !this.#isLoaded) return;
    // What follows has lanes of its own, and would overtake what is on its way on the control lane.
    if (this.#early !== undefined && this.#early.open.size > 0) return;
    const { maxMessage } = link.response.limits;
    for (let entry = this.#outbox.take(); entry !== undefined; entry = this.#outbox.take()) {
      const { id, type, timestamp, payload } = entry;
      const message = new Encoded({ type, id, timestamp, payload });
      if (isLonger(message.text(), maxMessage)) {
        this.#reject(id, new SkeinError("message_too_large", `larger than ${maxMessage} bytes`));
        continue;
      }
      link.sendEncoded(
        message,
        link.laneOf(type, typeof payload.channel === "string" ? payload.channel : undefined),
      );
    }
  }
}

// By hand, because it runs for every message.
function readAck(payload: Payload): MessageAck {
  const { channel, offset, epoch, duplicate } = payload;
  if (
    typeof channel === "string" && typeof offset === "number" && typeof epoch === "string" &&
    typeof duplicate === "boolean"
  ) {
    return { channel, offset, epoch, duplicate };
  }
  return readPayload("message_ack", payload);
}

/** Whether `text` takes more than `most` bytes of UTF-8. */
function isLonger(text: string, most: number): boolean {
  if (text.length * 3 <= most) return false;
  return text.length > most || new TextEncoder().encode(text).length > most;
}
