/**
 * permessage-deflate without context takeover (RFC 7692): each message is compressed by itself, so nothing is kept for
 * an idle connection.
 *
 * @module
 */

import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { CLOSE, WebSocketError } from "./errors.ts";

/** What a compressed message ends with, and what is left away of it on the wire (RFC 7692 §7.2.1). */
const TAIL = new Uint8Array([0, 0, 0xff, 0xff]);

/** Decompresses the payload of a message; see `Inflate`. */
export function inflate(data: Uint8Array, limit: number): Uint8Array {
  const whole = new Uint8Array(data.length + TAIL.length);
  whole.set(data);
  whole.set(TAIL, data.length);
  try {
    return inflateRawSync(whole, {
      maxOutputLength: Math.max(1, limit),
      finishFlush: constants.Z_SYNC_FLUSH,
    });
  } catch (error) {
    const tooLarge = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    throw tooLarge
      ? new WebSocketError(CLOSE.messageTooBig, `a message above ${limit} bytes`)
      : new WebSocketError(CLOSE.invalidData, "a compressed message that is damaged");
  }
}

/** Compresses a message; undefined when that makes it no smaller. */
export function deflate(data: Uint8Array): Uint8Array | undefined {
  const packed = deflateRawSync(data, { level: 1, finishFlush: constants.Z_SYNC_FLUSH });
  const length = packed.length - TAIL.length;
  return length < data.length ? packed.subarray(0, length) : undefined;
}
