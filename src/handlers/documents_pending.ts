/**
 * How many bytes of operations each document has that no snapshot covers. They are counted from what the engine keeps, so
 * a restart or another node's operations change nothing.
 *
 * @module
 */

import type { MaybePromise, Page, Position } from "../engine/contract.ts";
import type { Checkpoint, Hub } from "../hub/mod.ts";
import type { DocOp } from "../protocol/mod.ts";
import { PartialOperations } from "./documents_parts.ts";
import { SNAPSHOT } from "./documents_snapshot.ts";
import { yieldBetweenReads } from "./yielding.ts";

/** Documents whose counts are remembered; others are counted anew. */
const MAX_DOCUMENTS = 10_000;
/** Operations read at once. */
const PAGE = 500, PAGE_BYTES = 1024 * 1024;
/** Full documents of which it is remembered which operations they keep. */
const MAX_KNOWN = 8;
/** About how many bytes an operation takes beside its data. */
export const AROUND_OPERATION = 200;

/** Operations that a document was seen to keep. */
interface KnownOperations {
  readonly epoch: string;
  /** Those up to here were looked at. */
  upTo: number;
  readonly offsets: Map<string, number>;
}

interface Entry {
  epoch: string;
  /** Operations up to this offset are counted. */
  counted: number;
  bytes: number;
  /** Bytes of operations on their way to being committed. */
  inFlight: number;
  /** Operations in parts that are not whole. */
  readonly partial: PartialOperations;
  /** Whether counting has begun, at the snapshot there was. */
  begun: boolean;
  /** Set while the engine has not answered: later calls wait for it, so that they resolve in order. */
  reading: Promise<unknown> | undefined;
}

/** Counts operations that wait for a snapshot. */
export class PendingOperations {
  readonly #hub: Hub;
  readonly #entries = new Map<string, Entry>();
  /** By document, offsets of the operations that no snapshot covers, by sender and id; made when it is first full. */
  readonly #known = new Map<string, KnownOperations>();

