/**
 * The history of one channel in memory: a ring of records, bounded by count and age. Offsets are dense here.
 *
 * @module
 */

import type { Payload } from "../protocol/mod.ts";
import type { NewRecord, Page, ReadOptions, Retention, StoredRecord } from "./contract.ts";

const SMALLEST_RING = 16;

/** One channel's records, oldest first. */
export class ChannelLog {
  readonly epoch: string;
  /** When something was last asked of it, in milliseconds since the epoch. */
  touched: number;
  #ring: (StoredRecord | undefined)[] = [];
  #mask = -1;
  #last = 0;
  #count = 0;
  #age = Infinity;

  constructor(epoch: string, now: number) {
    this.epoch = epoch;
    this.touched = now;
  }

  /** Offset of the last record ever appended; 0 before the first. */
  get offset(): number {
    return this.#last;
  }

  /** How many records are kept. */
  get size(): number {
    return this.#count;
  }

  /** Keeps a record behind the last one, as far as `retention` says. */
  append(record: NewRecord, retention: Retention): StoredRecord {
    this.#age = retention.age;
    if (retention.size <= 0) this.#drop(this.#count);
    else {
      if (this.#count >= retention.size) this.#drop(this.#count - retention.size + 1);
      if (this.#count === this.#ring.length) this.#grow();
    }
    const stored: StoredRecord = {
      type: record.type,
      id: record.id,
      from: record.from,
      timestamp: record.timestamp,
      payload: record.payload,
      offset: this.#last + 1,
      prev: this.#last,
    };
    this.#last = stored.offset;
    if (retention.size > 0) {
      this.#ring[stored.offset & this.#mask] = stored;
      this.#count++;
    }
    return stored;
  }

  /** A part of the history, at most `limit` records. */
  read({ since, limit = 100, reverse = false }: ReadOptions = {}): Page {
    const first = this.#last - this.#count + 1;
    const records: StoredRecord[] = [];
    if (reverse) {
      const from = since === undefined ? this.#last : Math.min(this.#last, since - 1);
      for (let at = from; at >= first && records.length < limit; at--) records.push(this.#at(at));
      const complete = since === undefined || from >= first || since <= 1;
      return { epoch: this.epoch, offset: this.#last, records, complete };
    }
    const from = Math.max(first, (since ?? 0) + 1);
    for (let at = from; at <= this.#last && records.length < limit; at++) records.push(this.#at(at));
    const complete = since === undefined || since + 1 >= first;
    return { epoch: this.epoch, offset: this.#last, records, complete };
  }

  /** Drops what lies up to `offset`, but not the last record. */
  trim(offset: number): void {
    const first = this.#last - this.#count + 1;
    const stale = Math.min(offset, this.#last - 1) - first + 1;
    if (stale > 0) this.#drop(stale);
  }

  /** Puts another payload into a record that is kept; returns the one before. */
  amend(offset: number, change: (payload: Payload) => Payload): Payload | undefined {
    if (offset > this.#last || offset <= this.#last - this.#count) return undefined;
    const record = this.#at(offset);
    this.#ring[offset & this.#mask] = { ...record, payload: change(record.payload) };
    return record.payload;
  }

  /** Drops what is older than its age. */
  expire(now: number): void {
    let stale = 0;
    const first = this.#last - this.#count + 1;
    while (stale < this.#count && this.#at(first + stale).timestamp + this.#age <= now) stale++;
    if (stale > 0) this.#drop(stale);
  }

  #at(offset: number): StoredRecord {
    return this.#ring[offset & this.#mask]!;
  }

  #drop(count: number): void {
    if (count >= this.#count) {
      // An idle channel gives its ring back.
      this.#ring = [];
      this.#mask = -1;
      this.#count = 0;
      return;
    }
    const first = this.#last - this.#count + 1;
    for (let i = 0; i < count; i++) this.#ring[(first + i) & this.#mask] = undefined;
    this.#count -= count;
  }

  #grow(): void {
    const size = Math.max(SMALLEST_RING, this.#ring.length * 2);
    const ring = new Array<StoredRecord | undefined>(size).fill(undefined);
    const mask = size - 1;
    for (let at = this.#last - this.#count + 1; at <= this.#last; at++) ring[at & mask] = this.#at(at);
    this.#ring = ring;
    this.#mask = mask;
  }
}
