/**
 * ChannelData messages (RFC 8656 §12.4), and how both kinds of messages follow one another on a stream.
 *
 * @module
 */

import { HEADER_LENGTH, looksLikeStun, padded } from "../stun/message.ts";

/** The first channel number (RFC 8656 §12). */
export const FIRST_CHANNEL = 0x4000;
/** The last channel number. */
export const LAST_CHANNEL = 0x4fff;
/** Bytes before the data: channel number and length. */
export const CHANNEL_HEADER = 4;
/** A message of the server larger than this ends the stream: no datagram is. */
const MAX_STREAM_MESSAGE = 4096;

/** Whether a message of a TURN server is ChannelData; everything else is STUN. */
export function isChannelData(bytes: Uint8Array): boolean {
  return bytes.length >= CHANNEL_HEADER && (bytes[0]! & 0xf0) === 0x40 && !looksLikeStun(bytes);
}

/** Writes ChannelData; with padding to 4 bytes, as a stream needs it and UDP allows it. */
export function encodeChannelData(channel: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(CHANNEL_HEADER + padded(data.length));
  bytes[0] = channel >> 8;
  bytes[1] = channel & 0xff;
  bytes[2] = data.length >> 8;
  bytes[3] = data.length & 0xff;
  bytes.set(data, CHANNEL_HEADER);
  return bytes;
}

/** Reads ChannelData; undefined when its length does not fit. `data` is a view of `bytes`. */
export function decodeChannelData(bytes: Uint8Array): { channel: number; data: Uint8Array } | undefined {
  const length = (bytes[2]! << 8) | bytes[3]!;
  if (CHANNEL_HEADER + length > bytes.length) return undefined;
  return {
    channel: (bytes[0]! << 8) | bytes[1]!,
    data: bytes.subarray(CHANNEL_HEADER, CHANNEL_HEADER + length),
  };
}

/** Cuts a stream from a TURN server into messages. Throws RangeError when it cannot be one. */
export class MessageCutter {
  #rest = new Uint8Array(0);

  /** Takes the next bytes; returns the messages that are whole now, in memory of their own. */
  push(bytes: Uint8Array): Uint8Array[] {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const messages: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      if (all.length - at < CHANNEL_HEADER) break;
      const length = (all[at + 2]! << 8) | all[at + 3]!;
      const channelData = (all[at]! & 0xc0) === 0x40;
      const size = channelData ? CHANNEL_HEADER + length : HEADER_LENGTH + length;
      if (size > MAX_STREAM_MESSAGE) throw new RangeError(`a message of ${size} bytes from the TURN server`);
      const end = at + (channelData ? padded(size) : size);
      if (end > all.length) break;
      messages.push(all.subarray(at, at + size));
      at = end;
    }
    this.#rest = all.slice(at);
    return messages;
  }
}
