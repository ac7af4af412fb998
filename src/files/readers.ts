/**
 * Files that are open for reading.
 *
 * @module
 */

import { Underway } from "../async/underway.ts";
import type { BlobReader } from "../engine/contract.ts";
import { ProtocolError } from "../protocol/mod.ts";
import type { FileReader } from "./contract.ts";

/** Files that may be open at the same time: each holds a file descriptor. */
const MAX_OPEN = 1024;
/** Milliseconds without a read after which a file is closed. Its client can ask for the rest again. */
const STALLED = 60_000;
/** Milliseconds without a read after which a file is closed when its place is needed. */
const SLOW = 5000;

/** Open files, bounded. A client that stops reading does not keep others from reading. */
export class Readers {
  /** When each was last read from, the longest ago first. */
  readonly #open = new Map<FileReader, number>();
  readonly #now: () => number;
  readonly #most: number;
  readonly #underway = new Underway();
  #opening = 0;
  #closed = false;

  /** `now`: milliseconds since the epoch. `most`: open files at the same time. */
  constructor(now: () => number, most: number = MAX_OPEN) {
    this.#now = now;
    this.#most = most;
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Opens a file with `open`. `close` of the reader may be called more than once, and `read` rejects afterwards. Rejects with
   * ProtocolError `not_available` when too many files are open, and with what `open` rejects with.
   */
  async open(open: () => Promise<BlobReader>): Promise<FileReader> {
    if (this.#closed || !this.#hasRoom()) {
      throw new ProtocolError("not_available", "too many files are being read");
    }
    return await this.#underway.add(this.#opened(open));
  }

  async #opened(open: () => Promise<BlobReader>): Promise<FileReader> {
    this.#opening++;
    const opened = await open().finally(() => this.#opening--);
    const reader: FileReader = {
      read: async (buffer, at) => {
        if (!this.#open.has(reader)) throw new ProtocolError("not_available", "the file was closed");
        this.#touch(reader);
        return await this.#underway.add(Promise.resolve(opened.read(buffer, at)));
      },
      close: () => {
        if (this.#open.delete(reader)) opened.close();
      },
    };
    this.#touch(reader);
    // `close` was called while it was being opened.
    if (this.#closed) reader.close();
    return reader;
  }

  /** Closes files that were not read from for long. */
  sweep(now: number): void {
    for (const [reader, at] of this.#open) {
      if (now - at < STALLED) return;
      reader.close();
    }
  }

  /** Closes all files. Later ones are refused. Resolves when none is being opened or read from. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const reader of [...this.#open.keys()]) reader.close();
    await this.#underway.over();
  }

  #touch(reader: FileReader): void {
    this.#open.delete(reader);
    this.#open.set(reader, this.#now());
  }

  #hasRoom(): boolean {
    if (this.#open.size + this.#opening < this.#most) return true;
    const [first] = this.#open;
    if (first === undefined || this.#now() - first[1] < SLOW) return false;
    first[0].close();
    return true;
  }
}
