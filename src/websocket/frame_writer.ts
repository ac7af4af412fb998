/**
 * Frames that a server sends (RFC 6455 §5.2): never masked, one frame a message.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** Opcodes (RFC 6455 §5.2). */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const FIN = 0x80;
/** First bit of an extension (RFC 6455 §5.2): with permessage-deflate the message is compressed. */
export const RSV1 = 0x40;

/** Bytes of the header of a server's frame with `length` bytes of payload: 2, 4 or 10. */
function headerSize(length: number): number {
  return length < 126 ? 2 : length < 65536 ? 4 : 10;
}

/** Writes the header at `at`; returns where the payload begins. */
function writeHeader(
  into: Uint8Array,
  at: number,
  opcode: number,
  length: number,
  rsv1 = false,
): number {
  into[at] = FIN | (rsv1 ? RSV1 : 0) | opcode;
  if (length < 126) {
    into[at + 1] = length;
    return at + 2;
  }
  if (length < 65536) {
    into[at + 1] = 126;
    into[at + 2] = length >> 8;
    into[at + 3] = length & 255;
    return at + 4;
  }
  into[at + 1] = 127;
  const high = Math.floor(length / 2 ** 32);
  for (let i = 0; i < 4; i++) {
    into[at + 2 + i] = (high >>> (24 - 8 * i)) & 255;
    into[at + 6 + i] = (length >>> (24 - 8 * i)) & 255;
  }
  return at + 10;
}

/** The payload of a server's frame. */
export function payloadOf(frame: Uint8Array): Uint8Array {
  const short = frame[1]! & 0x7f;
  return frame.subarray(short < 126 ? 2 : short === 126 ? 4 : 10);
}

/** A whole frame around `payload`, in bytes of its own. */
export function encodeFrame(opcode: number, payload: Uint8Array, rsv1 = false): Uint8Array {
  const frame = Buffer.allocUnsafe(headerSize(payload.length) + payload.length);
  frame.set(payload, writeHeader(frame, 0, opcode, payload.length, rsv1));
  return frame;
}

/** The opcode of a frame. */
export function opcodeOf(frame: Uint8Array): number {
  return frame[0]! & 0x0f;
}

/** A binary message as one frame. The bytes may be sent to any number of peers. */
export function encodeBinary(payload: Uint8Array): Uint8Array {
  return encodeFrame(OPCODE.binary, payload);
}

/** A text message, which may be UTF-8 already, as one frame. The bytes may be sent to any number of peers. */
export function encodeText(text: string | Uint8Array): Uint8Array {
  if (typeof text !== "string") return encodeFrame(OPCODE.text, text);
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headerSize(length) + length);
  frame.write(text, writeHeader(frame, 0, OPCODE.text, length));
  return frame;
}

/** A close frame; `reason` is cut to the 123 bytes of UTF-8 that a control frame has room for. */
export function encodeClose(code: number, reason: string): Uint8Array {
  let text = Buffer.from(reason);
  if (text.length > 123) {
    let end = 123;
    // Not in the middle of a character: continuation bytes begin with 10.
    while (end > 0 && (text[end]! & 0xc0) === 0x80) end--;
    text = text.subarray(0, end);
  }
  const payload = Buffer.allocUnsafe(2 + text.length);
  payload[0] = code >> 8;
  payload[1] = code & 255;
  payload.set(text, 2);
  return encodeFrame(OPCODE.close, payload);
}
