/**
 * Large texts as bytes in blocks that are used again. A string is copied twice by the garbage collector before it is
 * old, and a thousand of 64 KB in a history cost more than everything else that is done for a message.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Payload } from "../../protocol/mod.ts";
import type { StoredRecord } from "../contract.ts";

/** Texts from this many characters on are kept as bytes. Smaller ones cost the garbage collector less than a block. */
const LARGE = 8192;
/** Blocks have a multiple of this many bytes. */
const STEP = 4096;
/** Bytes of free blocks that are kept. */
const MOST_FREE = 4 * 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A text as UTF-8. */
interface Packed {
  readonly key: string;
  readonly block: Uint8Array;
  readonly length: number;
}

/**
 * A record whose large texts are in blocks. It may be used until it is released; `plain` makes a copy that may be kept.
 */
class PackedRecord implements StoredRecord {
  readonly type: string;
  readonly id: string;
  readonly from: string;
  readonly timestamp: number;
  readonly offset: number;
  readonly prev: number;
  readonly #rest: Payload;
  readonly #texts: readonly Packed[];

  constructor({ type, id, from, timestamp, offset, prev, payload }: StoredRecord, texts: readonly Packed[]) {
    this.type = type;
    this.id = id;
    this.from = from;
    this.timestamp = timestamp;
    this.offset = offset;
    this.prev = prev;
    // The texts' keys stay, for the order of the fields.
    this.#rest = { ...payload };
    for (const { key } of texts) this.#rest[key] = "";
    this.#texts = texts;
  }

  get payload(): Payload {
    const payload = { ...this.#rest };
    for (const { key, block, length } of this.#texts) {
      payload[key] = decoder.decode(block.subarray(0, length));
    }
    return payload;
  }

  get blocks(): Uint8Array[] {
    return this.#texts.map(({ block }) => block);
  }
}

/** The record with all its texts, and nothing of the blocks. */
export function plain(record: StoredRecord): StoredRecord {
  return record instanceof PackedRecord ? { ...record, payload: record.payload } : record;
}

/** The blocks of one store. */
export class LargeTexts {
  /** By size. */
  readonly #free = new Map<number, Uint8Array[]>();
  #freeBytes = 0;

  /** The record with its large texts in blocks, or as it is when it has none. To be released when it is dropped. */
  pack(record: StoredRecord): StoredRecord {
    let texts: Packed[] | undefined;
    // Texts deeper in a payload are parts of data, and seldom large.
    for (const key in record.payload) {
      const value = record.payload[key];
      if (typeof value !== "string" || value.length < LARGE) continue;
      const packed = this.#pack(key, value);
      if (packed !== undefined) (texts ??= []).push(packed);
    }
    return texts === undefined ? record : new PackedRecord(record, texts);
  }

  /** Takes back the blocks of a record that is not kept any more. */
  release(record: StoredRecord | undefined): void {
    if (record instanceof PackedRecord) record.blocks.forEach((block) => this.#return(block));
  }

  #pack(key: string, text: string): Packed | undefined {
    const block = this.#take(text.length);
    const { read, written } = encoder.encodeInto(text, block);
    // Each character took one byte, as in most texts that are so large.
    if (read === text.length && written === read) return { key, block, length: written };
    this.#return(block);
    // UTF-8 cannot hold half of a surrogate pair.
    if (!text.isWellFormed()) return undefined;
    const larger = this.#take(Buffer.byteLength(text));
    return { key, block: larger, length: encoder.encodeInto(text, larger).written };
  }

  #take(bytes: number): Uint8Array {
    const size = Math.ceil(bytes / STEP) * STEP;
    const block = this.#free.get(size)?.pop();
    if (block === undefined) return new Uint8Array(size);
    this.#freeBytes -= size;
    return block;
  }

  #return(block: Uint8Array): void {
    const size = block.length;
    if (this.#freeBytes + size > MOST_FREE) return;
    this.#freeBytes += size;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [block]);
    else free.push(block);
  }
}
