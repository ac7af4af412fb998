/**
 * Channels and messages as rows: the statements, and what is done with several of them.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Payload, uuidv7 } from "../../protocol/mod.ts";
import type { Edit, ReadOptions, StoredRecord } from "../contract.ts";
import { type Change, changesOf } from "../edits.ts";
import { type Body, bodyOf, parseBody } from "./body.ts";
import { Channel, type ChannelRow } from "./channel.ts";
import { MAX_CHANNEL, OFFSET_BITS } from "./schema.ts";

/** Rows of a channel that may lie beyond its retention before they are deleted; the share of its size and the most. */
const SLACK = { share: 0.25, least: 32, most: 1024 };
/** Rows deleted at once. */
const TRIM = 2048;
/** Messages read at once where only so many bytes are of use. */
const CHUNK = 16;
/** Ids that are tried when the highest one is taken. */
const TRIES = 64;
/** How exactly ages are kept: a message may stay that share of its age longer, within these bounds in milliseconds. */
const LATE = { share: 0.05, least: 1000, most: 60_000 };

/** Channels and messages. Writing happens within transactions of the caller. */
export class Store {
  readonly #find: StatementSync;
  readonly #insertChannel: StatementSync;
  readonly #updateChannel: StatementSync;
  readonly #deleteChannel: StatementSync;
  readonly #due: StatementSync;
  readonly #taken: StatementSync;
  readonly #insert: StatementSync;
  readonly #read: StatementSync;
  readonly #last: StatementSync;
  readonly #at: StatementSync;
  readonly #trim: StatementSync;
  readonly #body: StatementSync;
  readonly #replace: StatementSync;
  readonly #names: StatementSync;
  readonly #setEpoch: StatementSync;
  #epoch: string;
  #lastId: number;

