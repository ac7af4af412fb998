/**
 * Updates as the bare relay and its clients send them.
 *
 * @module
 */

import { varintSize, writeVarint } from "../../../src/protocol/mod.ts";
import { frames } from "../skein/dial.ts";

/** Bytes that may be sent. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Updates, each with its length before it, as one piece. */
export function framed(updates: readonly Uint8Array[]): Bytes {
  const bytes = new Uint8Array(updates.reduce((sum, { length }) => sum + varintSize(length) + length, 0));
  let at = 0;
  for (const update of updates) {
    at = writeVarint(bytes, at, update.length);
    bytes.set(update, at);
    at += update.length;
  }
  return bytes;
}

/** Calls `take` with the frames that came together, valid during the call. Never rejects. */
export async function readFrames(
  readable: ReadableStream<Uint8Array>,
  take: (updates: Uint8Array[]) => void,
): Promise<void> {
  const reader = readable.getReader({ mode: "byob" });
  let rest: Bytes = new Uint8Array();
  try {
    for (let buffer: Bytes = new Uint8Array(65_536);;) {
      const { value, done } = await reader.read(buffer);
      if (done) return;
      let bytes = value as Bytes;
      if (rest.length > 0) {
        bytes = new Uint8Array(rest.length + value.length);
        bytes.set(rest);
        bytes.set(value, rest.length);
      }
      const updates: Uint8Array[] = [];
      const at = frames(bytes, (update) => updates.push(update));
      if (updates.length > 0) take(updates);
      rest = bytes.slice(at);
      buffer = new Uint8Array(value.buffer as ArrayBuffer);
    }
  } catch {
    // The connection has ended.
  }
}
