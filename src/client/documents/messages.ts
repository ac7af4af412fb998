/**
 * What the server says about documents, read by hand: a page carries no schemas for it.
 *
 * @module
 */

import type { Message, Payload } from "../../protocol/core.ts";
import type { Placed } from "../session/inbox.ts";
import { bytesOf } from "./bytes.ts";
import type { Part } from "./groups.ts";

/** A `doc_opened`. */
export interface Opened {
  readonly epoch: string;
  /** The last operation now. */
  readonly offset: number;
  /** Operations after it follow. */
  readonly start: number;
  readonly recovered: boolean;
  /** Parts of the snapshot that come first; 0: there is none. */
  readonly parts: number;
}

/** A `doc_op` as it is delivered, or something else that is kept in the channel. */
export interface PlacedOp extends Placed {
  /** It is a `doc_op`; of anything else only the place counts. */
  readonly isOperation: boolean;
  readonly id: string;
  readonly timestamp: number;
  readonly from: string;
  readonly data: Uint8Array;
  readonly checksum: unknown;
  readonly part: Part | undefined;
  /** It says that no more parts of this operation of `from` will come. */
  readonly givenUp: string | undefined;
}

/** Reads a `doc_opened`; undefined: it is none. */
export function openedOf({ epoch, offset, start, recovered, snapshot }: Payload): Opened | undefined {
  if (typeof epoch !== "string" || !isPlace(offset) || !isPlace(start)) return undefined;
  const parts = snapshot === undefined ? 0 : (snapshot as Payload | null)?.parts;
  if (!isPlace(parts) || parts > 4096) return undefined;
  return { epoch, offset, start, recovered: recovered === true, parts };
}

/** Reads what is kept in the channel of a document; undefined: it cannot be read. */
export function placedOf({ type, id, timestamp, payload }: Message): PlacedOp | undefined {
  const { from, offset, prev, checksum } = payload;
  const isOperation = type === "doc_op";
  const data = isOperation ? bytesOf(payload.data) : new Uint8Array();
  const part = isOperation ? payload.part : undefined;
  if (typeof from !== "string" || !isPlace(offset) || !isPlace(prev) || data === undefined) return undefined;
  if (part !== undefined && !isPart(part)) return undefined;
  const givenUp = type === "doc_op_given_up" ? String(payload.op) : undefined;
  return { isOperation, id, timestamp, from, offset, prev, data, checksum, part, givenUp };
}

/** Whether `value` may be an offset or a count. */
export function isPlace(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isPart(value: unknown): value is Part {
  const { op, index, count } = (value ?? {}) as Payload;
  return typeof op === "string" && isPlace(index) && isPlace(count);
}