  constructor(db: DatabaseSync) {
    const fields = "id, epoch, last, first, floor, size, age, touched, due";
    this.#find = db.prepare(`SELECT ${fields} FROM channel WHERE name = ?`);
    this.#insertChannel = db.prepare(
      "INSERT INTO channel(id, name, epoch, last, first, floor, size, age, touched, due) " +
        "VALUES(?, ?, ?, 0, 1, 1, 0, 0, 0, 0)",
    );
    this.#updateChannel = db.prepare(
      "UPDATE channel SET last = ?2, first = ?3, floor = ?4, size = ?5, age = ?6, touched = ?7, due = ?8 WHERE id = ?1",
    );
    this.#deleteChannel = db.prepare("DELETE FROM channel WHERE id = ?");
    this.#due = db.prepare("SELECT name FROM channel WHERE due <= ? ORDER BY due LIMIT ?");
    this.#taken = db.prepare("SELECT 1 FROM channel WHERE id = ?");
    const key = (offset: string) => `(?1 << ${OFFSET_BITS} | ${offset})`;
    this.#insert = db.prepare(`INSERT INTO message VALUES(${key("?2")}, ?3, ?4)`);
    this.#read = db.prepare(
      `SELECT at, body FROM message WHERE key BETWEEN ${key("?2")} AND ${key("?3")} ORDER BY key`,
    );
    this.#last = db.prepare(
      `SELECT key & ${2 ** OFFSET_BITS - 1} AS offset, at FROM message ` +
        `WHERE key BETWEEN ${key("?2")} AND ${key("?3")} ORDER BY key DESC LIMIT 1`,
    );
    this.#at = db.prepare(`SELECT at FROM message WHERE key = ${key("?2")}`);
    this.#trim = db.prepare(`DELETE FROM message WHERE key >= ${key("?2")} AND key < ${key("?3")}`);
    this.#body = db.prepare(`SELECT body FROM message WHERE key = ${key("?2")}`);
    this.#replace = db.prepare(`UPDATE message SET body = ? WHERE key = (?2 << ${OFFSET_BITS} | ?3)`);
    this.#names = db.prepare("SELECT name FROM channel WHERE name > ? ORDER BY name LIMIT ?");
    this.#setEpoch = db.prepare("UPDATE meta SET value = ? WHERE name = 'epoch'");
    this.#epoch = String(db.prepare("SELECT value FROM meta WHERE name = 'epoch'").get()!.value);
    // Dedupe keys of a channel that was forgotten stay for their time: a new channel must not find them as its own.
    this.#lastId = Number(
      db.prepare(
        "SELECT coalesce(max(id), 0) AS id FROM (SELECT id FROM channel UNION ALL SELECT max(channel) FROM dedupe0 " +
          "UNION ALL SELECT max(channel) FROM dedupe1)",
      ).get()!.id,
    );
  }

  /** A channel; without a row, and in the epoch that new ones begin in, when it was never published to. */
  load(name: string): Channel {
    const row = this.#find.get(name) as (ChannelRow & { epoch: string }) | undefined;
    if (row === undefined) return new Channel(name, this.#epoch);
    const channel = new Channel(name, row.epoch, row);
    const last = this.#last.get(row.id, 0, 2 ** OFFSET_BITS - 1);
    if (last !== undefined) channel.catchUp(last.offset as number, last.at as number);
    return channel;
  }

  /** Gives a channel a row. */
  create(channel: Channel): void {
    const id = this.#freeId();
    this.#insertChannel.run(id, channel.name, channel.epoch);
    channel.id = id;
  }

  /** Writes a message at its offset. */
  insert(channel: Channel, offset: number, timestamp: number, body: string): void {
    this.#insert.run(channel.id, offset, timestamp, body);
  }

  /** Writes where the channel stands if that is to be told from its row, and deletes rows beyond its retention once there are enough of them. */
  update(channel: Channel): void {
    const { size } = channel;
    const slack = Math.max(SLACK.least, Math.min(SLACK.most, size * SLACK.share));
    if (channel.first - channel.floor >= (size === 0 ? 1 : slack)) this.#trimSome(channel);
    if (channel.rowIsStale) this.#write(channel);
  }

  /**
   * Messages from one offset to another, both included, in order of offset, and the length of their text. With `bytes`
   * only the first of them (the last, when `reverse`) up to about that length, and one chunk at least.
   */
  read(
    channel: Channel,
    from: number,
    to: number,
    { bytes, reverse = false }: ReadOptions,
  ): { records: StoredRecord[]; length: number } {
    const chunks: StoredRecord[][] = [];
    let length = 0, low = from, high = to;
    while (channel.id !== 0 && low <= high && length < (bytes ?? Infinity)) {
      const most = bytes === undefined ? high - low + 1 : Math.min(CHUNK, high - low + 1);
      const first = reverse ? high - most + 1 : low;
      const chunk = this.#readAll(channel, first, first + most - 1);
      length += chunk.length;
      chunks.push(chunk.records);
      if (reverse) high = first - 1;
      else low = first + most;
    }
    return { records: (reverse ? chunks.reverse() : chunks).flat(), length };
  }

  #readAll(channel: Channel, from: number, to: number): { records: StoredRecord[]; length: number } {
    let offset = from, length = 0;
    const records = this.#read.all(channel.id, from, to).map((row): StoredRecord => {
      const text = row.body as string;
      length += text.length;
      const [type, id, sender, payload] = parseBody(text);
      const prev = offset - 1;
      return { type, id, from: sender, timestamp: row.at as number, payload, offset: offset++, prev };
    });
    if (records.length !== to - from + 1) {
      throw new Error(`${channel.name}: messages are missing in the database`);
    }
    return { records, length };
  }

  /**
   * Makes an edit that the message at `by` brings. What has another payload from then on is added to `changed`: it stays
   * as it is in memory until the commit.
   */
  edit(channel: Channel, by: number, edit: Edit, changed: Change[]): void {
    const target = edit.target < by ? this.#bodyAt(channel, edit.target) : undefined;
    if (target === undefined) return;
    for (const change of changesOf(target[3], edit, by)) {
      const body = this.#bodyAt(channel, change.offset);
      if (body === undefined) continue;
      const [type, id, from] = body;
      const row = bodyOf({ type, id, from, payload: change.payload });
      this.#replace.run(row, channel.id, change.offset);
      changed.push(change);
    }
  }

  /** The sender and payload of a message; undefined when it is not kept. */
  message(channel: Channel, offset: number): Pick<StoredRecord, "from" | "payload"> | undefined {
    const body = offset <= channel.last ? this.#bodyAt(channel, offset) : undefined;
    return body && { from: body[2], payload: body[3] };
  }

  /** Gives a kept message another payload. */
  replace(channel: Channel, offset: number, payload: Payload): void {
    const [type, id, from] = this.#bodyAt(channel, offset)!;
    this.#replace.run(bodyOf({ type, id, from, payload }), channel.id, offset);
  }

  #bodyAt(channel: Channel, offset: number): Body | undefined {
    if (channel.id === 0 || offset < channel.first) return undefined;
    const row = this.#body.get(channel.id, offset);
    return row && parseBody(row.body as string);
  }

  /** Names of channels that something may be due of, the longest due first. */
  due(now: number, most: number): string[] {
    return this.#due.all(now, most).map((row) => row.name as string);
  }

  /**
   * Drops what is past its age, some of it when it is much. Returns true when the channel keeps nothing and was not
   * published to for `idle` milliseconds: it may be removed.
   */
  expire(channel: Channel, now: number, idle: number): boolean {
    const { age } = channel;
    channel.first = this.#firstAfter(channel, now - age);
    if (channel.floor < channel.first) this.#trimSome(channel);
    if (channel.floor < channel.first) channel.due = now;
    else if (channel.first > channel.last) channel.due = channel.touched + idle;
    else {
      const late = Math.max(LATE.least, Math.min(LATE.most, age * LATE.share));
      channel.due = Math.max(this.#timestamp(channel, channel.first) + age, now + late);
    }
    if (channel.due <= now && channel.first > channel.last && channel.floor > channel.last) return true;
    this.#write(channel);
    return false;
  }

  /** Deletes rows of messages that are not kept any more; true: there are more of them. */
  trimRows(channel: Channel): boolean {
    if (channel.id !== 0 && channel.floor < channel.first) this.#trimSome(channel);
    return channel.floor < channel.first;
  }

  /** Names of channels after `after`, in order, at most `limit`. */
  names(after: string, limit: number): string[] {
    return this.#names.all(after, limit).map((row) => row.name as string);
  }

  /** Removes a channel that keeps nothing. */
  remove(channel: Channel): void {
    this.#deleteChannel.run(channel.id);
  }

  /** New channels begin in another epoch from now on: one that was removed must not look like itself. */
  renewEpoch(): void {
    const epoch = uuidv7();
    this.#setEpoch.run(epoch);
    this.#epoch = epoch;
  }

  #write({ id, last, first, floor, size, age, touched, due }: ChannelRow): void {
    this.#updateChannel.run(id, last, first, floor, size, age, touched, due);
  }

  #trimSome(channel: Channel): void {
    const to = Math.min(channel.first, channel.floor + TRIM);
    this.#trim.run(channel.id, channel.floor, to);
    channel.floor = to;
    // The sweep deletes the rest.
    if (to < channel.first) channel.due = Math.min(channel.due, channel.touched);
  }

  /** The first offset kept whose message is later than `cutoff`. Messages lie in order of time. */
  #firstAfter(channel: Channel, cutoff: number): number {
    let low = channel.first, high = channel.last + 1;
    // Mostly the first one tells.
    if (low >= high || this.#timestamp(channel, low) > cutoff) return low;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#timestamp(channel, middle) > cutoff) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #timestamp(channel: Channel, offset: number): number {
    return (this.#at.get(channel.id, offset)?.at ?? 0) as number;
  }

  #freeId(): number {
    if (this.#lastId < MAX_CHANNEL) return ++this.#lastId;
    for (let i = 0; i < TRIES; i++) {
      const id = 1 + Math.floor(Math.random() * MAX_CHANNEL);
      if (this.#taken.get(id) === undefined) return id;
    }
    throw new Error("there are too many channels");
  }
}
