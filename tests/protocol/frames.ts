/**
 * All frames of a buffer.
 *
 * @module
 */

import { scanFrame } from "../../src/protocol/mod.ts";

/**
 * Calls `onFrame` with each whole frame in `bytes[at, end)`, a view that is only valid during the call, and returns the
 * place of the first byte that belongs to none. Throws as `scanFrame` does.
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
