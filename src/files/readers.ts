/**
 * Files that are open for reading.
 *
 * @module
 */

import { ProtocolError } from "../protocol/mod.ts";
import type { FileReader } from "./contract.ts";

/** Files that may be open for reading: each holds a file descriptor. */
const MAX_OPEN = 1024;
/** Milliseconds without a read after which a file is closed: whoever wants the rest asks for it. */
const STALLED = 60_000;
/** Milliseconds without a read after which it makes room, when that is asked for. */
const SLOW = 5000;

/** Open files, bounded: who does not read on does not keep others from reading. */
export class Readers {
  /** When each was last read from; those longest ago first. */
  readonly #open = new Map<FileReader, number>();
  readonly #now: () => number;
  readonly #most: number;
  #opening = 0;
  #closed = false;

  /** `now`: milliseconds since the epoch. `most`: open files. */
  constructor(now: () => number, most: number = MAX_OPEN) {
    this.#now = now;
    this.#most = most;
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Opens a file and looks after it; `close` of what it resolves with may be called more than once, and a `read` after
   * it rejects. Rejects with ProtocolError `not_available` when too many are being read, and with what `open` does.
   */
  async open(open: () => Promise<FileReader>): Promise<FileReader> {
    if (this.#closed || !this.#hasRoom()) {
      throw new ProtocolError("not_available", "too many files are being read");
    }
    this.#opening++;
    const opened = await open().finally(() => this.#opening--);
    const reader: FileReader = {
      read: async (buffer, at) => {
        if (!this.#open.has(reader)) throw new ProtocolError("not_available", "the file was closed");
        this.#touch(reader);
        return await opened.read(buffer, at);
      },
      close: () => {
        if (this.#open.delete(reader)) opened.close();
      },
    };
    this.#touch(reader);
    // It was being opened when everything else was closed.
    if (this.#closed) reader.close();
    return reader;
  }

  /** Closes what nobody reads any more. */
  sweep(now: number): void {
    for (const [reader, at] of this.#open) {
      if (now - at < STALLED) return;
      reader.close();
    }
  }

  /** Closes all, and what comes later. */
  close(): void {
    this.#closed = true;
    for (const reader of [...this.#open.keys()]) reader.close();
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
