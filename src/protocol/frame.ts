/**
 * Frames on a byte stream: a varint length, then that many bytes. Limits are checked before anything is allocated.
 *
 * @module
 */

import { CloseError } from "./errors.ts";
import { readVarint, varintLength } from "./varint.ts";

/** Where a frame lies, or how many bytes are needed to find it. */
export type FrameScan =
  | { readonly kind: "frame"; readonly start: number; readonly end: number }
  | { readonly kind: "more"; readonly need: number };

/**
 * Finds the frame that begins at `at`. `need` counts from `at`: calling again is of no use before the buffer holds that
 * many bytes. Throws CloseError `message_too_large` as soon as the length is above `maxFrame`, and `bad_request` for an
 * empty frame.
 */
export function scanFrame(bytes: Uint8Array, at: number, end: number, maxFrame: number): FrameScan {
  let length: number;
  try {
    length = readVarint(bytes, at, end);
  } catch (cause) {
    throw new CloseError("message_too_large", "frame length above 2^53", { cause });
  }
  if (length < 0) return { kind: "more", need: at < end ? varintLength(bytes[at]!) : 1 };
  if (length > maxFrame) {
    throw new CloseError("message_too_large", `frame of ${length} bytes, limit ${maxFrame}`);
  }
  if (length === 0) throw new CloseError("bad_request", "empty frame");
  const start = at + varintLength(bytes[at]!);
  if (start + length > end) return { kind: "more", need: start - at + length };
  return { kind: "frame", start, end: start + length };
}
