/**
 * What is known in memory of channels that were lately asked for: where they stand, and their last messages.
 *
 * @module
 */

import type { Payload } from "../../protocol/mod.ts";
import type { Page, ReadOptions, Retention, StoredRecord } from "../contract.ts";

/** Messages of a channel at hand: as many as somebody who was away for a moment has missed. */
const TAIL = 256;
/** Bytes of a channel's messages at hand, about. */
const TAIL_BYTES = 512 * 1024;
/** What a channel weighs without messages, in bytes, about. */
const CHANNEL_BYTES = 400;
/** What a message weighs beside its text. */
const RECORD_BYTES = 400;

/** A channel's row. */
export interface ChannelRow {
  /** 0: there is no row yet. */
  id: number;
  /** Offset of the last message. */
  last: number;
  /** Offset of the first message kept; `last + 1` when none is. */
  first: number;
  /** No message's row lies below this offset. */
  floor: number;
  size: number;
  age: number;
  /** When it was last published to, in milliseconds since the epoch. */
  touched: number;
  /** When something of it may be past its time. */
  due: number;
}

/** A channel in memory. Its fields change within a transaction and go back to what they were when that fails. */
export class Channel implements ChannelRow {
  id = 0;
  last = 0;
  first = 1;
  floor = 1;
  size = 0;
  age = 0;
  touched = 0;
  due = 0;
  readonly name: string;
  readonly epoch: string;
  /** The last messages, oldest first, without a gap up to `last`; or none. */
  #tail: StoredRecord[] = [];
  #tailBytes = 0;
  #before: ChannelRow | undefined;

  constructor(name: string, epoch: string, row?: ChannelRow) {
    this.name = name;
    this.epoch = epoch;
    if (row !== undefined) this.#set(row);
  }

  /** Bytes it takes, about. */
  get weight(): number {
    return CHANNEL_BYTES + this.#tailBytes;
  }

  /** Remembers how it stands. */
  begin(): void {
    const { id, last, first, floor, size, age, touched, due } = this;
    this.#before = { id, last, first, floor, size, age, touched, due };
  }

  /**
   * Whether its row has to be written: not when nothing but messages came, because the last message's row tells as
   * much, and a row written for each would be a page written for each.
   */
  get rowIsStale(): boolean {
    const before = this.#before;
    if (before === undefined || before.id === 0 || this.size === 0) return true;
    const { floor, size, age, due } = before;
    return this.floor !== floor || this.size !== size || this.age !== age || this.due !== due ||
      this.first !== Math.max(before.first, this.last - size + 1);
  }

  /** Takes in that the row was not written since: this is the last message's row. */
  catchUp(last: number, at: number): void {
    if (last <= this.last) return;
    this.last = last;
    this.first = Math.max(this.first, last - this.size + 1);
    this.touched = Math.max(this.touched, at);
  }

  /** The changes are committed. */
  keep(): void {
    this.#before = undefined;
  }

  /** The changes are not committed. */
  revert(): void {
    if (this.#before !== undefined) this.#set(this.#before);
    this.#before = undefined;
  }

  /** Counts one more message; returns its offset. What is beyond the retention is no longer part of the history. */
  advance({ size, age }: Retention, timestamp: number): number {
    const offset = ++this.last;
    this.first = Math.max(this.first, size > 0 ? offset - size + 1 : offset + 1);
    // A shorter age may hold for older messages too: they are looked at with the next sweep.
    if (age < this.age) this.due = Math.min(this.due, timestamp);
    else if (this.due === 0 || timestamp + age < this.due) this.due = timestamp + age;
    this.size = size;
    this.age = age;
    this.touched = Math.max(this.touched, timestamp);
    return offset;
  }

  /** A committed message is at hand from now on. Returns the bytes it weighs, about. */
  append(record: StoredRecord, length: number): number {
    const tail = this.#tail;
    if (record.offset < this.first) {
      this.dropTail();
      return 0;
    }
    if (tail.length > 0 && tail[tail.length - 1]!.offset !== record.offset - 1) this.dropTail();
    const weight = RECORD_BYTES + length;
    this.#tail.push(record);
    this.#tailBytes += weight;
    if (tail.length >= 2 * TAIL || this.#tailBytes > 2 * TAIL_BYTES) this.#halve();
    return weight;
  }

  /** A committed message has another payload from now on. */
  replace(offset: number, payload: Payload): void {
    const start = this.#tail[0]?.offset;
    const record = start === undefined ? undefined : this.#tail[offset - start];
    if (record !== undefined) this.#tail[offset - start!] = { ...record, payload };
  }

  /** What lies up to `offset` is no longer part of the history, except the last `keep` messages of it and the last of all. */
  trim(offset: number, keep: number): void {
    const end = Math.min(offset, this.last);
    this.first = Math.max(this.first, Math.min(end - keep, this.last - 1) + 1);
  }

  /** Takes what was read up to the end of the channel, when that is more than is at hand. */
  adopt(records: readonly StoredRecord[], length: number): number {
    if (records.length === 0 || records.length <= this.#tail.length || length > TAIL_BYTES) return 0;
    if (records.at(-1)!.offset !== this.last) return 0;
    this.#tail = records.slice(-TAIL);
    this.#tailBytes = RECORD_BYTES * this.#tail.length + length;
    return this.#tailBytes;
  }

  /** Lets go of the messages at hand. */
  dropTail(): void {
    this.#tail = [];
    this.#tailBytes = 0;
  }

  /**
   * The first and last offset, in order of offset, that `options` ask for; `to < from` when there is nothing. Reads go
   * backward from `to` when `reverse`.
   */
  range({ since, limit = 100, reverse = false }: ReadOptions): { from: number; to: number } {
    if (reverse) {
      const to = since === undefined ? this.last : Math.min(this.last, since - 1);
      return { from: Math.max(this.first, to - limit + 1), to };
    }
    const from = Math.max(this.first, (since ?? 0) + 1);
    return { from, to: Math.min(this.last, from + limit - 1) };
  }

  /** The messages from one offset to another in order of offset, when all are at hand. */
  atHand(from: number, to: number): StoredRecord[] | undefined {
    const start = this.#tail[0]?.offset;
    return start === undefined || from < start ? undefined : this.#tail.slice(from - start, to - start + 1);
  }

  /** An answer to `options` with these records, which are in order of offset. */
  page(records: StoredRecord[], { since, reverse = false }: ReadOptions): Page {
    const { epoch, last: offset, first } = this;
    const complete = since === undefined ||
      (reverse ? Math.min(this.last, since - 1) >= first || since <= 1 : since + 1 >= first);
    return { epoch, offset, records: reverse ? records.reverse() : records, complete };
  }

  #halve(): void {
    const before = this.#tail.length;
    this.#tail = this.#tail.slice(-Math.max(1, before >> 1));
    this.#tailBytes = Math.ceil(this.#tailBytes * this.#tail.length / before);
  }

  #set({ id, last, first, floor, size, age, touched, due }: ChannelRow): void {
    this.id = id;
    this.last = last;
    this.first = first;
    this.floor = floor;
    this.size = size;
    this.age = age;
    this.touched = touched;
    this.due = due;
  }
}
