/**
 * SETTINGS (RFC 9114 §7.2.4, RFC 9220, RFC 9297, and the WebTransport drafts that are in the field).
 *
 * @module
 */

import { H3, Http3Error } from "./errors.ts";
import { encodeFrame, FRAME } from "./frames.ts";
import { encodeVarints, readVarint, varintLength } from "./varint.ts";

/** Identifiers by name. Exported for tests. */
export const SETTING = {
  QPACK_MAX_TABLE_CAPACITY: 0x01,
  MAX_FIELD_SECTION_SIZE: 0x06,
  QPACK_BLOCKED_STREAMS: 0x07,
  ENABLE_CONNECT_PROTOCOL: 0x08,
  H3_DATAGRAM: 0x33,
  /** Draft 04 of HTTP datagrams: Firefox. */
  H3_DATAGRAM_DRAFT: 0xffd277,
  /** Draft 02: Chromium and Firefox. */
  ENABLE_WEBTRANSPORT: 0x2b603742,
  /** Draft 07: sessions a client may open. */
  WEBTRANSPORT_MAX_SESSIONS_07: 0xc671706a,
  /** Drafts 13 and 14: Safari connects only with it. */
  WEBTRANSPORT_MAX_SESSIONS_13: 0x14e9cd29,
} as const;

/** Bytes of a SETTINGS frame we take. */
export const MAX_SETTINGS_LENGTH = 4096;

const OURS: readonly (readonly [number, number])[] = [
  [SETTING.ENABLE_CONNECT_PROTOCOL, 1],
  [SETTING.H3_DATAGRAM, 1],
  [SETTING.ENABLE_WEBTRANSPORT, 1],
  [SETTING.H3_DATAGRAM_DRAFT, 1],
  [SETTING.WEBTRANSPORT_MAX_SESSIONS_07, 1],
  [SETTING.WEBTRANSPORT_MAX_SESSIONS_13, 1],
];

/**
 * Our SETTINGS frame: WebTransport as drafts 02 to 14 announce it, no dynamic table. Draft 15 and later are left out:
 * they demand RESET_STREAM_AT, which Deno's QUIC lacks, and a client that picks the highest draft would refuse.
 */
export function encodeSettings(
  settings: readonly (readonly [number, number])[] = OURS,
): Uint8Array<ArrayBuffer> {
  return encodeFrame(FRAME.SETTINGS, encodeVarints(...settings.flat()));
}

/** Decodes the payload of a SETTINGS frame. Throws Http3Error on half pairs, duplicates, and what HTTP/2 owned. */
export function decodeSettings(payload: Uint8Array): Map<number, number> {
  const settings = new Map<number, number>();
  let at = 0;
  const next = (): number => {
    const value = readVarint(payload, at);
    if (value < 0) throw new Http3Error(H3.FRAME_ERROR, "SETTINGS ends early");
    at += varintLength(payload[at]!);
    return value;
  };
  while (at < payload.length) {
    const id = next();
    const value = next();
    if (id === 0 || (id >= 2 && id <= 5)) throw new Http3Error(H3.SETTINGS_ERROR, `reserved setting ${id}`);
    if (settings.has(id)) throw new Http3Error(H3.SETTINGS_ERROR, `setting 0x${id.toString(16)} twice`);
    if ((id === SETTING.ENABLE_CONNECT_PROTOCOL || id === SETTING.H3_DATAGRAM) && value > 1) {
      throw new Http3Error(H3.SETTINGS_ERROR, `setting 0x${id.toString(16)} is ${value}`);
    }
    settings.set(id, value);
  }
  return settings;
}

/** Whether a server with these settings takes WebTransport sessions in a draft that we speak. */
export function takesWebTransport(settings: ReadonlyMap<number, number>): boolean {
  const has = (...ids: number[]): boolean => ids.some((id) => (settings.get(id) ?? 0) > 0);
  return has(SETTING.ENABLE_CONNECT_PROTOCOL) &&
    has(SETTING.H3_DATAGRAM, SETTING.H3_DATAGRAM_DRAFT) &&
    has(
      SETTING.ENABLE_WEBTRANSPORT,
      SETTING.WEBTRANSPORT_MAX_SESSIONS_07,
      SETTING.WEBTRANSPORT_MAX_SESSIONS_13,
    );
}
