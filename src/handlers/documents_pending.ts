/**
 * How many bytes of operations each document has that no snapshot covers. They are counted from what the engine keeps, so
 * a restart or another node's operations change nothing.
 *
 * @module
 */

import type { Bookmark, MaybePromise, Page, Position } from "../engine/contract.ts";
import type { Hub } from "../hub/mod.ts";
import { SNAPSHOT } from "./documents_snapshot.ts";

/** Documents whose counts are remembered; others are counted anew. */
const MAX_DOCUMENTS = 10_000;
/** Operations read at once. */
const PAGE = 500;
/** About how many bytes an operation takes beside its data. */
const AROUND = 200;

interface Entry {
  epoch: string;
  /** Operations up to this offset are counted. */
  counted: number;
  bytes: number;
  /** Bytes of operations on their way to being committed. */
  inFlight: number;
  /** Whether counting has begun, at the snapshot there was. */
  begun: boolean;
  /** Set while the engine has not answered: later calls wait for it, so that they resolve in order. */
  reading: Promise<unknown> | undefined;
}

/** Counts operations that wait for a snapshot. */
export class PendingOperations {
  readonly #hub: Hub;
  readonly #entries = new Map<string, Entry>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** Bytes that no snapshot covers, those being committed included. */
  pending(channel: string): MaybePromise<number> {
    const entry = this.#entries.get(channel) ?? this.#add(channel);
    if (entry.reading === undefined) {
      const counted = this.#update(channel, entry);
      if (!(counted instanceof Promise)) return entry.bytes + entry.inFlight;
      entry.reading = counted;
    } else entry.reading = entry.reading.then(() => this.#update(channel, entry));
    const reading = entry.reading;
    return reading.finally(() => {
      if (entry.reading === reading) entry.reading = undefined;
    }).then(() => entry.bytes + entry.inFlight);
  }

  /** Counts an operation of so many bytes that is about to be committed. */
  reserve(channel: string, bytes: number): void {
    const entry = this.#entries.get(channel) ?? this.#add(channel);
    entry.inFlight += bytes + AROUND;
  }

  /** An operation that was reserved is committed, or has failed. */
  release(channel: string, bytes: number): void {
    const entry = this.#entries.get(channel);
    if (entry !== undefined) entry.inFlight -= bytes + AROUND;
  }

  /** A snapshot covers everything up to this place. */
  covered(channel: string, { epoch, offset }: Position): void {
    const entry = this.#entries.get(channel);
    if (entry === undefined) return;
    if (entry.epoch === epoch) entry.counted = offset;
    else entry.begun = false;
    entry.bytes = 0;
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
    const entry: Entry = { epoch: "", counted: 0, bytes: 0, inFlight: 0, begun: false, reading: undefined };
    this.#entries.set(channel, entry);
    return entry;
  }

  #update(channel: string, entry: Entry): MaybePromise<void> {
    if (entry.begun) return this.#count(channel, entry);
    const from = (snapshot: Bookmark | undefined) => {
      entry.begun = true;
      entry.epoch = snapshot?.epoch ?? "";
      entry.counted = snapshot?.offset ?? 0;
      return this.#count(channel, entry);
    };
    const snapshot = this.#hub.bookmark(channel, SNAPSHOT);
    return snapshot instanceof Promise ? snapshot.then(from) : from(snapshot);
  }

  #count(channel: string, entry: Entry): MaybePromise<void> {
    for (;;) {
      const page = this.#hub.history(channel, { since: entry.counted, limit: PAGE });
      if (page instanceof Promise) {
        return page.then((page) => take(entry, page) ? this.#count(channel, entry) : undefined);
      }
      if (!take(entry, page)) return;
    }
  }
}

/** Counts a page. True: there may be more. */
function take(entry: Entry, page: Page): boolean {
  if (page.epoch !== entry.epoch) {
    const isNew = entry.counted === 0 && entry.bytes === 0;
    entry.epoch = page.epoch;
    entry.counted = 0;
    entry.bytes = 0;
    // The page began at an offset of the earlier epoch.
    if (!isNew) return true;
  }
  for (const { offset, payload } of page.records) {
    entry.counted = offset;
    entry.bytes += AROUND + (payload.data instanceof Uint8Array ? payload.data.length : 0);
  }
  return page.records.length === PAGE;
}
