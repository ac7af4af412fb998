/**
 * The peer's control and QPACK streams. They are checked; of what they say only SETTINGS matter to us.
 *
 * @module
 */

import type { ReceiveHalf } from "../receive_stream.ts";
import { H3, Http3Error } from "./errors.ts";
import { FRAME, isReservedFrame, STREAM, TlvReader, type Treatment } from "./frames.ts";
import { checkEncoderStream, decoderChecker } from "./qpack.ts";
import { decodeSettings, MAX_SETTINGS_LENGTH } from "./settings.ts";
import { readVarint } from "./varint.ts";

/** Bytes of the longest GOAWAY payload: one varint. */
const MAX_GOAWAY_LENGTH = 8;

/** What the control stream tells. */
export interface ControlListener {
  /** The peer's SETTINGS, once. */
  onSettings?(settings: ReadonlyMap<number, number>): void;
}

/**
 * Whether a unidirectional stream of this type is one we read; others are to be cancelled. Throws Http3Error when
 * the peer may not open it (again). @param seen The types opened so far; added to.
 */
export function checkPeerStream(type: number, seen: Set<number>): boolean {
  // A client may not push, and a server may not push to us: we never send MAX_PUSH_ID.
  if (type === STREAM.PUSH) throw new Http3Error(H3.STREAM_CREATION_ERROR, "push stream");
  if (type !== STREAM.CONTROL && type !== STREAM.QPACK_ENCODER && type !== STREAM.QPACK_DECODER) return false;
  if (seen.has(type)) throw new Http3Error(H3.STREAM_CREATION_ERROR, `stream of type ${type} twice`);
  seen.add(type);
  return true;
}

/**
 * Reads such a stream until the connection ends. Throws Http3Error on any violation; the end of the stream is one
 * (RFC 9114 §6.2.1).
 */
export async function readControlStream(
  type: number,
  receive: ReceiveHalf,
  listener: ControlListener = {},
): Promise<void> {
  const check = type === STREAM.CONTROL
    ? controlChecker(listener)
    : type === STREAM.QPACK_ENCODER
    ? checkEncoderStream
    : decoderChecker();
  let buffer = new Uint8Array(256);
  for (;;) {
    const bytes = await receive.read(buffer);
    if (bytes === null) throw new Http3Error(H3.CLOSED_CRITICAL_STREAM, `stream of type ${type} ended`);
    check(bytes);
    buffer = new Uint8Array(bytes.buffer);
  }
}

/** A check of the control stream's bytes as they come (RFC 9114 §5.2, §6.2.1, §7.2). Exported for tests. */
export function controlChecker(listener: ControlListener = {}): (bytes: Uint8Array) => void {
  let settled = false;
  let goaway = Infinity;
  const treat = (type: number, length: number): Treatment => {
    if (!settled && type !== FRAME.SETTINGS) throw new Http3Error(H3.MISSING_SETTINGS, "no SETTINGS first");
    if (type === FRAME.SETTINGS) {
      if (settled) throw new Http3Error(H3.FRAME_UNEXPECTED, "SETTINGS twice");
      if (length > MAX_SETTINGS_LENGTH) throw new Http3Error(H3.EXCESSIVE_LOAD, "SETTINGS too long");
      settled = true;
      return "collect";
    }
    if (type === FRAME.GOAWAY) {
      if (length > MAX_GOAWAY_LENGTH) throw new Http3Error(H3.FRAME_ERROR, "GOAWAY too long");
      return "collect";
    }
    if (
      type === FRAME.DATA || type === FRAME.HEADERS || type === FRAME.PUSH_PROMISE ||
      type === FRAME.WEBTRANSPORT_STREAM || isReservedFrame(type)
    ) throw new Http3Error(H3.FRAME_UNEXPECTED, `frame 0x${type.toString(16)} on the control stream`);
    return "skip";
  };
  const frames = new TlvReader(treat);
  return (bytes) => {
    for (const { type, payload } of frames.push(bytes)) {
      if (type === FRAME.SETTINGS) {
        const settings = decodeSettings(payload);
        listener.onSettings?.(settings);
      } else goaway = checkGoaway(payload, goaway);
    }
  };
}

/** The id a GOAWAY gives; it may only go down. We open no requests after the first, so nothing else follows from it. */
function checkGoaway(payload: Uint8Array, before: number): number {
  const id = readVarint(payload);
  if (id < 0) throw new Http3Error(H3.FRAME_ERROR, "GOAWAY ends early");
  if (id > before) throw new Http3Error(H3.ID_ERROR, "GOAWAY with a larger id than before");
  return id;
}
