/**
 * The history of one channel in memory: a ring of records, bounded by count and age.
 *
 * @module
 */

import type { Edit, NewRecord, Page, ReadOptions, Retention, StoredRecord } from "../contract.ts";
import type { Payload } from "../../protocol/mod.ts";
import { changesOf } from "../edits.ts";
import { LargeTexts, plain } from "./large_texts.ts";

const SMALLEST_RING = 16;

/** One channel's records, oldest first. */
export class ChannelLog {
  readonly epoch: string;
  /** When something was last asked of it, in milliseconds of the engine's clock. */
  touched: number;
  /** Its size is a power of two. The record at index `i` of the history is at `(head + i) & mask`. */
  #ring: (StoredRecord | undefined)[] = [];
  #mask = -1;
  #head = 0;
  #count = 0;
  /** Offset of the last record ever appended. */
  #last = 0;
  /** Offset of the last record that is no longer kept. */
  #dropped = 0;
  #age = Infinity;
  readonly #texts: LargeTexts;

  constructor(epoch: string, now: number, texts = new LargeTexts()) {
    this.epoch = epoch;
    this.touched = now;
    this.#texts = texts;
  }

  /** Offset of the last record ever appended; 0 before the first. */
  get offset(): number {
    return this.#last;
  }

  /** How many records are kept. */
  get size(): number {
    return this.#count;
  }

  /** Keeps a record at `offset`, which is higher than the last one's, as `retention` says. */
  append(record: NewRecord, offset: number, retention: Retention): StoredRecord {
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
      offset,
      prev: this.#last,
    };
    this.#last = offset;
    if (retention.size > 0) {
      this.#ring[(this.#head + this.#count++) & this.#mask] = this.#texts.pack(stored);
    } else this.#dropped = offset;
    return stored;
  }

  /** A part of the history, at most `limit` records. */
  read({ since, limit = 100, reverse = false }: ReadOptions = {}): Page {
    const records: StoredRecord[] = [];
    const position = { epoch: this.epoch, offset: this.#last };
    if (reverse) {
      const end = since === undefined ? this.#count : this.#search(since);
      for (let at = end - 1; at >= 0 && records.length < limit; at--) records.push(plain(this.#at(at)));
      const complete = since === undefined || since <= 1 || this.#dropped === 0 || end > 0;
      return { ...position, records, complete };
    }
    const start = since === undefined ? 0 : this.#search(since + 1);
    for (let at = start; at < this.#count && records.length < limit; at++) records.push(plain(this.#at(at)));
    return { ...position, records, complete: since === undefined || since >= this.#dropped };
  }

  /** The record at `offset`, when it is kept. */
  get(offset: number): StoredRecord | undefined {
    const record = this.#ring[(this.#head + this.#search(offset)) & this.#mask];
    return record?.offset === offset ? plain(record) : undefined;
  }

  /** Drops the records up to `offset`, except the last `keep` of them and the last one of all. */
  trim(offset: number, keep: number): void {
    const stale = Math.min(this.#search(offset + 1) - keep, this.#count - 1);
    if (stale > 0) this.#drop(stale);
  }

  /** Makes an edit that the record at `by` has brought; that record may be another one then. */
  edit(edit: Edit, by: number): void {
    const kept = this.get(edit.target);
    if (kept === undefined) return;
    for (const { offset, payload } of changesOf(kept.payload, edit, by)) {
      this.replace(offset, payload);
    }
  }

  /** Gives the record at `offset` another payload. */
  replace(offset: number, payload: Payload): void {
    const record = this.get(offset);
    if (record !== undefined) this.#replace({ ...record, payload });
  }

  /** Drops the records that are older than their age; `now` in milliseconds since the epoch. */
  expire(now: number): void {
    let stale = 0;
    while (stale < this.#count && this.#at(stale).timestamp + this.#age <= now) stale++;
    if (stale > 0) this.#drop(stale);
  }

  #at(index: number): StoredRecord {
    return this.#ring[(this.#head + index) & this.#mask]!;
  }

  #replace(record: StoredRecord): void {
    const at = (this.#head + this.#search(record.offset)) & this.#mask;
    this.#texts.release(this.#ring[at]);
    this.#ring[at] = this.#texts.pack(record);
  }

  /** The index of the first record whose offset is `offset` or higher; the count when there is none. */
  #search(offset: number): number {
    let low = 0, high = this.#count;
    // Readers are mostly at the end.
    if (offset > this.#last) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at(middle).offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #drop(count: number): void {
    if (count <= 0) return;
    this.#dropped = this.#at(count - 1).offset;
    for (let i = 0; i < count; i++) this.#texts.release(this.#at(i));
    if (count === this.#count) {
      // An idle channel frees its ring.
      this.#ring = [];
      this.#mask = -1;
      this.#head = 0;
      this.#count = 0;
      return;
    }
    for (let i = 0; i < count; i++) this.#ring[(this.#head + i) & this.#mask] = undefined;
    this.#head = (this.#head + count) & this.#mask;
    this.#count -= count;
  }

  #grow(): void {
    const size = Math.max(SMALLEST_RING, this.#ring.length * 2);
    const ring = new Array<StoredRecord | undefined>(size).fill(undefined);
    for (let i = 0; i < this.#count; i++) ring[i] = this.#at(i);
    this.#ring = ring;
    this.#mask = size - 1;
    this.#head = 0;
  }
}
