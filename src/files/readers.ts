/**
 * Files that are open for reading.
 *
 * @module
 */

import type { FileReader } from "./contract.ts";

/** Open files, counted, so that they can be bounded and closed. */
export class Readers {
  readonly #open = new Set<FileReader>();
  #closed = false;

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Looks after an open file from now on; `close` of what it returns may be called more than once. */
  add(opened: FileReader): FileReader {
    const reader: FileReader = {
      read: (buffer, at) => opened.read(buffer, at),
      close: () => {
        if (this.#open.delete(reader)) opened.close();
      },
    };
    this.#open.add(reader);
    // What was being opened when everything else was closed.
    if (this.#closed) reader.close();
    return reader;
  }

  /** Closes all, and what comes later. */
  close(): void {
    this.#closed = true;
    for (const reader of [...this.#open]) reader.close();
  }
}
