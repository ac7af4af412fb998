/**
 * What the server has of a Yjs document: how far it knows each client's changes. Pure.
 *
 * @module
 */

import * as Y from "yjs";

/** Clocks by Yjs client, counted from updates without applying them. */
export class Known {
  readonly #clocks = new Map<number, number>();

  /** An update is at the server. What lies after a gap is not counted: the changes before it may be missing. */
  add(update: Uint8Array): void {
    const { from, to } = Y.parseUpdateMeta(update);
    for (const [client, end] of to) {
      const known = this.#clocks.get(client) ?? 0;
      if ((from.get(client) ?? 0) <= known && end > known) this.#clocks.set(client, end);
    }
  }

  /** The server has begun anew. */
  clear(): void {
    this.#clocks.clear();
  }

  /**
   * What `doc` has and the server has not, and all deletions, of which clocks do not tell; undefined: nothing.
   * `deletions`: also when there is nothing but these.
   */
  missing(doc: Y.Doc, deletions = false): Uint8Array | undefined {
    const own = Y.decodeStateVector(Y.encodeStateVector(doc));
    let isMissing = deletions;
    for (const [client, end] of own) if (end > (this.#clocks.get(client) ?? 0)) isMissing = true;
    return isMissing ? Y.encodeStateAsUpdate(doc, encodeStateVector(this.#clocks)) : undefined;
  }
}

/** A state vector as Yjs reads it: the number of clients, then client and clock of each, as LEB128. */
function encodeStateVector(clocks: ReadonlyMap<number, number>): Uint8Array {
  const bytes: number[] = [];
  const write = (value: number): void => {
    while (value > 0x7f) {
      bytes.push(0x80 | (value % 0x80));
      value = Math.floor(value / 0x80);
    }
    bytes.push(value);
  };
  write(clocks.size);
  for (const [client, clock] of clocks) {
    write(client);
    write(clock);
  }
  return new Uint8Array(bytes);
}
