/**
 * Operations in parts that are not whole yet: what room their other parts need, and when they are given up.
 *
 * @module
 */

import type { DocPart } from "../protocol/mod.ts";

/** Operations whose giving up is remembered for each document, so that late parts are refused. */
const MAX_GIVEN_UP = 1000;

/** An operation of which parts have come. */
interface OpenOperation {
  readonly from: string;
  readonly op: string;
  readonly count: number;
  /** Bytes that each part takes at most: those of the first one. */
  readonly size: number;
  /** Index of the part that comes next. */
  next: number;
  /** When the last part came, in milliseconds of a monotonic clock. */
  at: number;
  /** Its first part is in the channel, and not only on its way. */
  kept: boolean;
  /** Everybody is being told that it is given up. */
  ending: boolean;
}

/** The operations in parts of one document. */
export class PartialOperations {
  readonly #open = new Map<string, OpenOperation>();
  readonly #givenUp = new Set<string>();
  #reserved = 0;

  /** How many operations are not whole. */
  get size(): number {
    return this.#open.size;
  }

  /** Bytes that parts still to come need. */
  get reserved(): number {
    return this.#reserved;
  }

  /** Whether parts of the operation have come and more are awaited. */
  isOpen(from: string, op: string): boolean {
    return this.#open.has(keyOf(from, op));
  }

  /** Whether the operation was given up: no part of it counts any more. */
  isGivenUp(from: string, op: string): boolean {
    return this.#givenUp.has(keyOf(from, op));
  }

  /** The first part is about to be committed: room for the others is reserved. `size`: bytes that a part takes. */
  begin(from: string, { op, count }: DocPart, size: number, now: number): void {
    const key = keyOf(from, op);
    if (count === 1 || this.#open.has(key)) return;
    this.#open.set(key, { from, op, count, size, next: 1, at: now, kept: false, ending: false });
    this.#reserved += (count - 1) * size;
  }

  /** The first part was not committed, or only again. */
  cancel(from: string, op: string): void {
    const key = keyOf(from, op);
    if (this.#open.get(key)?.kept === false) this.#close(key);
  }

  /** A part is in the channel. */
  kept(from: string, part: DocPart, size: number, now: number): void {
    const key = keyOf(from, part.op);
    if (part.index === 0) {
      this.begin(from, part, size, now);
      const first = this.#open.get(key);
      if (first !== undefined) first.kept = true;
      return;
    }
    const open = this.#open.get(key);
    if (open === undefined || open.next !== part.index) return;
    open.next++;
    open.at = now;
    this.#reserved -= open.size;
    if (open.next === open.count) this.#close(key);
  }

  /** The operation is given up: later parts of it are refused. */
  giveUp(from: string, op: string): void {
    const key = keyOf(from, op);
    this.#close(key);
    this.#givenUp.add(key);
    if (this.#givenUp.size <= MAX_GIVEN_UP) return;
    for (const oldest of this.#givenUp) {
      this.#givenUp.delete(oldest);
      break;
    }
  }

  /** Operations of which no part has come for `patience` milliseconds. Each is named once, until `keepOn`. */
  *stale(now: number, patience: number): Generator<{ readonly from: string; readonly op: string }> {
    for (const open of this.#open.values()) {
      if (open.ending || !open.kept || now - open.at < patience) continue;
      open.ending = true;
      yield open;
    }
  }

  /** It could not be told that the operation is given up. */
  keepOn(from: string, op: string): void {
    const open = this.#open.get(keyOf(from, op));
    if (open !== undefined) open.ending = false;
  }

  /** What is in the channel is about to be counted anew, from a snapshot on. */
  recount(): void {
    for (const [key, { kept }] of this.#open) if (kept) this.#close(key);
  }

  #close(key: string): void {
    const open = this.#open.get(key);
    if (open === undefined) return;
    this.#reserved -= (open.count - open.next) * open.size;
    this.#open.delete(key);
  }
}

/** Neither a user id nor the name of an operation holds a space. */
function keyOf(from: string, op: string): string {
  return from + " " + op;
}
