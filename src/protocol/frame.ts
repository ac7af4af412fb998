/**
 * Frames on a byte stream: a varint length, then that many bytes. A frame says by its first byte what it
 * is: `{` is JSON in UTF-8, a MessagePack map is MessagePack.
 *
 * Pure: bytes in, frames or "need more" out. Limits are checked before anything is allocated.
 *
 * @module
 */

import { CloseError } from "./errors.ts";
import { readVarint, varintLength } from "./varint.ts";

/** Where a frame lies, or how many bytes are wanted before it can be told. */
export type FrameScan =
  | { readonly kind: "frame"; readonly start: number; readonly end: number }
  | { readonly kind: "more"; readonly need: number };

/**
 * Walks the frames in `bytes[at, end)` in place: calls `onFrame` with each whole frame as a view that is
 * only valid during the call, and returns the place of the first byte not consumed. Throws CloseError
 * `message_too_large` as soon as a length prefix says more than `maxFrame`, and `bad_request` for an empty
 * frame.
 */
export function scanFrames(
  bytes: Uint8Array,
  at: number,
  end: number,
  maxFrame: number,
  onFrame: (frame: Uint8Array) => void,
): number {
  for (;;) {
    const scan = scanFrame(bytes, at, end, maxFrame);
    if (scan.kind === "more") return at;
    onFrame(bytes.subarray(scan.start, scan.end));
    at = scan.end;
  }
}

/**
 * Finds one frame at `at`. `need` of "more" counts from `at`: the buffer has to hold that many bytes
 * before another call can say more.
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
