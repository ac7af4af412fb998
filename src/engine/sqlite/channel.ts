/**
 * A channel in memory: its row, and its last messages.
 *
 * @module
 */

import type { Payload } from "../../protocol/mod.ts";
import type { Page, ReadOptions, Retention, StoredRecord } from "../contract.ts";

/** Messages of a channel kept in memory. Enough for a client that was away for a moment, without a read of the database. */
const TAIL = 256;
/** Bytes of a channel's messages kept in memory, about. */
const TAIL_BYTES = 512 * 1024;
/** Bytes that a channel takes without messages, about. */
const CHANNEL_BYTES = 400;
/** Bytes that a message takes beside its text, about. */
const RECORD_BYTES = 400;

/** A channel's row. */
export interface ChannelRow {
  /** 0: the channel has no row yet. */
  id: number;
  /** Offset of the last message. */
  last: number;
  /** Offset of the first message that is kept; `last + 1` when none is. */
  first: number;
  /** There are no rows of messages below this offset. Lower than `first` while dropped messages are not deleted yet. */
  floor: number;
  size: number;
  age: number;
  /** When it was last published to, in milliseconds since the epoch. */
  touched: number;
  /** When the sweep has to look at it: the earliest time at which something of it expires. */
  due: number;
}

/**
 * A channel. A transaction that changes its fields calls `begin` first, then `keep` after the commit, or `revert` when it
 * failed.
 */
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
  /** The last messages, oldest first, up to `last` without a gap. May be empty. */
  #tail: StoredRecord[] = [];
  /** What each of them takes, about. */
  #weights: number[] = [];
  #tailBytes = 0;
  #before: ChannelRow | undefined;

  constructor(name: string, epoch: string, row?: ChannelRow) {
    this.name = name;
    this.epoch = epoch;
    if (row !== undefined) this.#set(row);
  }

  /** Bytes that it takes, about. */
  get weight(): number {
    return CHANNEL_BYTES + this.#tailBytes;
  }

  /** Saves its fields for `revert`. */
  begin(): void {
    const { id, last, first, floor, size, age, touched, due } = this;
    this.#before = { id, last, first, floor, size, age, touched, due };
  }

  /**
   * Whether its row has to be written. Not after ordinary messages: `catchUp` finds `last` and `first` from the row of
   * the last message, and to write the channel's row as well would double the pages that a commit writes.
   */
  get rowIsStale(): boolean {
    const before = this.#before;
    if (before === undefined || before.id === 0 || this.size === 0) return true;
    const { floor, size, age, due } = before;
    return this.floor !== floor || this.size !== size || this.age !== age || this.due !== due ||
      this.first !== Math.max(before.first, this.last - size + 1);
  }

  /** Corrects a row that was not written after the last messages. `last` and `at` are those of the last message's row. */
  catchUp(last: number, at: number): void {
    if (last <= this.last) return;
    this.last = last;
    this.first = Math.max(this.first, last - this.size + 1);
    this.touched = Math.max(this.touched, at);
  }

  /** Makes the changes final: they are committed. */
  keep(): void {
    this.#before = undefined;
  }

  /** Takes the changes back: the transaction failed. */
  revert(): void {
    if (this.#before !== undefined) this.#set(this.#before);
    this.#before = undefined;
  }

  /** Makes room for one more message and returns its offset. Messages beyond the retention leave the history. */
  advance({ size, age }: Retention, timestamp: number): number {
    const offset = ++this.last;
    this.first = Math.max(this.first, size > 0 ? offset - size + 1 : offset + 1);
    // A shorter age applies to older messages too: the next sweep has to look at them.
    if (age < this.age) this.due = Math.min(this.due, timestamp);
    else if (this.due === 0 || timestamp + age < this.due) this.due = timestamp + age;
    this.size = size;
    this.age = age;
    this.touched = Math.max(this.touched, timestamp);
    return offset;
  }

  /** Adds a committed message to those in memory. Returns the bytes that it takes, about. */
  append(record: StoredRecord, length: number): number {
    const tail = this.#tail;
    if (record.offset < this.first) {
      this.dropTail();
      return 0;
    }
    if (tail.length > 0 && tail[tail.length - 1]!.offset !== record.offset - 1) this.dropTail();
    const weight = RECORD_BYTES + length;
    this.#tail.push(record);
    this.#weights.push(weight);
    this.#tailBytes += weight;
    if (tail.length >= 2 * TAIL || this.#tailBytes > 2 * TAIL_BYTES) this.#halve();
    return weight;
  }

  /**
   * Gives a committed message another payload, `more` bytes longer, if it is in memory. Returns the bytes that it takes
   * more, about.
   */
  replace(offset: number, payload: Payload, more = 0): number {
    const start = this.#tail[0]?.offset;
    const record = start === undefined ? undefined : this.#tail[offset - start];
    if (record === undefined) return 0;
    this.#tail[offset - start!] = { ...record, payload };
    this.#weights[offset - start!]! += more;
    this.#tailBytes += more;
    if (this.#tailBytes > 2 * TAIL_BYTES) this.#halve();
    return more;
  }

  /** Drops the messages up to `offset` from the history, except the last `keep` of them and the last one of the channel. */
  trim(offset: number, keep: number): void {
    const end = Math.min(offset, this.last);
    this.first = Math.max(this.first, Math.min(end - keep, this.last - 1) + 1);
  }

  /** Keeps messages that were read from the database, if they reach to the end of the channel and are more than there are. */
  adopt(records: readonly StoredRecord[], length: number): number {
    if (records.length === 0 || records.length <= this.#tail.length || length > TAIL_BYTES) return 0;
    if (records.at(-1)!.offset !== this.last) return 0;
    this.#tail = records.slice(-TAIL);
    // Together they take no more than `TAIL_BYTES`: an even share is near enough.
    this.#weights = this.#tail.map(() => RECORD_BYTES + Math.ceil(length / records.length));
    this.#tailBytes = sum(this.#weights);
    return this.#tailBytes;
  }

  /** Drops the messages in memory. */
  dropTail(): void {
    this.#tail = [];
    this.#weights = [];
    this.#tailBytes = 0;
  }

  /** The lowest and the highest offset that `options` ask for. `to < from` when there is nothing to read. */
  range({ since, limit = 100, reverse = false }: ReadOptions): { from: number; to: number } {
    if (reverse) {
      const to = since === undefined ? this.last : Math.min(this.last, since - 1);
      return { from: Math.max(this.first, to - limit + 1), to };
    }
    const from = Math.max(this.first, (since ?? 0) + 1);
    return { from, to: Math.min(this.last, from + limit - 1) };
  }

  /** The messages from one offset to another, both included, when all of them are in memory. */
  atHand(from: number, to: number): StoredRecord[] | undefined {
    const start = this.#tail[0]?.offset;
    return start === undefined || from < start ? undefined : this.#tail.slice(from - start, to - start + 1);
  }

  /** Makes the answer to `options` of these records, which are in order of offset. */
  page(records: StoredRecord[], { since, reverse = false }: ReadOptions): Page {
    const { epoch, last: offset, first } = this;
    const complete = since === undefined ||
      (reverse ? Math.min(this.last, since - 1) >= first || since <= 1 : since + 1 >= first);
    return { epoch, offset, records: reverse ? records.reverse() : records, complete };
  }

  #halve(): void {
    const last = this.#tail.length - 1;
    let from = Math.max(0, this.#tail.length - TAIL);
    this.#tailBytes = sum(this.#weights.slice(from));
    // A few large messages among many small ones weigh as much as all of them.
    while (this.#tailBytes > TAIL_BYTES && from < last) this.#tailBytes -= this.#weights[from++]!;
    this.#tail = this.#tail.slice(from);
    this.#weights = this.#weights.slice(from);
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

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
