/**
 * What the server has of a Yjs document: how far it knows each client's changes, and which deletions. Pure.
 *
 * @module
 */

import * as Y from "yjs";
import type { Yjs } from "./copies.ts";

/** Ranges of deleted changes by Yjs client, as Yjs has them: sorted, without overlap. */
type Deletions = Y.Doc["store"] extends unknown ? ReturnType<typeof Y.createDeleteSet> : never;
type Range = { readonly clock: number; readonly len: number };

/** Sets of deletions that are merged at once: to merge each time costs as much as all that are known. */
const MERGED = 64;

/** Clocks and deletions by Yjs client, read from updates without applying them. */
export class Known {
  readonly #clocks = new Map<number, number>();
  #deletions: Deletions[] = [];

  /** An update is at the server. What lies after a gap is not counted: the changes before it may be missing. */
  add(update: Uint8Array): void {
    const { structs, ds } = Y.decodeUpdate(update);
    for (const struct of structs) {
      if (struct instanceof Y.Skip) continue;
      const { client, clock } = struct.id;
      const known = this.#clocks.get(client) ?? 0, end = clock + struct.length;
      if (clock <= known && end > known) this.#clocks.set(client, end);
    }
    if (ds.clients.size === 0) return;
    this.#deletions.push(ds);
    if (this.#deletions.length >= MERGED) this.#deletions = [Y.mergeDeleteSets(this.#deletions)];
  }

  /** The server has begun anew. */
  clear(): void {
    this.#clocks.clear();
    this.#deletions = [];
  }

  /**
   * What `doc` has and the server has not; undefined: nothing. `deletions`: they are looked for too, which costs as much
   * as the document is long; clocks do not tell of them.
   */
  missing(doc: Y.Doc, yjs: Yjs = Y, deletions = true): Uint8Array | undefined {
    const own = Y.decodeStateVector(yjs.encodeStateVector(doc));
    const hasChanges = [...own].some(([client, end]) => end > (this.#clocks.get(client) ?? 0));
    if (!hasChanges && !deletions) return undefined;
    const all = Y.createDeleteSetFromStructStore(doc.store);
    const lacking = this.#lacking(all);
    if (!hasChanges) return lacking.size === 0 ? undefined : new Uint8Array([0, ...encodeRanges(lacking)]);
    const update = yjs.encodeStateAsUpdate(doc, encodeStateVector(this.#clocks));
    // Yjs writes all deletions behind the changes.
    const end = encodeRanges(all.clients), at = update.length - end.length;
    if (end.some((byte, i) => byte !== update[at + i])) return update;
    const rest = encodeRanges(lacking), made = new Uint8Array(at + rest.length);
    made.set(update.subarray(0, at));
    made.set(rest, at);
    return made;
  }

  /** Of `all` what the server does not know. */
  #lacking(all: Deletions): Map<number, Range[]> {
    const known = Y.mergeDeleteSets(this.#deletions);
    this.#deletions = [known];
    const lacking = new Map<number, Range[]>();
    for (const [client, ranges] of all.clients) {
      const rest = without(ranges, known.clients.get(client) ?? []);
      if (rest.length > 0) lacking.set(client, rest);
    }
    return lacking;
  }
}

/** The parts of `ranges` that are in none of `known`; both are sorted. */
function without(ranges: readonly Range[], known: readonly Range[]): Range[] {
  const rest: Range[] = [];
  let i = 0;
  for (const { clock, len } of ranges) {
    let from = clock;
    const end = clock + len;
    while (i < known.length && known[i]!.clock + known[i]!.len <= from) i++;
    for (let k = i; from < end; k++) {
      const next = known[k];
      const until = Math.min(end, next?.clock ?? end);
      if (until > from) rest.push({ clock: from, len: until - from });
      from = next === undefined ? end : Math.max(from, next.clock + next.len);
    }
  }
  return rest;
}

/** Deletions as an update of Yjs ends with them: for each client, the highest first, its ranges. */
function encodeRanges(clients: ReadonlyMap<number, readonly Range[]>): number[] {
  const bytes: number[] = [];
  writeVarint(bytes, clients.size);
  for (const [client, ranges] of [...clients].sort(([a], [b]) => b - a)) {
    writeVarint(bytes, client);
    writeVarint(bytes, ranges.length);
    for (const { clock, len } of ranges) {
      writeVarint(bytes, clock);
      writeVarint(bytes, len);
    }
  }
  return bytes;
}

/** A state vector as Yjs reads it: the number of clients, then client and clock of each. */
function encodeStateVector(clocks: ReadonlyMap<number, number>): Uint8Array {
  const bytes: number[] = [];
  writeVarint(bytes, clocks.size);
  for (const [client, clock] of clocks) {
    writeVarint(bytes, client);
    writeVarint(bytes, clock);
  }
  return new Uint8Array(bytes);
}

/** Writes an unsigned integer as LEB128. */
export function writeVarint(bytes: number[], value: number): void {
  while (value > 0x7f) {
    bytes.push(0x80 | (value % 0x80));
    value = Math.floor(value / 0x80);
  }
  bytes.push(value);
}