  readonly #now: () => number;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(hub: Hub, now: () => number) {
    this.#hub = hub;
    this.#now = now;
  }

  /** Bytes that no snapshot covers, those being committed and those reserved for parts to come included. */
  pending(channel: string): MaybePromise<number> {
    const entry = this.#entries.get(channel) ?? this.#add(channel);
    if (entry.reading === undefined) {
      const counted = this.#update(channel, entry);
      if (!(counted instanceof Promise)) return bytesOf(entry);
      entry.reading = counted;
    } else entry.reading = entry.reading.then(() => this.#update(channel, entry));
    const reading = entry.reading;
    return reading.finally(() => {
      if (entry.reading === reading) entry.reading = undefined;
    }).then(() => bytesOf(entry));
  }

  /** The operations of a document that came in parts and are not whole, as of the last call of `pending`. */
  partial(channel: string): PartialOperations {
    return (this.#entries.get(channel) ?? this.#add(channel)).partial;
  }

  /**
   * Where the document keeps the operation `id` of `from`, among those that no snapshot covers. The first time it reads
   * all of them, later only new ones.
   */
  async find(channel: string, from: string, id: string): Promise<Position | undefined> {
    const pause = yieldBetweenReads();
    for (;;) {
      await pause();
      const known = this.#known.get(channel);
      const since = known?.upTo ?? (await this.#hub.checkpoints.get(channel, SNAPSHOT))?.offset ?? 0;
      const page = await this.#hub.history(channel, { since, limit: PAGE, bytes: PAGE_BYTES });
      const current = this.#knownOf(channel, page);
      // What was read began at an offset of the earlier epoch.
      if (known !== undefined && known !== current) continue;
      for (const record of page.records) {
        if (record.type === "doc_op") current.offsets.set(keyOf(record.from, record.id), record.offset);
        current.upTo = Math.max(current.upTo, record.offset);
      }
      if (page.records.length === PAGE || page.more === true) continue;
      const offset = current.offsets.get(keyOf(from, id));
      return offset === undefined ? undefined : { epoch: current.epoch, offset };
    }
  }

  #knownOf(channel: string, { epoch }: Page): KnownOperations {
    const known = this.#known.get(channel);
    if (known?.epoch === epoch) return known;
    if (this.#known.size >= MAX_KNOWN) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    const made: KnownOperations = { epoch, upTo: 0, offsets: new Map() };
    this.#known.set(channel, made);
    return made;
  }

  /** Counts an operation of so many bytes that is about to be committed. */
  reserve(channel: string, bytes: number): void {
    const entry = this.#entries.get(channel) ?? this.#add(channel);
    entry.inFlight += bytes + AROUND_OPERATION;
  }

  /** An operation that was reserved is committed, or has failed. */
  release(channel: string, bytes: number): void {
    const entry = this.#entries.get(channel);
    if (entry !== undefined) entry.inFlight -= bytes + AROUND_OPERATION;
  }

  /** A snapshot covers everything up to this place. */
  covered(channel: string, { epoch, offset }: Position): void {
    this.#known.delete(channel);
    const entry = this.#entries.get(channel);
    if (entry === undefined) return;
    if (entry.epoch === epoch) entry.counted = offset;
    else entry.begun = false;
    entry.bytes = 0;
    entry.partial.recount();
  }

  #add(channel: string): Entry {
    if (this.#entries.size >= MAX_DOCUMENTS) {
      // The oldest entry. Counting its document anew costs a read.
      for (const [name, entry] of this.#entries) {
        if (entry.inFlight > 0 || entry.reading !== undefined) continue;
        this.#entries.delete(name);
        break;
      }
    }
    const entry: Entry = {
      epoch: "",
      counted: 0,
      bytes: 0,
      inFlight: 0,
      partial: new PartialOperations(),
      begun: false,
      reading: undefined,
    };
    this.#entries.set(channel, entry);
    return entry;
  }

  #update(channel: string, entry: Entry): MaybePromise<void> {
    if (entry.begun) return this.#count(channel, entry);
    const from = (snapshot: Checkpoint | undefined) => {
      entry.begun = true;
      entry.epoch = snapshot?.epoch ?? "";
      entry.counted = snapshot?.offset ?? 0;
      return this.#count(channel, entry);
    };
    const snapshot = this.#hub.checkpoints.get(channel, SNAPSHOT);
    return snapshot instanceof Promise ? snapshot.then(from) : from(snapshot);
  }

  #count(channel: string, entry: Entry): MaybePromise<void> {
    for (;;) {
      const page = this.#hub.history(channel, { since: entry.counted, limit: PAGE });
      if (page instanceof Promise) {
        return page.then((page) => take(entry, page, this.#now) ? this.#count(channel, entry) : undefined);
      }
      if (!take(entry, page, this.#now)) return;
    }
  }
}

/** Counts a page. True: there may be more. */
function take(entry: Entry, page: Page, now: () => number): boolean {
  if (page.epoch !== entry.epoch) {
    const isNew = entry.counted === 0 && entry.bytes === 0;
    entry.epoch = page.epoch;
    entry.counted = 0;
    entry.bytes = 0;
    entry.partial.recount();
    // The page began at an offset of the earlier epoch.
    if (!isNew) return true;
  }
  for (const { type, offset, from, payload } of page.records) {
    const { data, part } = payload as Partial<DocOp>;
    const size = AROUND_OPERATION + (data instanceof Uint8Array ? data.length : 0);
    entry.counted = offset;
    entry.bytes += size;
    if (type === "doc_op" && part !== undefined) entry.partial.kept(from, part, size, now());
    else if (type === "doc_op_given_up") entry.partial.giveUp(from, String(payload.op));
  }
  return page.records.length === PAGE;
}

/** Neither a user id nor an id of a message holds a space. */
function keyOf(from: string, id: string): string {
  return from + " " + id;
}

function bytesOf({ bytes, inFlight, partial }: Entry): number {
  return bytes + inFlight + partial.reserved;
}
